"""The operator that syncs one slice of history."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.exceptions import AirflowRescheduleException  # one class in Airflow 2 and 3, which compat does not name

from airflow_provider_mparticle.claiming import Claim, Holder, IsActive
from airflow_provider_mparticle.client.errors import (
    ConfigError,
    DataModelChangedError,
    DataModelHeldError,
    MParticleError,
    RunFailedError,
    RunLostError,
)
from airflow_provider_mparticle.client.kinds import DATA_MODEL
from airflow_provider_mparticle.dag_runs import first_start, is_over, run_dates
from airflow_provider_mparticle.decision import IfRunning
from airflow_provider_mparticle.ensuring import checked
from airflow_provider_mparticle.operators.trigger import MParticleTriggerPipelineOperator
from airflow_provider_mparticle.outcome import Outcome
from airflow_provider_mparticle.slice_arguments import Granularity, checked_granularity
from airflow_provider_mparticle.slice_sql import require_both_bounds, restricted
from airflow_provider_mparticle.slice_templates import rendered
from airflow_provider_mparticle.starting import Intent, Note, Start, Started
from airflow_provider_mparticle.steps import drive
from airflow_provider_mparticle.waiting import pauses
from airflow_provider_mparticle.windows import (
    DATES_ALONE,
    Slice,
    slice_of_dag_run,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class MParticleSyncSliceOperator(MParticleTriggerPipelineOperator):
    """
    Sync one slice of history through a full, on-demand pipeline: write the slice's SQL, start one run, wait for it.

    Slices of one pipeline share its data model, so they go one after the other: by default Airflow runs one task
    instance at a time, mapped ones and those of other DAG runs included. A task that finds the SQL of another one
    that is not over gives way and comes back after *poll_interval*. The SQL is looked at before the run is started
    and again when it has ended. docs/how-to/backfill.md tells how to use it.

    :param pipeline_id: Slug of the pipeline; it must sync in full and on demand. (templated)
    :param data_model_id: Slug of its data model, whose SQL is replaced. (templated)
    :param sql: Query of the slice's rows, or a ``.sql`` file: Jinja with *window_start* and *window_end*, which are
        UTC datetimes, or any query that selects *time_column*. It must render to the same text at every try.
    :param time_column: Column by which the rows of *sql* are restricted to the slice. Default: *sql* does it itself.
        (templated)
    :param window_start: First instant of the slice, without a time zone in UTC. Default: see below. (templated)
    :param window_end: First instant after it. Default: see below. (templated)
    :param granularity: ``"hour"``, ``"day"``, ``"week"``, ``"month"`` or a timedelta: how long a slice is that is taken
        from a partition date or a logical date. Default: such a DAG run is refused.
    :param if_running: What to do when a run is in progress: ``"fail"`` (default) or ``"wait"`` for its end.
    :param max_active_tis_per_dag: How many slices Airflow runs at once. Default: 1; more make tasks wait in turn.
    :param kwargs: *deferrable*, *poll_interval*, *timeout*, *min_records*, *max_failed_ratio*, *on_empty* and
        *mparticle_conn_id* as in :class:`MParticleTriggerPipelineOperator`.
    :return: ``window_start`` and ``window_end``, with what :class:`MParticleTriggerPipelineOperator` returns. They are
        also pushed as the XCom ``slice`` before the wait begins.
    :raises AirflowFailException: As :class:`MParticleTriggerPipelineOperator`; also for a DAG run without a slice, a
        slice that is not over, a query that does not depend on the slice, a pipeline that is not full and on demand,
        or SQL that somebody changed while the run was in progress.
    :raises RunFailedError: mParticle reports that the run failed; a retry starts another.
    :raises DataModelHeldError: Another slice has held the data model until the deadline.

    Without explicit bounds the slice is taken from the DAG run: ``window_start`` and ``window_end`` of its conf, else
    its data interval unless that is empty, else its partition date, else its logical date floored to *granularity* in
    the DAG's time zone.

    Source: Warehouse Sync overview, "Ingest historical data"; design of `claiming`.
    """

    template_fields: Sequence[str] = (
        *("pipeline_id", "data_model_id", "time_column", "window_start", "window_end", "mparticle_conn_id"),
    )
    template_ext: Sequence[str] = (".sql",)
    if_running_choices: Sequence[IfRunning] = ("fail", "wait")

    def __init__(
        self,
        *,
        data_model_id: str,
        sql: str,
        time_column: str | None = None,
        window_start: datetime | str | None = None,
        window_end: datetime | str | None = None,
        granularity: Granularity | None = None,
        max_active_tis_per_dag: int | None = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            max_active_tis_per_dag=max_active_tis_per_dag, wait_for_completion=True, skip_if_covered=False, **kwargs
        )
        self.data_model_id = data_model_id
        self.sql = sql
        self.time_column = time_column
        self.window_start = window_start
        self.window_end = window_end
        self.granularity = granularity
        self._slice: Slice | None = None
        self._query: str | None = None

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Set what all mapped tasks have in common; one at a time is the default for them too."""
        return super().partial(**{"max_active_tis_per_dag": 1, **kwargs})

    def _check(self) -> None:
        super()._check()
        if self.granularity is not None:
            checked_granularity(self.granularity)

    def _start_and_wait(self, context: Context, waiting_since: float) -> dict[str, Any]:
        try:
            return super()._start_and_wait(context, waiting_since)
        except DataModelHeldError as error:
            self._give_way(context, error)
            raise

    def _give_way(self, context: Context, error: DataModelHeldError) -> None:
        """Free the slot for the task that holds the data model, and come back later, until the deadline."""
        if time.time() < self._deadline(first_start(context).timestamp()):
            self.log.info("%s It looks again in %g s.", error, self.poll_interval)
            raise _come_back_in(self.poll_interval) from error

    def _carry_out(self, context: Context, step: Any) -> Any:
        if isinstance(step, IsActive):
            return not is_over(context, **vars(step.holder))
        return super()._carry_out(context, step)

    def _start(self, context: Context) -> Started:
        started = super()._start(context)
        context["ti"].xcom_push(key="slice", value=self._window(context).as_dict())
        return started

    def _new_start(self, context: Context) -> Start:
        start = super()._new_start(context)
        start.claim = self._claim(context)
        return start

    def _conclude(self, context: Context, outcome: Outcome) -> dict[str, Any]:
        noted = self._kept(context)
        self._forget_if_over(context, outcome, noted)
        run = outcome.result()
        if noted is None or not noted.is_finished:
            try:
                self._check_run(context, run)
            except DataModelChangedError:
                self._keep(context, Note(None))  # a clear has to sync the slice anew, not to find this run again
                raise
        return {**self._window(context).as_dict(), **super()._conclude(context, outcome)}

    def _check_run(self, context: Context, run: dict[str, Any]) -> None:
        """Look whether the SQL still stands; an unreachable mParticle does not make a failure of a run that is fine."""
        deadline = self._deadline(time.time())
        for pause_s in pauses(self.poll_interval):
            try:
                drive(self._claim(context).check_run(run), self._hook.send, time.sleep)
                return
            except MParticleError as error:
                if not error.is_passing or time.time() >= deadline:
                    raise
                self.log.warning("%s The run has ended well; looking again at the data model.", error)
            time.sleep(pause_s)

    def _forget_if_over(self, context: Context, outcome: Outcome, noted: Intent | None) -> None:
        """See to it that a task that is cleared does not find a run again that failed or is lost."""
        if isinstance(outcome.error, RunFailedError):
            self._keep(context, Note(None))
        elif isinstance(outcome.error, RunLostError) and noted:
            self._keep(context, Note(replace(noted, is_lost=True)))

    # The slice and its SQL

    def _identity(self, context: Context) -> str:
        return self._window(context).isoformat()

    def _window(self, context: Context) -> Slice:
        """Return the slice; a retry stays with the one of the first try, even if templates render otherwise now."""
        if self._slice is None:
            self._slice = self._noted_slice(context) or self._slice_of_dag_run(context)
        return self._slice

    def _noted_slice(self, context: Context) -> Slice | None:
        noted = self._noted(context)
        is_retry = noted and not noted.is_finished and noted.max_tries == context["ti"].max_tries
        return Slice.fromisoformat(noted.window) if noted and noted.window and is_retry else None

    def _slice_of_dag_run(self, context: Context) -> Slice:
        found, origin = slice_of_dag_run(self.window_start, self.window_end, self.granularity, run_dates(context))
        if found.end > datetime.now(UTC) and origin in DATES_ALONE:
            raise ConfigError(
                f"Slice {found}, taken from {origin}, is not over, so rows that arrive later would be missed. Run the "
                "DAG when the slice is over: give it a timetable with data intervals (CronDataIntervalTimetable), or "
                "pass window_start and window_end. Nothing was sent to mParticle."
            )
        self.log.info("Slice %s, taken from %s.", found, origin)
        return found

    def _claim(self, context: Context) -> Claim:
        window, ti = self._window(context), context["ti"]
        holder = Holder(ti.dag_id, ti.task_id, ti.run_id, -1 if ti.map_index is None else ti.map_index)
        if self._query is None:
            self._query = self._query_of(window, context)
        return Claim(self.pipeline_id, self.data_model_id, self._query, holder, window)

    def _query_of(self, window: Slice, context: Context) -> str:
        render = partial(rendered, self, "sql", context)
        if self.time_column:
            sql = restricted(render(window.start, window.end), self.time_column, window, self._service_provider())
        else:
            require_both_bounds("sql", render, window, window.end - window.start)
            sql = render(window.start, window.end)
        checked(DATA_MODEL, {"id": self.data_model_id, "config": {"sql_query": sql}}, is_whole=False)
        return sql

    def _service_provider(self) -> str | None:
        pipeline = self._hook.get_pipeline(self.pipeline_id)
        if pipeline.connection_id is None:
            return None
        return self._hook.get_warehouse_connection(pipeline.connection_id).service_provider


def _come_back_in(seconds: float) -> AirflowRescheduleException:
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return AirflowRescheduleException(at)  # type: ignore[no-untyped-call]  # Airflow leaves it unannotated
