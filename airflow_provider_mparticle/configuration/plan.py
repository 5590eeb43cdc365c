"""
What has to be done so that a workspace is as a document says: a plan, made before anything is sent. Pure.

What mParticle cannot do is refused here, all of it at once, and not in the middle of carrying it out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from airflow_provider_mparticle.client.models import SECRET_NAME, Resource, without_secrets
from airflow_provider_mparticle.client.resource_kinds import (
    CONNECTION,
    DATA_MODEL,
    FIELD_TRANSFORMATION,
    KINDS,
    PIPELINE,
    Kind,
)
from airflow_provider_mparticle.configuration.document import Document, check_document
from airflow_provider_mparticle.configuration.resource_rules import Difference, differences, is_masked, refusal

# The fields by which a pipeline refers to the other kinds.
REFERENCES: Mapping[str, Kind[Any]] = {kind.id_name: kind for kind in (CONNECTION, DATA_MODEL, FIELD_TRANSFORMATION)}

# mParticle logs in to these with a secret. API reference, "Create a connection"; BigQuery from v1.
LOG_IN_WITH = {"Snowflake": "password", "Redshift": "password", "BigQuery": "service_account_key"}

# A template that nobody has rendered.
TEMPLATE = "{{"


class Action(StrEnum):
    """What a step does."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    DELETE = "delete"


SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.UNCHANGED: "=", Action.DELETE: "-"}


@dataclass(frozen=True)
class Workspace:
    """
    What mParticle has.

    :param resources: For the name of each kind the resources of that kind by their ids.
    """

    resources: Mapping[str, Mapping[str, Resource]] = field(default_factory=dict)

    def of(self, kind: Kind[Any]) -> Mapping[str, Resource]:
        """Return the resources of a kind by their ids."""
        return self.resources.get(kind.name, {})

    def as_document(self) -> dict[str, Any]:
        """Describe it as a document: what can be written, without secrets; a kind without resources has no section."""
        return {
            kind.plural: [_described(kind, found[resource_id]) for resource_id in sorted(found)]
            for kind in KINDS
            if (found := self.of(kind))
        }


