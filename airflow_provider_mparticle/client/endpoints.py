"""
The calls that we make, one function each; a call is a value that somebody else carries out.

Sources: Warehouse Sync API reference (scope ``workspace``), Platform API overview (scope ``account``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar

from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.models import Json, Pipeline, PipelineRun, PipelineStatus, RunId, first

T = TypeVar("T")

# One page of runs; a year of an hourly pipeline is 88 of them.
RUNS_PER_PAGE = 100


class Scope(StrEnum):
    """The two families of paths."""

    WORKSPACE = "workspace"  # /platform/v2/workspaces/{workspaceId}, bare JSON
    ACCOUNT = "account"  # /v1 with ?accountId=, wrapped in {"data", "errors"}


@dataclass(frozen=True)
class Call(Generic[T]):
    """
    One request to mParticle and how to read its answer.

    :param title: What it does, for messages: ``"trigger pipeline 'orders'"``.
    :param method: GET, POST, PUT or DELETE.
    :param route: Name of a route, or a path that starts with ``/``.
    :param decode: Turns the answer's JSON into what the caller gets.
    :param ids: Values of the route's placeholders; errors carry them.
    :param params: Query parameters.
    :param json: Body, or None for a request without one.
    :param scope: Which family of paths the route belongs to.
    :param idempotent: Whether sending it twice does no more than sending it once.
    """

    title: str
    method: str
    route: str
    decode: Callable[[Json, ApiConfig], T]
    ids: Mapping[str, RunId] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Json = field(default=None, repr=False)
    scope: Scope = Scope.WORKSPACE
    idempotent: bool = True


def list_connections() -> Call[list[Json]]:
    """All warehouse connections of the workspace, as mParticle sends them; the one list whose route is stated."""
    return Call("list the connections", "GET", "connections", lambda answer, _: [*answer])


def list_pipelines() -> Call[list[Pipeline]]:
    """All pipelines of the workspace."""
    return Call("list the pipelines", "GET", "pipelines", lambda answer, _: [*map(Pipeline.read, answer)])


def get_pipeline(pipeline_id: str) -> Call[Pipeline]:
    """One pipeline."""
    return Call(
        f"get pipeline {pipeline_id!r}",
        "GET",
        "pipeline",
        _pipeline(pipeline_id),
        {"pipeline_id": pipeline_id},
    )


def create_pipeline(pipeline: Mapping[str, Any]) -> Call[Pipeline]:
    """Create a pipeline of that id. Sent twice it is refused the second time, so it is sent once."""
    return Call(
        f"create pipeline {pipeline['id']!r}",
        "POST",
        "pipelines",
        _pipeline(pipeline["id"], sent=pipeline),
        json=pipeline,
        idempotent=False,
    )


def update_pipeline(pipeline_id: str, pipeline: Mapping[str, Any]) -> Call[Pipeline]:
    """Give a pipeline other fields."""
    return Call(
        f"update pipeline {pipeline_id!r}",
        "PUT",
        "pipeline",
        _pipeline(pipeline_id, sent=pipeline),
        {"pipeline_id": pipeline_id},
        json=pipeline,
    )


def delete_pipeline(pipeline_id: str) -> Call[None]:
    """Delete a pipeline."""
    return Call(f"delete pipeline {pipeline_id!r}", "DELETE", "pipeline", _nothing, {"pipeline_id": pipeline_id})


def trigger_pipeline(pipeline_id: str) -> Call[RunId | None]:
    """
    Start a run; the answer is its id, or None where mParticle does not say it.

    There is no idempotency key: sent twice, it may start two runs.
    """
    return Call(
        f"trigger pipeline {pipeline_id!r}",
        "POST",
        "trigger_pipeline",
        _triggered_run_id,
        {"pipeline_id": pipeline_id},
        idempotent=False,
    )


def get_pipeline_status(pipeline_id: str) -> Call[PipelineStatus]:
    """How a pipeline is, with its latest run."""

    def decode(answer: Json, config: ApiConfig) -> PipelineStatus:
        latest = answer.get("latest_pipeline_run")
        return PipelineStatus(
            pipeline_id=pipeline_id,
            status=answer.get("status"),
            connection_status=answer.get("connection_status"),
            data_model_status=answer.get("data_model_status"),
            errors=Pipeline.read(answer, pipeline_id).errors,
            latest_pipeline_run=_run(pipeline_id)(latest, config) if latest else None,
        )

    return Call(
        f"get the status of pipeline {pipeline_id!r}",
        "GET",
        "pipeline_status",
        decode,
        {"pipeline_id": pipeline_id},
    )


def list_pipeline_runs(
    pipeline_id: str,
    *,
    page: int = 1,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Call[list[PipelineRun]]:
    """One page of a pipeline's runs; *since* and *until* compare with their logical dates."""
    dates = {"startDate": since, "endDate": until}
    return Call(
        f"list the runs of pipeline {pipeline_id!r}",
        "GET",
        "pipeline_runs",
        lambda answer, config: [_run(pipeline_id)(run, config) for run in answer],
        {"pipeline_id": pipeline_id},
        params={
            "currentPage": page,
            "pageSize": RUNS_PER_PAGE,
            **{name: date.strftime("%Y-%m-%dT%H:%M:%SZ") for name, date in dates.items() if date},
        },
    )


def get_pipeline_run(pipeline_id: str, pipeline_run_id: RunId) -> Call[PipelineRun]:
    """One run of a pipeline."""
    return Call(
        f"get run {pipeline_run_id} of pipeline {pipeline_id!r}",
        "GET",
        "pipeline_run",
        _run(pipeline_id),
        {"pipeline_id": pipeline_id, "pipeline_run_id": pipeline_run_id},
    )


def request(
    method: str, path: str, scope: Scope, params: Mapping[str, Any] | None = None, json: Json = None
) -> Call[Json]:
    """
    Any other call of either family.

    :raises ConfigError: The method is none of mParticle's, or the path does not start with ``/``.
    """
    method = method.upper()
    if method not in ("GET", "POST", "PUT", "DELETE"):
        raise ConfigError(f"mParticle knows the methods GET, POST, PUT and DELETE, not {method!r}")
    if not path.startswith("/"):
        raise ConfigError(f"the path of a request must start with '/', not {path!r}")
    return Call(
        f"{method} {path}",
        method,
        path,
        lambda answer, _: answer,
        params=params or {},
        json=json,
        scope=scope,
        idempotent=method != "POST",
    )


def _pipeline(pipeline_id: str, sent: Mapping[str, Any] | None = None) -> Callable[[Json, ApiConfig], Pipeline]:
    """Read a pipeline; an answer without a body means that what was *sent* is what there is now."""
    return lambda answer, _: Pipeline.read(sent if answer is None and sent else answer, pipeline_id)


def _run(pipeline_id: str) -> Callable[[Json, ApiConfig], PipelineRun]:
    return lambda answer, config: PipelineRun.read(answer, pipeline_id, config.run_fields, config.run_states)


def _triggered_run_id(answer: Json, config: ApiConfig) -> RunId | None:
    run_id: RunId | None = first(answer, config.run_fields["pipeline_run_id"]) if answer else None
    return run_id


def _nothing(_: Json, __: ApiConfig) -> None:
    return None
