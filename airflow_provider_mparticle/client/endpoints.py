"""
The calls that we make, one function each; a call is a value that somebody else carries out.

Sources: Warehouse Sync API reference (scope ``workspace``), Platform API overview (scope ``account``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.models import (
    Audience,
    Feed,
    Json,
    PipelineRun,
    PipelineStatus,
    PlatformItem,
    Resource,
    RunId,
    WorkspaceItem,
    error_messages,
    first_value,
)
from airflow_provider_mparticle.client.resource_kinds import Kind

T = TypeVar("T")
R = TypeVar("R", bound=Resource)
P = TypeVar("P", bound=PlatformItem)

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
    :param within_s: Seconds after which it is given up, where that is less than the connection's timeout.
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
    within_s: float = math.inf


class Sender(Protocol):
    """Carries out calls: a client, or the Airflow hook."""

    def send(self, call: Call[T], *, retry: bool = True) -> T:
        """Carry out *call* and return its decoded answer."""


def list_resources(kind: Kind[R], params: Mapping[str, Any] | None = None) -> Call[list[R]]:
    """All resources of a kind; connections may be filtered by *params* ``serviceProvider``."""
    return Call(
        f"list the {kind.title}s",
        "GET",
        kind.plural,
        lambda answer, _: [kind.model.read(item) for item in _items(answer)],
        params=params or {},
    )


def get_resource(kind: Kind[R], resource_id: str) -> Call[R]:
    """One resource."""
    return Call(
        f"get {kind.title} {resource_id!r}", "GET", kind.name, _resource(kind, resource_id), {kind.id_name: resource_id}
    )


def create_resource(kind: Kind[R], resource: Mapping[str, Any]) -> Call[R]:
    """Create a resource of that id. Sent twice it is refused the second time, so it is sent once."""
    return Call(
        f"create {kind.title} {resource['id']!r}",
        "POST",
        kind.plural,
        _resource(kind, resource["id"], sent=resource),
        json=resource,
        idempotent=False,
    )


def update_resource(kind: Kind[R], resource_id: str, resource: Mapping[str, Any]) -> Call[R]:
    """Give a resource other fields."""
    return Call(
        f"update {kind.title} {resource_id!r}",
        "PUT",
        kind.name,
        _resource(kind, resource_id, sent=resource),
        {kind.id_name: resource_id},
        json=resource,
    )


def delete_resource(kind: Kind[Any], resource_id: str) -> Call[None]:
    """Delete a resource."""
    return Call(
        f"delete {kind.title} {resource_id!r}", "DELETE", kind.name, lambda _, __: None, {kind.id_name: resource_id}
    )


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
            errors=error_messages(answer.get("errors")),
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
        lambda answer, config: [_run(pipeline_id)(run, config) for run in _items(answer)],
        {"pipeline_id": pipeline_id},
        params={
            "currentPage": page,
            "pageSize": RUNS_PER_PAGE,
            **{name: date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") for name, date in dates.items() if date},
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


def list_feeds(workspace_id: int) -> Call[list[Feed]]:
    """The feeds of a workspace."""
    return _platform_list("feeds", f"/workspace/{workspace_id}/partnerfeeds", Feed)


def list_workspaces() -> Call[list[WorkspaceItem]]:
    """The workspaces of the account."""
    return _platform_list("workspaces", "/workspace", WorkspaceItem)


def list_audiences() -> Call[list[Audience]]:
    """The audiences of the account."""
    return _platform_list("audiences", "/audiences", Audience)


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


def _platform_list(name: str, path: str, model: type[P], scope: Scope = Scope.ACCOUNT) -> Call[list[P]]:
    return Call(f"list the {name}", "GET", path, lambda answer, _: [*map(model.read, _items(answer))], scope=scope)


def _items(answer: Json) -> list[Json]:
    """Return a list as it came; an object, even an empty one, is no list without items."""
    if not isinstance(answer, list):
        raise TypeError("not a list")
    return answer


def _resource(kind: Kind[R], resource_id: str, sent: Mapping[str, Any] | None = None) -> Callable[[Json, ApiConfig], R]:
    """Read a resource; an answer without a body means that what was *sent* is what there is now."""
    return lambda answer, _: kind.model.read(sent if answer is None and sent else answer, resource_id)


def _run(pipeline_id: str) -> Callable[[Json, ApiConfig], PipelineRun]:
    return lambda answer, config: PipelineRun.read(answer, pipeline_id, config.run_fields, config.run_states)


def _triggered_run_id(answer: Json, config: ApiConfig) -> RunId | None:
    run_id: RunId | None = first_value(answer, config.run_fields["pipeline_run_id"]) if answer else None
    return run_id
