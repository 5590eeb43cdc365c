"""
Plans what has to be done so that a workspace is as a document says. Pure: it reads and sends nothing.

What mParticle cannot do is refused here, all of it at once, and not in the middle of carrying it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_mparticle.client.resource_kinds import KINDS, PIPELINE, Kind
from airflow_provider_mparticle.configuration.document import Document, check_document
from airflow_provider_mparticle.configuration.kept_forms import KNOWN, KeptForms
from airflow_provider_mparticle.configuration.plan_refusals import plan_refusals
from airflow_provider_mparticle.configuration.resource_diff import differences, same_word
from airflow_provider_mparticle.configuration.steps import Action, Step
from airflow_provider_mparticle.configuration.workspace import Workspace

# Warehouse Sync overview, July 2025: the default limit of active pipelines; a contract may set another one.
ACTIVE_AT_MOST = 5


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
    return Plan(tuple(ordered), tuple(plan_refusals(ordered, workspace)), tuple(active.notes(ordered)))


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
