"""
Plans what has to be done so that a workspace is as a document says. Pure: it reads and sends nothing.

What mParticle cannot do is refused here, all of it at once, and not in the middle of carrying it out.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from airflow_provider_mparticle.client.models import without_secrets
from airflow_provider_mparticle.client.resource_kinds import (
    CONNECTION,
    DATA_MODEL,
    FIELD_TRANSFORMATION,
    KINDS,
    PIPELINE,
    Kind,
)
from airflow_provider_mparticle.configuration.document import Document, check_document
from airflow_provider_mparticle.configuration.kept_forms import KNOWN, KeptForms
from airflow_provider_mparticle.configuration.resource_diff import Difference, differences, same_word
from airflow_provider_mparticle.configuration.resource_update import refusals, secrets_in
from airflow_provider_mparticle.configuration.workspace import Workspace

# The fields by which a pipeline refers to the other kinds.
REFERENCES: Mapping[str, Kind[Any]] = {kind.id_name: kind for kind in (CONNECTION, DATA_MODEL, FIELD_TRANSFORMATION)}

# Warehouse Sync overview, July 2025: the default limit of active pipelines; a contract may set another one.
ACTIVE_AT_MOST = 5

# How a template begins that was not rendered.
TEMPLATE = "{{"


class Action(StrEnum):
    """What a step does."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    DELETE = "delete"


SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.UNCHANGED: "=", Action.DELETE: "-"}


@dataclass(frozen=True)
class Step:
    """
    What is done with one resource.

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

    :param steps: One for each resource concerned. A resource comes after those that it refers to, and deletions come
        last, except where mParticle's limit of active pipelines needs them earlier.
    :param refusals: What mParticle cannot do, a sentence each. With any of them nothing of the plan can be applied.
    :param notes: What a person should know before applying it, a sentence each.
    """

    steps: tuple[Step, ...] = ()
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

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
        """Return it readable, without secrets: the steps with their differences, refusals, notes, a summary."""
        number = self.counts()
        summary = "{create} to create, {update} to update, {unchanged} unchanged, {delete} to delete".format(**number)
        if self.refusals:
            summary += f", {len(self.refusals)} refused: nothing can be applied"
        steps = [line for step in self.steps for line in step.lines()]
        return [*steps, *(f"! {said}" for said in self.refusals), *(f"Note: {said}" for said in self.notes), summary]


def plan(document: Document, workspace: Workspace, prune: bool = False, kept: KeptForms = KNOWN) -> Plan:
    """
    Say what has to be done so that *workspace* is as *document* says.

    :param document: The document. What it does not name is left as it is.
    :param workspace: What mParticle has.
    :param prune: Whether to delete what the document does not name, in the sections that it has. Default: False.
    :param kept: The forms in which mParticle is known to keep values. Default: those that this process has learned.
    :raises ConfigError: The document is wrong; the message names everything that is.
    """
    check_document(document)
    steps = [_kept(kind, wanted, workspace, kept) for kind in KINDS for wanted in document.descriptions(kind)]
    steps += _deletions(document, workspace) if prune else ()
    active = _ActivePipelines(workspace)
    ordered = active.ordered(steps)
    return Plan(tuple(ordered), tuple(_refusals(ordered, workspace)), tuple(active.notes(ordered)))


# Steps


def _kept(kind: Kind[Any], wanted: Mapping[str, Any], workspace: Workspace, kept: KeptForms) -> Step:
    have = workspace.of(kind).get(wanted["id"])
    if have is None:
        return Step(Action.CREATE, kind, wanted["id"], wanted)
    found = tuple(kept.changes(kind, differences(have, wanted)))
    return Step(Action.UPDATE if found else Action.UNCHANGED, kind, have.id, wanted, found)


def _deletions(document: Document, workspace: Workspace) -> Iterator[Step]:
    """Delete what the document does not name: pipelines first, because they refer to the others."""
    for kind in reversed(KINDS):
        named = {wanted["id"] for wanted in document.descriptions(kind)}
        if document.names(kind):
            yield from (Step(Action.DELETE, kind, one) for one in workspace.of(kind) if one not in named)


