"""Finds the steps of a plan that mParticle cannot do, or with which data would be lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_mparticle.client.resource_kinds import (
    CONNECTION,
    DATA_MODEL,
    FIELD_TRANSFORMATION,
    KINDS,
    PIPELINE,
    Kind,
)
from airflow_provider_mparticle.configuration.plain_values import texts
from airflow_provider_mparticle.configuration.plan_step import Action, PlanStep
from airflow_provider_mparticle.configuration.resource_update import refusals
from airflow_provider_mparticle.configuration.workspace import Workspace

# The fields with which a pipeline refers to resources of the other kinds.
REFERENCES: Mapping[str, Kind[Any]] = {kind.id_name: kind for kind in (CONNECTION, DATA_MODEL, FIELD_TRANSFORMATION)}

# The beginnings of a template's parts: values, blocks, comments. They remain if it was not rendered.
TEMPLATES = ("{{", "{%", "{#")


def plan_refusals(steps: Sequence[PlanStep], workspace: Workspace) -> Iterator[str]:
    """Yield a sentence for each reason why the steps cannot be done."""
    for step in steps:
        have = workspace.of(step.kind).get(step.resource_id)
        if step.action is Action.UPDATE and have:
            yield from refusals(step.kind, have, step.wanted)
        if step.action in (Action.CREATE, Action.UPDATE):
            yield from _unrendered(step)
    yield from _dangling(steps, workspace)


def _unrendered(step: PlanStep) -> Iterator[str]:
    """Refuse a value that is a template. For a query this is only a warning, elsewhere."""
    for place, value in texts(step.wanted):
        if any(mark in value for mark in TEMPLATES) and place != "config.sql_query":
            yield (
                f"{step.kind.named(step.resource_id)}: {place} is a template that was not rendered. "
                "MParticleApplyOperator renders it; on the command line pass its value with --set."
            )


def _dangling(steps: Sequence[PlanStep], workspace: Workspace) -> Iterator[str]:
    """Refuse steps after which a pipeline would refer to a resource that does not exist."""
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
                    f"{kind.named(target)} cannot be deleted: pipeline {pipeline_id!r} refers to it, "
                    "and that pipeline stays."
                )
            elif target != before and (kind.name, target) not in there:
                yield (
                    f"Pipeline {pipeline_id!r} refers to the {kind.title} {target!r}, which neither the document nor "
                    "mParticle has."
                )
