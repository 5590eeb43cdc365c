"""Syncs one slice of history: writes its SQL, starts one run, waits for it. For ``MParticleSyncSliceOperator``."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.client.errors import (
    ConfigError,
    DataModelChangedError,
    DataModelHeldError,
    MParticleError,
    NotFoundError,
    RunFailedError,
    RunLostError,
)
from airflow_provider_mparticle.client.models import RunId, WarehouseConnection
from airflow_provider_mparticle.client.resource_kinds import DATA_MODEL
from airflow_provider_mparticle.configuration.ensure import validated
from airflow_provider_mparticle.runs.outcome import MISSING_GRACE_S, Outcome
from airflow_provider_mparticle.runs.poll_timing import jitter
from airflow_provider_mparticle.runs.start import RunStarter, StartResult
from airflow_provider_mparticle.runs.start_record import SaveRecord, StartRecord
from airflow_provider_mparticle.runs.steps import drive
from airflow_provider_mparticle.slices.arguments import check_time_column_type, checked_granularity, zone_named
from airflow_provider_mparticle.slices.bounds_check import require_both_bounds
from airflow_provider_mparticle.slices.data_model_lock import DataModelLock, IsActive, LockOwner
from airflow_provider_mparticle.slices.run_slice import DATES_ALONE, OF_THE_TIMETABLE, RunDates, slice_of_dag_run
from airflow_provider_mparticle.slices.slice import Slice
from airflow_provider_mparticle.slices.slice_sql import restrict_to_slice
from airflow_provider_mparticle.slices.time_type import TimeType
from airflow_provider_mparticle.tasks.arguments import read_id
from airflow_provider_mparticle.tasks.lineage import keep_source
from airflow_provider_mparticle.tasks.sql_templates import rendered
from airflow_provider_mparticle.tasks.task_context import clears, first_start, is_over, push, run_dates
from airflow_provider_mparticle.tasks.timetable import check_run
from airflow_provider_mparticle.tasks.trigger import TriggerTask
from airflow_provider_mparticle.tasks.waiting import come_back_in
from airflow_provider_mparticle.triggers import resume_delay_s

if TYPE_CHECKING:
    from airflow_provider_mparticle.operators.sync_slice import MParticleSyncSliceOperator


# Types of DAG runs that are requested by a user, a task or the form of an asset. They may repeat a slice.
RUN_TYPES_OF_USERS = ("manual", "operator_triggered", "asset_materialization")


class SyncSliceTask(TriggerTask):
    """One try of a task that starts a run for one slice, while the data model contains the SQL of that slice."""

    operator: MParticleSyncSliceOperator

    def _check(self) -> None:
        super()._check()
        self.operator.data_model_id = read_id("data_model_id", self.operator.data_model_id)
        if self.operator.time_column is not None:
            self.operator.time_column = read_id("time_column", self.operator.time_column)
        if self.operator.granularity is not None:
            checked_granularity(self.operator.granularity)
        check_time_column_type(self.operator.time_column_type, self.operator.time_column_zone)
        if self.operator.time_column is None and self.operator.time_column_type != "timestamp":
            raise ConfigError(
                f"time_column_type={self.operator.time_column_type!r} has no effect without time_column: sql compares "
                "its own columns with window_start and window_end, which are in UTC. Pass time_column, or leave "
                "time_column_type out. Nothing was sent to mParticle."
            )

    def _start_and_wait(self, waiting_since: float) -> dict[str, Any]:
        try:
            return super()._start_and_wait(waiting_since)
        except DataModelHeldError as error:
            self._give_way(error)
            raise

    def _give_way(self, error: DataModelHeldError) -> None:
        """Free the worker slot while another task holds the data model, and be rescheduled until the deadline."""
        if self._now() < self._deadline(first_start(self.context).timestamp()):
            pause_s = max(self._poll_interval_s, resume_delay_s())  # Airflow's scheduler can fail it sooner
            self.log.info("%s It checks again in %g s.", error, pause_s)
            raise come_back_in(pause_s) from error

    def _carry_out(self, step: Any) -> Any:
        if isinstance(step, IsActive):
            return not is_over(self.context, **vars(step.owner))
        return super()._carry_out(step)

    def _start(self) -> StartResult:
        started = super()._start()
        push(self.operator, self.context, "slice", self._slice.as_dict())
        return started

    def _check_data_model(self, pipeline_run_id: RunId) -> None:
        """Do nothing, because the lock has just read the data model."""

    def _new_start(self) -> RunStarter:
        start = super()._new_start()
        start.lock = self._lock()
        return start

    def _accept(self, outcome: Outcome) -> dict[str, Any]:
        record = self._kept()
        self._forget_if_over(outcome, record)
        run = outcome.result()
        if record is None or not record.is_finished:
            try:
                self._check_run(run)
            except DataModelChangedError:
                # after a clear, the task must start a new run and not reattach to this one
                self._keep(SaveRecord(None))
                raise
        return {**self._slice.as_dict(), **super()._accept(outcome)}

    def _check_run(self, run: dict[str, Any]) -> None:
        """Check that the data model is unchanged. If mParticle does not answer, check again: the run succeeded."""
        deadline, missing_until = self._deadline(self._now()), self._now() + MISSING_GRACE_S
        while True:
            try:
                drive(self._lock().verify_run(run), self._hook.send, time.sleep)
                return
            except MParticleError as error:
                is_stray = isinstance(error, NotFoundError) and self._now() < missing_until
                if not (error.is_transient or is_stray) or self._now() >= deadline:
                    raise
                self.log.warning("%s The run succeeded. Checking the data model again.", error)
            time.sleep(jitter(self._poll_interval_s / 2))

    def _forget_if_over(self, outcome: Outcome, record: StartRecord | None) -> None:
        """Make sure that a cleared task does not reattach to a run that failed or is lost."""
        if isinstance(outcome.error, RunFailedError):
            self._keep(SaveRecord(None))
        elif isinstance(outcome.error, RunLostError) and record:
            self._keep(SaveRecord(replace(record, is_lost=True)))

    # The slice and its SQL

    def _slice_id(self) -> str:
        return self._slice.isoformat()

    @cached_property
    def _slice(self) -> Slice:
        """The slice. A retry keeps the slice of the first try, even if its templates render to other bounds now."""
        return self._recorded_slice() or self._slice_of_dag_run()

    def _recorded_slice(self) -> Slice | None:
        record = self._recorded()
        is_retry = record and not record.is_finished and record.max_tries == self.context["ti"].max_tries
        return Slice.fromisoformat(record.slice_id) if record and record.slice_id and is_retry else None

    def _slice_of_dag_run(self) -> Slice:
        operator, dates = self.operator, run_dates(self.context)
        found, origin = slice_of_dag_run(operator.window_start, operator.window_end, operator.granularity, dates)
        if origin in OF_THE_TIMETABLE:
            self._check_schedule(found, dates)
        if found.end > datetime.now(UTC) and origin in DATES_ALONE:
            raise ConfigError(
                f"Slice {found}, taken from {origin}, has not ended, so rows that arrive later would be missed. Run "
                "the DAG after the end of the slice: give it a timetable with data intervals "
                "(CronDataIntervalTimetable), or pass window_start and window_end. Nothing was sent to mParticle."
            )
        self.log.info("Slice %s, taken from %s.", found, origin)
        return found

    def _check_schedule(self, found: Slice, dates: RunDates) -> None:
        """Refuse a slice that another DAG run of the timetable has too, and warn of a gap after it."""
        run_type = getattr(self.context.get("dag_run"), "run_type", None)
        is_scheduled = str(getattr(run_type, "value", run_type)) not in RUN_TYPES_OF_USERS
        gap = check_run(self.context.get("dag"), self.operator.granularity, dates, is_scheduled=is_scheduled)
        if gap:
            self.log.warning(
                "No DAG run of this schedule has the slice %s, which follows %s. Its rows will not be ingested.",
                gap,
                found,
            )

    def _lock(self) -> DataModelLock:
        ti = self.context["ti"]
        owner = LockOwner(ti.dag_id, ti.task_id, ti.run_id, -1 if ti.map_index is None else ti.map_index)
        return DataModelLock(
            self.operator.pipeline_id,
            self.operator.data_model_id,
            lambda: self._query,
            owner,
            self._slice,
            clears(self.context),
        )

    @cached_property
    def _query(self) -> str:
        slice_, operator = self._slice, self.operator
        render = partial(rendered, operator, "sql", self.context)
        if operator.time_column:
            time_type = TimeType(operator.time_column_type, zone_named(operator.time_column_zone))
            sql = render(slice_.start, slice_.end)
            provider = self._warehouse.service_provider if self._warehouse else None
            sql = restrict_to_slice(sql, operator.time_column, slice_, provider, time_type)
        else:
            for warning in require_both_bounds("sql", render, slice_, slice_.end - slice_.start):
                self.log.warning("%s", warning)
            sql = render(slice_.start, slice_.end)
        validated(DATA_MODEL, {"id": operator.data_model_id, "config": {"sql_query": sql}}, is_whole=False)
        keep_source(operator, self.context, self._hook, sql, self._warehouse if operator.time_column else None)
        return sql

    @cached_property
    def _warehouse(self) -> WarehouseConnection | None:
        pipeline = self._hook.get_pipeline(self.operator.pipeline_id)
        if pipeline.connection_id is None:
            return None
        return self._hook.get_warehouse_connection(pipeline.connection_id)
