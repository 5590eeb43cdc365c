"""The operator that syncs one slice of history."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.operators.operator_arguments import is_mapped
from airflow_provider_mparticle.operators.trigger import MParticleTriggerPipelineOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.runs.start_decision import IfRunning
    from airflow_provider_mparticle.slices.arguments import Granularity, TimeColumnType
    from airflow_provider_mparticle.tasks.sync_slice import SyncSliceTask

# The DAG processor has loaded this module. It converts the timetable of a DAG file to one that computes the next runs.
ENCODERS = "airflow.serialization.encoders"


class MParticleSyncSliceOperator(MParticleTriggerPipelineOperator):
    """
    Sync one slice of history: write the SQL of the slice into the data model, start one run, and wait for it.

    The pipeline must sync in full and on demand. The slices of a pipeline share its data model, so they run one after
    the other: by default Airflow runs one task instance at a time, across mapped tasks and DAG runs. If the data model
    contains the SQL of another task that has not ended, the task is rescheduled after *poll_interval*. The task reads
    the SQL back before it starts the run, and again after the run has ended. docs/how-to/backfill.md says how to use
    this operator.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param data_model_id: Slug of its data model, whose SQL is replaced. (templated)
    :param sql: Query for the rows of the slice, or a ``.sql`` file with it: either a template that uses the UTC
        datetimes *window_start* and *window_end*, or any query that selects *time_column*. It must render to the same
        text at every try.
    :param time_column: Column that restricts the rows of *sql* to the slice. Default: none, *sql* restricts its rows
        itself. (templated)
    :param time_column_type: Type of *time_column*: ``"timestamp"``, ``"timestamp_tz"``, ``"timestamp_ltz"``,
        ``"timestamp_ntz"``, ``"datetime"``, ``"date"``, ``"timestamp_unixtime_s"`` or ``"timestamp_unixtime_ms"``.
        Default: ``"timestamp"``.
    :param time_column_zone: Time zone of the values, if *time_column_type* is ``"timestamp_ntz"``, ``"datetime"`` or
        ``"date"``. Default: ``"UTC"``.
    :param window_start: First instant of the slice. Without a time zone it is UTC. Default: see below. (templated)
    :param window_end: First instant after the slice. Default: see below. (templated)
    :param granularity: Length of a slice that begins at a partition date or a logical date: ``"hour"``, ``"day"``,
        ``"week"``, ``"month"`` or a timedelta. Default: none, a DAG run with only such a date is refused.
    :param if_running: What to do if another run is in progress: ``"fail"`` (default), or ``"wait"`` for its end.
    :param max_active_tis_per_dag: How many slices Airflow runs at the same time. Default: 1. With more, the tasks wait
        for one another.
    :param kwargs: *deferrable*, *poll_interval*, *timeout*, *min_records*, *max_failed_ratio*, *on_empty* and
        *mparticle_conn_id* as in :class:`MParticleTriggerPipelineOperator`.
    :return: ``window_start`` and ``window_end``, and everything that :class:`MParticleTriggerPipelineOperator` returns.
        The two are also pushed as the XCom ``slice`` before the wait begins.
    :raises AirflowFailException: As for :class:`MParticleTriggerPipelineOperator`. Also: the DAG run does not determine
        a slice, the slice has not ended, the next DAG run has the same slice, the query does not depend on the slice,
        the pipeline does not sync in full and on demand, or the SQL was changed while the run was in progress.
    :raises ConfigError: When Airflow parses the DAG file: the slices of consecutive DAG runs would overlap.
    :raises RunFailedError: mParticle reports that the run failed. A retry starts a new run.
    :raises DataModelHeldError: Another slice held the data model until the deadline.

    Without explicit bounds the DAG run determines the slice. The first of these that exists is used: ``window_start``
    and ``window_end`` in its conf; its data interval, if that is not empty; its partition date; its logical date,
    rounded down to *granularity* in the time zone of the DAG's timetable.

    Source: Warehouse Sync overview, "Ingest historical data"; design of the data model's lock.
    """

    template_fields: Sequence[str] = (
        *("pipeline_id", "data_model_id", "time_column", "window_start", "window_end"),
        *("poll_interval", "timeout", "mparticle_conn_id"),
    )
    template_ext: Sequence[str] = (".sql",)
    if_running_choices: Sequence[IfRunning] = ("fail", "wait")

    def __init__(
        self,
        *,
        data_model_id: str,
        sql: str,
        time_column: str | None = None,
        time_column_type: TimeColumnType = "timestamp",
        time_column_zone: str = "UTC",
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
        self.time_column_type = time_column_type
        self.time_column_zone = time_column_zone
        self.window_start = window_start
        self.window_end = window_end
        self.granularity = granularity
        if not is_mapped(self):
            self._check_schedule()

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """Set the arguments that all mapped tasks share. By default, one of them runs at a time."""
        return super().partial(**{"max_active_tis_per_dag": 1, **kwargs})

    def _check_schedule(self) -> None:
        """Refuse a DAG whose runs have overlapping slices, if Airflow has already loaded the modules for this check."""
        timetable = getattr(self.get_dag(), "timetable", None)
        if self.window_start is not None or not getattr(timetable, "can_be_scheduled", False):
            return
        if hasattr(timetable, "next_dagrun_info") or ENCODERS in sys.modules:
            from airflow_provider_mparticle.tasks.timetable import check_schedule

            check_schedule(self.get_dag(), self.granularity)

    def _task(self, context: Context) -> SyncSliceTask:
        from airflow_provider_mparticle.tasks.sync_slice import SyncSliceTask

        return SyncSliceTask(self, context)
