"""
Makes the calls to mParticle, one function for each. A call is a value: what to send, and how to decode the answer.

Must not know how a call is sent.

Sources: Warehouse Sync API reference (scope ``workspace``), Platform API overview (scope ``account``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.decoders import (
    decode_items,
    decode_resource,
    decode_resources,
    decode_run,
    decode_runs,
    decode_status,
    decode_triggered_run_id,
)
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.models import (
    Audience,
    Feed,
    PipelineRun,
    PipelineStatus,
    PlatformItem,
    Resource,
    RunId,
    WorkspaceItem,
)
from airflow_provider_mparticle.client.paths import check_path, is_account
from airflow_provider_mparticle.client.resource_kinds import Kind
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.client.storable import Json, exact_text
from airflow_provider_mparticle.client.timestamps import query_text

T = TypeVar("T")
R = TypeVar("R", bound=Resource)
P = TypeVar("P", bound=PlatformItem)

# Runs in one page of a list. A year of an hourly pipeline has 88 pages.
RUNS_PER_PAGE = 100


class Scope(StrEnum):
    """The two families of paths of the mParticle API."""

    WORKSPACE = "workspace"  # /platform/v2/workspaces/{workspaceId}, bare JSON
    ACCOUNT = "account"  # /v1 with ?accountId=, wrapped in {"data", "errors"}


@dataclass(frozen=True)
class Call(Generic[T]):
    """
    One request to mParticle, and how to decode its answer.

    :param title: What the call does, for messages: ``"trigger pipeline 'orders'"``.
    :param method: GET, POST, PUT or DELETE.
    :param route: Name of a route, or a path that starts with ``/``.
    :param decode: Turns the JSON of the answer into what the caller gets, see `decoders`.
    :param ids: Values of the route's placeholders; errors have them too.
    :param params: Query parameters. Default: none.
    :param json: Body. Default: none.
    :param scope: The family of paths of the route. Default: Warehouse Sync.
    :param within_s: Seconds after which the call fails, if less than the connection's timeout. Default: no limit.
    """

    title: str
    method: str
    route: str
    decode: Callable[[Json, ApiConfig], T] = field(repr=False)  # it may know a secret that was sent
    ids: Mapping[str, RunId] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Json = field(default=None, repr=False)
    scope: Scope = Scope.WORKSPACE
    within_s: float = math.inf

    @property
    def idempotent(self) -> bool:
        """Whether sending the call twice has the same effect as sending it once: not for a POST."""
        return self.method != "POST"


class Sender(Protocol):
    """Sends calls: a client, or the Airflow hook."""

    def send(self, call: Call[T], *, retry: bool = True) -> T:
        """
        Send *call* and return its decoded answer.

        :param retry: Whether to send it again after a transient error, if that is safe.
        :raises MParticleError: The error whose class names the cause.
        """


def list_resources(kind: Kind[R], params: Mapping[str, Any] | None = None) -> Call[list[R]]:
    """List the resources of a kind. The query parameter ``serviceProvider`` filters connections."""
    return Call(
        f"list the {kind.title}s",
        "GET",
        kind.plural,
        partial(decode_resources, kind),
        params=params or {},
    )


def get_resource(kind: Kind[R], resource_id: str) -> Call[R]:
    """Get one resource."""
    return Call(
        f"get {kind.title} {resource_id!r}",
        "GET",
        kind.name,
        partial(decode_resource, kind, resource_id, None),
        {kind.id_name: resource_id},
    )


def create_resource(kind: Kind[R], resource: Mapping[str, Any]) -> Call[R]:
    """Create a resource. The call is not idempotent: mParticle refuses a second resource with the same id."""
    return Call(
        f"create {kind.title} {resource['id']!r}",
        "POST",
        kind.plural,
        partial(decode_resource, kind, resource["id"], resource),
        json=resource,
    )


def update_resource(kind: Kind[R], resource_id: str, resource: Mapping[str, Any]) -> Call[R]:
    """Change the fields of a resource."""
    return Call(
        f"update {kind.title} {resource_id!r}",
        "PUT",
        kind.name,
        partial(decode_resource, kind, resource_id, resource),
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
    Start a run, and return its id, or None if mParticle gives no usable id.

    mParticle has no idempotency key: if the call is sent twice, it may start two runs.
    """
    return Call(
        f"trigger pipeline {pipeline_id!r}",
        "POST",
        "trigger_pipeline",
        decode_triggered_run_id,
        {"pipeline_id": pipeline_id},
    )


def get_pipeline_status(pipeline_id: str) -> Call[PipelineStatus]:
    """Get the status of a pipeline, which includes its latest run."""
    return Call(
        f"get the status of pipeline {pipeline_id!r}",
        "GET",
        "pipeline_status",
        partial(decode_status, pipeline_id),
        {"pipeline_id": pipeline_id},
    )


def list_pipeline_runs(
    pipeline_id: str,
    *,
    page: int = 1,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Call[list[PipelineRun]]:
    """List one page of the runs whose logical date is between *since* and *until*, both inclusive. Default: all."""
    dates = {"startDate": since, "endDate": until}
    return Call(
        f"list the runs of pipeline {pipeline_id!r}",
        "GET",
        "pipeline_runs",
        partial(decode_runs, pipeline_id),
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
        partial(decode_run, pipeline_id, pipeline_run_id),
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
    :param path: Path below the base path of the family; it starts with ``/``.
    :param scope: The family.
    :param params: Query parameters, without the account, which comes from the connection. Default: none.
    :param json: Body. Default: none.
    :raises ConfigError: The method is none of these, the path may be read as another path, or a parameter names an
        account.
    """
    if not isinstance(method, str) or (method := method.strip().upper()) not in ("GET", "POST", "PUT", "DELETE"):
        raise ConfigError(
            f"mParticle has the methods GET, POST, PUT and DELETE, not {shown(method)}. Nothing was sent to mParticle."
        )
    check_path(path)
    if params is not None and not isinstance(params, Mapping):
        raise ConfigError(
            f"The parameters of {method} {path} must be a dict, not a {type(params).__name__}. "
            "Nothing was sent to mParticle."
        )
    if any(is_account(exact_text(name)) for name in params or {} if isinstance(name, str)):
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
    )


def _platform_list(name: str, path: str, model: type[P], scope: Scope = Scope.ACCOUNT) -> Call[list[P]]:
    return Call(f"list the {name}", "GET", path, partial(decode_items, model), scope=scope)
