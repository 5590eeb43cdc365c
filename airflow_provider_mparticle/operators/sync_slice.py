"""The operator that syncs one slice of history."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.operators.mapped import is_mapped
from airflow_provider_mparticle.operators.trigger import MParticleTriggerPipelineOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.runs.start_decision import IfRunning
    from airflow_provider_mparticle.slices.arguments import Granularity, TimeColumnType
    from airflow_provider_mparticle.tasks.sync_slice import SyncSliceTask

# Airflow's DAG processor has loaded it. It turns the timetable of a DAG file into one that knows its next runs.
ENCODERS = "airflow.serialization.encoders"


class MParticleSyncSliceOperator(MParticleTriggerPipelineOperator):
    """
    Sync one slice of history through a full, on-demand pipeline: write the slice's SQL, start one run, wait for it.

    Slices of one pipeline share its data model, so they run one after the other: by default Airflow runs one task
    instance at a time, mapped ones and those of other DAG runs included. A task that finds the SQL of another task
    that has not ended is rescheduled after *poll_interval*. The SQL is read before the run is started and again when
    the run has ended. docs/how-to/backfill.md says how to use it.

    :param pipeline_id: Slug of the pipeline; it must sync in full and on demand. (templated)
    :param data_model_id: Slug of its data model, whose SQL is replaced. (templated)
    :param sql: Query of the slice's rows, or a ``.sql`` file: Jinja with *window_start* and *window_end*, which are
        UTC datetimes, or any query that selects *time_column*. It must render to the same text at every try.
    :param time_column: Column by which the rows of *sql* are restricted to the slice. Default: *sql* does it itself.
        (templated)
    :param time_column_type: Type of *time_column*: ``"timestamp"``, ``"timestamp_tz"``, ``"timestamp_ltz"``,
        ``"timestamp_ntz"``, ``"datetime"``, ``"date"``, ``"timestamp_unixtime_s"`` or ``"timestamp_unixtime_ms"``.
        Default: ``"timestamp"``.
    :param time_column_zone: Time zone of the values of a ``timestamp_ntz``, ``datetime`` or ``date``.
        Default: ``"UTC"``.
    :param window_start: First instant of the slice; without a time zone it is UTC. Default: see below. (templated)
    :param window_end: First instant after it. Default: see below. (templated)
    :param granularity: ``"hour"``, ``"day"``, ``"week"``, ``"month"`` or a timedelta: length of a slice that is taken
        from a partition date or a logical date. Default: such a DAG run is refused.
    :param if_running: What to do when a run is in progress: ``"fail"`` (default) or ``"wait"`` for its end.
    :param max_active_tis_per_dag: How many slices Airflow runs at once. Default: 1; with more, tasks wait in turn.
    :param kwargs: *deferrable*, *poll_interval*, *timeout*, *min_records*, *max_failed_ratio*, *on_empty* and
        *mparticle_conn_id* as in :class:`MParticleTriggerPipelineOperator`.
    :return: ``window_start`` and ``window_end``, with what :class:`MParticleTriggerPipelineOperator` returns. They are
        also pushed as the XCom ``slice`` before the wait begins.
    :raises AirflowFailException: As :class:`MParticleTriggerPipelineOperator`; also for a DAG run without a slice, a
        slice that is not over or that the next DAG run has too, a query that does not depend on the slice, a pipeline
        that is not full and on demand, or SQL that was changed while the run was in progress.
    :raises ConfigError: While Airflow parses the DAG file: consecutive DAG runs would have slices that overlap.
    :raises RunFailedError: mParticle reports that the run failed; a retry starts another.
    :raises DataModelHeldError: Another slice has held the data model until the deadline.

    Without explicit bounds the slice is taken from the DAG run: ``window_start`` and ``window_end`` of its conf, else
    its data interval unless that is empty, else its partition date, else its logical date floored to *granularity* in
    the time zone of the DAG's timetable.

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
        """Set what all mapped tasks have in common; one at a time is the default for them too."""
        return super().partial(**{"max_active_tis_per_dag": 1, **kwargs})

    def _check_schedule(self) -> None:
        """Refuse a DAG whose runs have slices that overlap, where Airflow has loaded already what that takes."""
        timetable = getattr(self.get_dag(), "timetable", None)
        if self.window_start is not None or not getattr(timetable, "can_be_scheduled", False):
            return
        if hasattr(timetable, "next_dagrun_info") or ENCODERS in sys.modules:
            from airflow_provider_mparticle.tasks.timetable import check_schedule

            check_schedule(self.get_dag(), self.granularity)

    def _task(self, context: Context) -> SyncSliceTask:
        from airflow_provider_mparticle.tasks.sync_slice import SyncSliceTask

        return SyncSliceTask(self, context)
