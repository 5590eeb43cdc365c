"""
Turns the JSON of an answer into what the caller of an endpoint gets.

`endpoints` binds the first parameters of these functions to what was asked for, so that an answer about another object
is refused. Every function raises `UnexpectedAnswerError` for an answer that is not what was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from airflow_provider_mparticle.client.answer_fields import (
    UnexpectedAnswerError,
    check_pipeline,
    first_value,
    items_in,
    object_in,
    parse_run_id,
    readable_messages,
)
from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.models import PipelineRun, PipelineStatus, PlatformItem, Resource, RunId
from airflow_provider_mparticle.client.resource_kinds import Kind
from airflow_provider_mparticle.client.storable import Json

R = TypeVar("R", bound=Resource)
P = TypeVar("P", bound=PlatformItem)

# Every status has at least one of these fields. Any other object is not read as a pipeline without runs.
_STATUS_FIELDS = {"pipeline_id", "status", "connection_status", "data_model_status", "latest_pipeline_run"}


def decode_resource(kind: Kind[R], resource_id: str, sent: Mapping[str, Any] | None, answer: Json, _: ApiConfig) -> R:
    """
    Return a resource.

    :param sent: The resource as it was sent, or None if it was not. An answer without a body means that the resource
        is now as it was sent.
    """
    return kind.model.read(sent if answer is None and sent else answer, resource_id)


def decode_resources(kind: Kind[R], answer: Json, _: ApiConfig) -> list[R]:
    """Return a list of resources."""
    return [kind.model.read(item) for item in items_in(answer)]


def decode_items(model: type[P], answer: Json, _: ApiConfig) -> list[P]:
    """Return a list of the Platform API."""
    return [model.read(item) for item in items_in(answer)]


def decode_triggered_run_id(answer: Json, config: ApiConfig) -> RunId | None:
    """Return the id of the run that was started, or None if the answer has no usable id: the run was started anyway."""
    return parse_run_id(first_value(answer, config.run_fields["pipeline_run_id"])) if answer else None


def decode_run(pipeline_id: str, pipeline_run_id: RunId, answer: Json, config: ApiConfig) -> PipelineRun:
    """Return the run of this id. A run without an id is taken for it, if it has a state."""
    run = _run(pipeline_id, answer, config)
    if run.pipeline_run_id is None:
        if first_value(answer, config.run_fields["pipeline_run_id"]) not in (None, ""):
            raise UnexpectedAnswerError("has a run id that cannot be read")
        if run.state is None:
            raise UnexpectedAnswerError("is not a run: it has no id and no state")
        return replace(run, pipeline_run_id=pipeline_run_id)
    if not run.is_run(pipeline_run_id):
        raise UnexpectedAnswerError(f"is about run {run.pipeline_run_id} instead")
    return run


def decode_runs(pipeline_id: str, answer: Json, config: ApiConfig) -> list[PipelineRun]:
    """Return a page of the runs of a pipeline."""
    return [_run(pipeline_id, run, config) for run in items_in(answer)]


def decode_status(pipeline_id: str, answer: Json, config: ApiConfig) -> PipelineStatus:
    """Return the status of a pipeline."""
    fields = object_in(answer)
    if _STATUS_FIELDS.isdisjoint(fields):
        raise UnexpectedAnswerError("is not the status of a pipeline")
    latest = fields.get("latest_pipeline_run")
    check_pipeline(fields.get("pipeline_id"), pipeline_id)
    return PipelineStatus(
        pipeline_id=pipeline_id,
        status=fields.get("status"),
        connection_status=fields.get("connection_status"),
        data_model_status=fields.get("data_model_status"),
        errors=readable_messages(fields.get("errors")),
        latest_pipeline_run=_run(pipeline_id, latest, config) if latest else None,
    )


def _run(pipeline_id: str, answer: Json, config: ApiConfig) -> PipelineRun:
    return PipelineRun.read(answer, pipeline_id, config.run_fields, config.run_states)
