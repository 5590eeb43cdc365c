"""
The calls to mParticle, one function each. A call is a value: what to send, and how to read the answer.

Must not know how a call is carried out.

Sources: Warehouse Sync API reference (scope ``workspace``), Platform API overview (scope ``account``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.models import (
    Audience,
    Feed,
    PipelineRun,
    PipelineStatus,
    PlatformItem,
    Resource,
    RunId,
    UnexpectedAnswerError,
    WorkspaceItem,
    check_pipeline,
    error_messages,
    first_value,
    items_in,
    object_in,
    parse_run_id,
)
from airflow_provider_mparticle.client.paths import check_path, is_account
from airflow_provider_mparticle.client.resource_kinds import Kind
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.client.storable import Json
from airflow_provider_mparticle.client.timestamps import query_text

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
    """List the resources of a kind. The parameter ``serviceProvider`` filters connections."""
    return Call(
        f"list the {kind.title}s",
        "GET",
        kind.plural,
        lambda answer, _: [kind.model.read(item) for item in items_in(answer)],
        params=params or {},
    )


def get_resource(kind: Kind[R], resource_id: str) -> Call[R]:
    """Get one resource."""
    return Call(
        f"get {kind.title} {resource_id!r}", "GET", kind.name, _resource(kind, resource_id), {kind.id_name: resource_id}
    )


def create_resource(kind: Kind[R], resource: Mapping[str, Any]) -> Call[R]:
    """Create a resource. It is sent once, since mParticle refuses a second resource of the same id."""
    return Call(
        f"create {kind.title} {resource['id']!r}",
        "POST",
        kind.plural,
        _resource(kind, resource["id"], sent=resource),
        json=resource,
        idempotent=False,
    )


def update_resource(kind: Kind[R], resource_id: str, resource: Mapping[str, Any]) -> Call[R]:
    """Change the fields of a resource."""
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
    Start a run. The answer is the id of the run, or None if mParticle does not give one that can be used.

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
    """Get the status of a pipeline, with its latest run."""
    return Call(
        f"get the status of pipeline {pipeline_id!r}",
        "GET",
        "pipeline_status",
        _status(pipeline_id),
        {"pipeline_id": pipeline_id},
    )


def list_pipeline_runs(
    pipeline_id: str,
    *,
    page: int = 1,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Call[list[PipelineRun]]:
    """List one page of the runs of a pipeline; *since* and *until* are compared with their logical dates."""
    dates = {"startDate": since, "endDate": until}
    return Call(
        f"list the runs of pipeline {pipeline_id!r}",
        "GET",
        "pipeline_runs",
        lambda answer, config: [_run(pipeline_id)(run, config) for run in items_in(answer)],
        {"pipeline_id": pipeline_id},
        params={
            "currentPage": page,
            "pageSize": RUNS_PER_PAGE,
            **{name: query_text(date) for name, date in dates.items() if date},
        },
    )


def get_pipeline_run(pipeline_id: str, pipeline_run_id: RunId) -> Call[PipelineRun]:
    """Get one run of a pipeline."""
    return Call(
        f"get run {pipeline_run_id} of pipeline {pipeline_id!r}",
        "GET",
        "pipeline_run",
        _run_of_id(pipeline_id, pipeline_run_id),
        {"pipeline_id": pipeline_id, "pipeline_run_id": pipeline_run_id},
    )


def list_feeds(workspace_id: int) -> Call[list[Feed]]:
    """List the feeds of a workspace."""
    return _platform_list("feeds", f"/workspace/{workspace_id}/partnerfeeds", Feed)


def list_workspaces() -> Call[list[WorkspaceItem]]:
    """List the workspaces of the account."""
    return _platform_list("workspaces", "/workspace", WorkspaceItem)


def list_audiences() -> Call[list[Audience]]:
    """List the audiences of the account."""
    return _platform_list("audiences", "/audiences", Audience)


def request(
    method: str, path: str, scope: Scope, params: Mapping[str, Any] | None = None, json: Json = None
) -> Call[Json]:
    """
    Make any other call of either family.

    :param method: GET, POST, PUT or DELETE.
    :param path: Path below the family's base; it starts with ``/``.
    :param scope: The family.
    :param params: Query parameters. The account is taken from the connection.
    :param json: Body, or None for a request without one.
    :raises ConfigError: mParticle does not have this method, the path may be read as another one, or a parameter
        names an account.
    """
    if not isinstance(method, str) or (method := method.strip().upper()) not in ("GET", "POST", "PUT", "DELETE"):
        raise ConfigError(
            f"mParticle has the methods GET, POST, PUT and DELETE, not {shown(method)}. Nothing was sent to mParticle."
        )
    check_path(path)
    if params is not None and not isinstance(params, Mapping):
        raise ConfigError(f"The parameters of {method} {path} must be a dict, not {shown(params)}. Nothing was sent.")
    if any(is_account(str(name)) for name in params or {}):
        raise ConfigError(
            f"The parameters of {method} {path} must not name an account: it is the field account_id of the Airflow "
            "connection. Nothing was sent to mParticle."
        )
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
    return Call(f"list the {name}", "GET", path, lambda answer, _: [*map(model.read, items_in(answer))], scope=scope)


def _resource(kind: Kind[R], resource_id: str, sent: Mapping[str, Any] | None = None) -> Callable[[Json, ApiConfig], R]:
    """Read a resource. An answer without a body means that the resource is now what was *sent*."""
    return lambda answer, _: kind.model.read(sent if answer is None and sent else answer, resource_id)


def _run(pipeline_id: str) -> Callable[[Json, ApiConfig], PipelineRun]:
    return lambda answer, config: PipelineRun.read(answer, pipeline_id, config.run_fields, config.run_states)


def _run_of_id(pipeline_id: str, pipeline_run_id: RunId) -> Callable[[Json, ApiConfig], PipelineRun]:
    """Read a run that was asked for by its id, and refuse another one."""

    def decode(answer: Json, config: ApiConfig) -> PipelineRun:
        run = _run(pipeline_id)(answer, config)
        if run.pipeline_run_id is None:
            if first_value(answer, config.run_fields["pipeline_run_id"]) not in (None, ""):
                raise UnexpectedAnswerError("has a run id that cannot be read")
            if run.state is None:
                raise UnexpectedAnswerError("is not a run: it has no id and no state")
            return replace(run, pipeline_run_id=pipeline_run_id)
        if not run.is_run(pipeline_run_id):
            raise UnexpectedAnswerError(f"is about run {run.pipeline_run_id} instead")
        return run

    return decode


# A status has at least one of these, so that another object is not read as a pipeline that never ran.
_STATUS_FIELDS = {"pipeline_id", "status", "connection_status", "data_model_status", "latest_pipeline_run"}


def _status(pipeline_id: str) -> Callable[[Json, ApiConfig], PipelineStatus]:
    """Read the status of a pipeline, and refuse that of another one."""

    def decode(answer: Json, config: ApiConfig) -> PipelineStatus:
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
            errors=error_messages(fields.get("errors")),
            latest_pipeline_run=_run(pipeline_id)(latest, config) if latest else None,
        )

    return decode


def _triggered_run_id(answer: Json, config: ApiConfig) -> RunId | None:
    """Return the run's id, or None for an answer without one: the run was started all the same."""
    return parse_run_id(first_value(answer, config.run_fields["pipeline_run_id"])) if answer else None