@dataclass(frozen=True)
class Step:
    """
    What becomes of one resource.

    :param wanted: Its description in the document; empty if it is to be deleted. May hold secrets.
    :param differences: What mParticle has otherwise, for an update.
    """

    action: Action
    kind: Kind[Any]
    resource_id: str
    wanted: Mapping[str, Any] = field(default_factory=dict, repr=False)
    differences: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        return f"{SIGNS[self.action]} {self.kind.title} {self.resource_id}"

    @property
    def is_change(self) -> bool:
        """Whether there is something to do."""
        return self.action is not Action.UNCHANGED

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON, without secrets."""
        shown: dict[str, Any] = {"action": self.action.value, "kind": self.kind.name, "id": self.resource_id}
        if self.differences:
            shown["differences"] = [_shown(difference) for difference in self.differences]
        return shown

    def lines(self) -> list[str]:
        """Return it readable, without secrets; its differences are indented."""
        return [str(self), *(f"    {line}" for one in self.differences for line in _difference_lines(one))]


@dataclass(frozen=True)
class Plan:
    """
    What is to be done, in this order.

    :param steps: One for each resource concerned: what others build on comes first, deletions come last.
    :param refusals: What mParticle cannot do, a sentence each. With any of them nothing of the plan can be applied.
    """

    steps: tuple[Step, ...] = ()
    refusals: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether mParticle has everything as it should be."""
        return not self.refusals and not any(step.is_change for step in self.steps)

    def counts(self) -> dict[str, int]:
        """Return the number of steps for each action."""
        return {action.value: sum(step.action is action for step in self.steps) for action in Action}

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON, without secrets."""
        return {
            "steps": [step.as_dict() for step in self.steps],
            "refusals": list(self.refusals),
            "counts": self.counts(),
        }

    def lines(self) -> list[str]:
        """Return it readable, without secrets: a line for each step, its differences, the refusals, a summary."""
        number = self.counts()
        summary = "{create} to create, {update} to update, {unchanged} unchanged, {delete} to delete".format(**number)
        if self.refusals:
            summary += f", {len(self.refusals)} refused: nothing can be applied"
        steps = [line for step in self.steps for line in step.lines()]
        return [*steps, *(f"! {refused}" for refused in self.refusals), summary]


def plan(document: Document, workspace: Workspace, prune: bool = False) -> Plan:
    """
    Say what has to be done so that *workspace* is as *document* says.

    :param document: The document. What it does not name is let be.
    :param workspace: What mParticle has.
    :param prune: Whether to delete what the document does not name, in the sections that it has. Default: False.
    :raises ConfigError: The document is wrong; the message names everything that is.
    """
    check_document(document)
    kept = [_kept(kind, wanted, workspace) for kind in KINDS for wanted in document.descriptions(kind)]
    steps = (*kept, *(_deletions(document, workspace) if prune else ()))
    return Plan(steps, tuple(_refusals(steps, workspace)))


# Steps


def _kept(kind: Kind[Any], wanted: Mapping[str, Any], workspace: Workspace) -> Step:
    have = workspace.of(kind).get(wanted["id"])
    if have is None:
        return Step(Action.CREATE, kind, wanted["id"], wanted)
    found = tuple(differences(have, wanted))
    return Step(Action.UPDATE if found else Action.UNCHANGED, kind, have.id, wanted, found)


def _deletions(document: Document, workspace: Workspace) -> Iterator[Step]:
    """Delete what the document does not name, first what nothing builds on."""
    for kind in reversed(KINDS):
        named = {wanted["id"] for wanted in document.descriptions(kind)}
        if document.names(kind):
            yield from (Step(Action.DELETE, kind, one) for one in workspace.of(kind) if one not in named)


# What mParticle cannot do


def _refusals(steps: tuple[Step, ...], workspace: Workspace) -> Iterator[str]:
    for step in steps:
        have = workspace.of(step.kind).get(step.resource_id)
        if step.action is Action.UPDATE and have and (reason := refusal(step.kind, have, step.wanted)):
            yield reason
        if step.action in (Action.CREATE, Action.UPDATE):
            yield from _unsendable(step)
    yield from _dangling(steps, workspace)


def _unsendable(step: Step) -> Iterator[str]:
    """Refuse to write over a secret with nothing, or with a template."""
    who = f"{step.kind.title.capitalize()} {step.resource_id!r}"
    secrets = dict(secrets_in(step.wanted))
    for place, value in secrets.items():
        if TEMPLATE in str(value):
            yield f"{who}: {place} is a template that was not rendered, as MParticleApplyOperator does."
    needed = LOG_IN_WITH.get(str(step.wanted.get("service_provider")))
    if step.kind is CONNECTION and step.action is Action.UPDATE and needed and not secrets:
        yield (
            f"{who} would be written without a secret, and mParticle may take it for one that has none. Add it to the "
            f"document, as config.{needed} for instance: mParticle never shows it, so nobody can keep it but you."
        )


def _dangling(steps: tuple[Step, ...], workspace: Workspace) -> Iterator[str]:
    """Refuse what would leave a pipeline without something that it refers to."""
    deleted = {(step.kind.name, step.resource_id) for step in steps if step.action is Action.DELETE}
    there = {(kind.name, one) for kind in KINDS for one in workspace.of(kind)}
    there |= {(step.kind.name, step.resource_id) for step in steps}
    named = {step.resource_id: step.wanted for step in steps if step.kind is PIPELINE}
    for pipeline_id in dict.fromkeys((*workspace.of(PIPELINE), *named)):
        if (PIPELINE.name, pipeline_id) in deleted:
            continue
        have, wanted = workspace.of(PIPELINE).get(pipeline_id), named.get(pipeline_id, {})
        for name, kind in REFERENCES.items():
            before = getattr(have, name, None)
            target = wanted.get(name) or before
            if (kind.name, target) in deleted:
                yield (
                    f"{kind.title.capitalize()} {target!r} cannot be deleted: pipeline {pipeline_id!r} refers to it, "
                    "and that one stays."
                )
            elif target != before and (kind.name, target) not in there:
                yield (
                    f"Pipeline {pipeline_id!r} refers to the {kind.title} {target!r}, which neither the document nor "
                    "mParticle has."
                )


def secrets_in(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Name the place of every secret in a description or document, with the secret."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from secrets_in(part, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from secrets_in(part, f"{place}[{number}]")
    elif value is not None and SECRET_NAME.search(place):
        yield place, value


# What is shown


def _shown(difference: Difference) -> dict[str, Any]:
    have, wanted = ("***", "***") if difference.is_secret else (difference.have, difference.wanted)
    return {"field": difference.field, "have": without_secrets(have), "wanted": without_secrets(wanted)}


def _difference_lines(difference: Difference) -> list[str]:
    """Show a text of several lines, SQL as a rule, line by line."""
    have, wanted = difference.have, difference.wanted
    if difference.is_secret or not isinstance(have, str) or not isinstance(wanted, str) or "\n" not in have + wanted:
        return [str(difference)]
    by_line = difflib.ndiff(have.splitlines(), wanted.splitlines())
    return [f"{difference.field}:", *(f"    {line}" for line in by_line if not line.startswith("?"))]


def _described(kind: Kind[Any], resource: Resource) -> dict[str, Any]:
    readable: dict[str, Any] = _readable(
        without_secrets({name: getattr(resource, name) for name in ("id", *kind.writable)})
    )
    return readable


def _readable(value: Any) -> Any:
    """Leave out what is blank or masked."""
    if isinstance(value, Mapping):
        shown = {name: part for name, part in value.items() if part not in (None, "") and not is_masked(name, part)}
        return {name: _readable(part) for name, part in shown.items()}
    return [_readable(part) for part in value] if isinstance(value, list) else value