class _ActivePipelines:
    """Counts the active pipelines while steps are done: mParticle refuses one too many."""

    def __init__(self, workspace: Workspace) -> None:
        self._before = {one.id: _is_active(one.state) for one in workspace.of(PIPELINE).values()}

    def ordered(self, steps: list[Step]) -> list[Step]:
        """Return the steps, with those first that end an active pipeline if the limit would be exceeded otherwise."""
        if self._peak(steps) <= max(ACTIVE_AT_MOST, sum(self._before.values())):
            return steps
        before = [step for step in steps if step.kind is not PIPELINE and step.action is not Action.DELETE]
        after = [step for step in steps if step.kind is not PIPELINE and step.action is Action.DELETE]
        pipelines = [step for step in steps if step.kind is PIPELINE]
        return [*before, *sorted(pipelines, key=self._effect), *after]

    def notes(self, steps: list[Step]) -> Iterator[str]:
        """Say what mParticle's limit means for the steps."""
        number = sum(self._before.values()) + sum(map(self._effect, steps))
        if number > ACTIVE_AT_MOST and number > sum(self._before.values()):
            yield (
                f"{number} pipelines will be active; mParticle's default limit is {ACTIVE_AT_MOST}, so it may refuse "
                "the last ones. Pause some, or ask mParticle for a higher limit."
            )

    def _peak(self, steps: list[Step]) -> int:
        number = peak = sum(self._before.values())
        for step in steps:
            number += self._effect(step)
            peak = max(peak, number)
        return peak

    def _effect(self, step: Step) -> int:
        """Return how many active pipelines more a step leaves, -1 for one fewer."""
        if step.kind is not PIPELINE:
            return 0
        was = self._before.get(step.resource_id, False)
        will = step.action is not Action.DELETE and _is_active(step.wanted.get("state"), was)
        return int(will if step.action is not Action.CREATE else _is_active(step.wanted.get("state"))) - int(was)


def _is_active(state: str | None, default: bool = True) -> bool:
    return default if state is None else same_word(state, "active")


# What mParticle cannot do


def _refusals(steps: list[Step], workspace: Workspace) -> Iterator[str]:
    for step in steps:
        have = workspace.of(step.kind).get(step.resource_id)
        if step.action is Action.UPDATE and have:
            yield from refusals(step.kind, have, step.wanted)
        if step.action in (Action.CREATE, Action.UPDATE):
            yield from _unrendered(step)
    yield from _dangling(steps, workspace)


def _unrendered(step: Step) -> Iterator[str]:
    """Refuse to write a template in the place of a secret."""
    for place, value in secrets_in(step.wanted):
        if TEMPLATE in str(value):
            yield (
                f"{step.kind.title.capitalize()} {step.resource_id!r}: {place} is a template that was not rendered. "
                "MParticleApplyOperator renders it; on the command line pass its value with --set."
            )


def _dangling(steps: list[Step], workspace: Workspace) -> Iterator[str]:
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
                    "and that pipeline stays."
                )
            elif target != before and (kind.name, target) not in there:
                yield (
                    f"Pipeline {pipeline_id!r} refers to the {kind.title} {target!r}, which neither the document nor "
                    "mParticle has."
                )


# What is shown


def _shown(difference: Difference) -> dict[str, Any]:
    have, wanted = ("***", "***") if difference.is_secret else (difference.have, difference.wanted)
    return {"field": difference.field, "have": without_secrets(have), "wanted": without_secrets(wanted)}


def _difference_lines(difference: Difference) -> list[str]:
    """Show text of several lines, SQL as a rule, line by line, and a list by what is taken out and put in."""
    have, wanted = difference.have, difference.wanted
    if difference.is_secret:
        return [str(difference)]
    if isinstance(have, list | tuple) and isinstance(wanted, list | tuple):
        return [f"{difference.field}:", *_items_changed([*map(str, have)], [*map(str, wanted)])]
    if isinstance(have, str) and isinstance(wanted, str) and "\n" in have + wanted:
        return [f"{difference.field}:", *_lines_changed(have.splitlines(), wanted.splitlines())]
    return [str(difference)]


def _lines_changed(have: list[str], wanted: list[str]) -> Iterator[str]:
    """Yield every line, with what is taken out before what takes its place."""
    matcher = difflib.SequenceMatcher(None, [line.strip() for line in have], [line.strip() for line in wanted], False)
    for tag, first, last, begin, end in matcher.get_opcodes():
        if tag == "equal":
            yield from (f"      {line}" for line in wanted[begin:end])
        else:
            yield from (f"    - {line}" for line in have[first:last])
            yield from (f"    + {line}" for line in wanted[begin:end])


def _items_changed(have: list[str], wanted: list[str]) -> Iterator[str]:
    yield from (f"    - {item}" for item in (Counter(have) - Counter(wanted)).elements())
    yield from (f"    + {item}" for item in (Counter(wanted) - Counter(have)).elements())
