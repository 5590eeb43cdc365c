"""
What tasks use of the operators that hand over to them.

Operators stand above tasks, and imports go down only; so what a task takes is named here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context
    from airflow.providers.common.sql.hooks.sql import DbApiHook
    from airflow.triggers.base import BaseTrigger
    from jinja2 import Environment

    from airflow_provider_mparticle.client.models import RunId
    from airflow_provider_mparticle.configuration.resource_rules import IfExists
    from airflow_provider_mparticle.runs.quality_gates import OnEmpty
    from airflow_provider_mparticle.runs.start_decision import IfRunning
    from airflow_provider_mparticle.slices.arguments import Granularity


class Operator(Protocol):
    """What Airflow gives to every operator."""

    execution_timeout: timedelta | None

    @property
    def log(self) -> Any: ...

    def get_template_env(self) -> Environment: ...

    def render_template(self, content: Any, context: Context, jinja_env: Environment | None = None, /) -> Any: ...

    def defer(
        self,
        *,
        trigger: BaseTrigger,
        method_name: str,
        kwargs: dict[str, Any] | None = None,
        timeout: timedelta | None = None,
    ) -> NoReturn: ...


class ApplyOperator(Operator, Protocol):
    """Declares a document."""

    spec: Mapping[str, Any] | str | Path
    is_dry_run: bool
    prune: bool
    mparticle_conn_id: str


class CreateOperator(Operator, Protocol):
    """Declares a resource of the kind of that name."""

    kind: str
    if_exists: IfExists
    mparticle_conn_id: str


class CreateConnectionOperator(CreateOperator, Protocol):
    """Declares a connection."""

    connection_id: str
    write_secrets: bool


class DeleteOperator(Operator, Protocol):
    """Declares that a resource shall not be."""

    kind: str
    resource_id: str
    missing_ok: bool
    mparticle_conn_id: str


class ChangePipelineOperator(Operator, Protocol):
    """Declares what a pipeline shall be like."""

    pipeline_id: str
    mparticle_conn_id: str


class PlanSlicesOperator(Operator, Protocol):
    """Declares which history to plan slices for, and how to count."""

    start: datetime | str
    end: datetime | str
    table: str | None
    time_column: str | None
    count_sql: str | None
    max_records: int
    granularity: Granularity
    time_zone: str

    def get_db_hook(self) -> DbApiHook: ...


class WaitingOperator(Operator, Protocol):
    """Declares how to wait for a run, and what the run has to have counted."""

    pipeline_id: str
    mparticle_conn_id: str
    deferrable: bool
    poll_interval: float
    min_records: int | None
    max_failed_ratio: float | None
    on_empty: OnEmpty


class TriggerOperator(WaitingOperator, Protocol):
    """Declares a run; its task leaves the run's id with it."""

    timeout: float
    wait_for_completion: bool
    if_running: IfRunning
    if_running_choices: Sequence[IfRunning]
    skip_if_covered: bool | datetime | str
    _pipeline_run_id: RunId | None


class SyncSliceOperator(TriggerOperator, Protocol):
    """Declares a run over one slice of history."""

    data_model_id: str
    sql: str
    time_column: str | None
    window_start: datetime | str | None
    window_end: datetime | str | None
    granularity: Granularity | None


class SensorOperator(WaitingOperator, Protocol):
    """Declares a run to wait for."""

    pipeline_run_id: RunId | None
    covers: datetime | str | None
    timeout: float
    poke_interval: float
    soft_fail: bool
    never_fail: bool

    @property
    def reschedule(self) -> bool: ...
