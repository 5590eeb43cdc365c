"""
Plans the steps that change a workspace to what a document says. Must not read or send anything.

Everything that mParticle cannot do is refused here at once, and not after a part of the plan has been applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_mparticle.client.resource_kinds import KINDS, PIPELINE, Kind
from airflow_provider_mparticle.configuration.document import Document, check_document
from airflow_provider_mparticle.configuration.kept_forms import KNOWN, KeptForms
from airflow_provider_mparticle.configuration.plan_refusals import plan_refusals
from airflow_provider_mparticle.configuration.plan_step import Action, PlanStep
from airflow_provider_mparticle.configuration.resource_diff import differences, same_word
from airflow_provider_mparticle.configuration.workspace import Workspace

# Warehouse Sync overview, July 2025: the default limit of active pipelines. A contract may set another limit.
MAX_ACTIVE = 5


@dataclass(frozen=True)
class Plan:
    """
    The steps to apply, in this order.

    :param steps: One for each resource in the document. A resource comes after those to which it refers. Deletions come
        last, unless mParticle's limit of active pipelines needs them earlier.
    :param refusals: What mParticle cannot do, one sentence each. A plan with refusals cannot be applied.
    :param notes: What a user should know before applying the plan, one sentence each.
    """

    steps: tuple[PlanStep, ...] = ()
    refusals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the workspace already is as the document says."""
        return not self.refusals and not any(step.is_change for step in self.steps)

    def counts(self) -> dict[str, int]:
        """Return the number of steps for each action."""
        return {action.value: sum(step.action is action for step in self.steps) for action in Action}

    def as_dict(self) -> dict[str, Any]:
        """Return the plan as JSON, without secrets."""
        return {
            "steps": [step.as_dict() for step in self.steps],
            "refusals": list(self.refusals),
            "counts": self.counts(),
        }

    def lines(self) -> list[str]:
        """Return the plan as lines of text, without secrets: steps with differences, refusals, notes, a summary."""
        number = self.counts()
        summary = "{create} to create, {update} to update, {unchanged} unchanged, {delete} to delete".format(**number)
        if self.refusals:
            summary += f", {len(self.refusals)} refused: nothing can be applied"
        steps = [line for step in self.steps for line in step.lines()]
        return [*steps, *(f"! {text}" for text in self.refusals), *(f"Note: {text}" for text in self.notes), summary]


def plan(document: Document, workspace: Workspace, prune: bool = False, kept: KeptForms = KNOWN) -> Plan:
    """
    Return the plan that changes *workspace* to what *document* says.

    :param document: The document. Resources and fields that it does not name stay as they are.
    :param workspace: The workspace as mParticle has it.
    :param prune: Whether to delete resources that the document does not name, in the sections that it has. Default: no.
    :param kept: The forms in which mParticle keeps values. Default: the forms that this process has learned.
    :raises ConfigError: The document is invalid; the message has all its problems.
    """
    check_document(document)
    steps = [_step(kind, wanted, workspace, kept) for kind in KINDS for wanted in document.descriptions(kind)]
    steps += _deletions(document, workspace) if prune else ()
    active = _ActivePipelines(workspace)
    ordered = active.ordered(steps)
    return Plan(tuple(ordered), tuple(plan_refusals(ordered, workspace)), tuple(active.notes(ordered)))


# Steps


def _step(kind: Kind[Any], wanted: Mapping[str, Any], workspace: Workspace, kept: KeptForms) -> PlanStep:
    have = workspace.of(kind).get(wanted["id"])
    if have is None:
        return PlanStep(Action.CREATE, kind, wanted["id"], wanted)
    found = tuple(kept.changes(kind, differences(have, wanted)))
    return PlanStep(Action.UPDATE if found else Action.UNCHANGED, kind, have.id, wanted, found)


def _deletions(document: Document, workspace: Workspace) -> Iterator[PlanStep]:
    """Yield a step for each resource to delete: pipelines first, because they refer to the others."""
    for kind in reversed(KINDS):
        named = {wanted["id"] for wanted in document.descriptions(kind)}
        if document.names(kind):
            yield from (PlanStep(Action.DELETE, kind, one) for one in workspace.of(kind) if one not in named)


class _ActivePipelines:
    """Counts the active pipelines after each step, since mParticle has a limit for them."""

    def __init__(self, workspace: Workspace) -> None:
        self._before = {one.id: _is_active(one.state) for one in workspace.of(PIPELINE).values()}

    def ordered(self, steps: list[PlanStep]) -> list[PlanStep]:
        """Return the steps in an order that keeps the limit: steps that end an active pipeline may come first."""
        if self._peak(steps) <= max(MAX_ACTIVE, sum(self._before.values())):
            return steps
        before = [step for step in steps if step.kind is not PIPELINE and step.action is not Action.DELETE]
        after = [step for step in steps if step.kind is not PIPELINE and step.action is Action.DELETE]
        pipelines = [step for step in steps if step.kind is PIPELINE]
        return [*before, *sorted(pipelines, key=self._effect), *after]

    def notes(self, steps: list[PlanStep]) -> Iterator[str]:
        """Yield a note if the steps lead to more active pipelines than mParticle's default limit."""
        number = sum(self._before.values()) + sum(map(self._effect, steps))
        if number > MAX_ACTIVE and number > sum(self._before.values()):
            yield (
                f"{number} pipelines will be active; mParticle's default limit is {MAX_ACTIVE}, so it may refuse "
                "the last ones. Pause some, or ask mParticle for a higher limit."
            )

    def _peak(self, steps: list[PlanStep]) -> int:
        number = peak = sum(self._before.values())
        for step in steps:
            number += self._effect(step)
            peak = max(peak, number)
        return peak

    def _effect(self, step: PlanStep) -> int:
        """Return by how many a step changes the number of active pipelines: 1, 0 or -1."""
        if step.kind is not PIPELINE:
            return 0
        was = self._before.get(step.resource_id, False)
        if step.action is Action.DELETE:
            return -int(was)
        state = step.wanted.get("state")
        will = _is_active(state) if state or step.action is Action.CREATE else was
        return int(will) - int(was)


def _is_active(state: str | None) -> bool:
    """Return whether a pipeline with this state is active; one without a state is."""
    return same_word(state or "active", "active")
