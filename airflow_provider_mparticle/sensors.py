"""The sensor that waits for a pipeline run, whoever started it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseSensorOperator, conf

from airflow_provider_mparticle.connection.form import DEFAULT_CONN_NAME

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, PokeReturnValue

    from airflow_provider_mparticle.client.models import RunId
    from airflow_provider_mparticle.runs.quality_gates import OnEmpty
    from airflow_provider_mparticle.tasks.sensor import SensorTask


class MParticlePipelineRunSensor(BaseSensorOperator):
    """
    Wait for a pipeline run to end well.

    An unknown state word means that the run is still under way, and an unreachable API does not fail it.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param pipeline_run_id: Id of the run, for example ``"{{ ti.xcom_pull('trigger')['pipeline_run_id'] }}"``. Default:
        the pipeline's latest run at the first look; the sensor stays with that one. (templated)
    :param covers: Wait instead until a run that succeeded has read everything up to this instant, whoever started it;
        for pipelines that mParticle schedules itself, for example ``"{{ data_interval_end }}"``. A run that fails does
        not end this wait. An instant without a time zone is UTC. Default: wait for one run. (templated)
    :param poll_interval: Longest pause between two looks, in seconds; looks come closer when a run is likely to end,
        but for ``mode="reschedule"``, where it is the pause. Default: 60.
    :param timeout: How long to wait, in seconds or as a timedelta; the shorter of it and ``execution_timeout``
        counts, deferred or not. Default: Airflow's ``[sensors] default_timeout``.
    :param deferrable: Whether to wait in the triggerer, without a worker slot. Default: Airflow's
        ``[operators] default_deferrable``.
    :param min_records: Fewest records that the run must have ingested. Default: any number.
    :param max_failed_ratio: Largest share of rejected records, from 0 to 1. Default: any.
    :param on_empty: What to make of a run that read nothing: ``"success"`` (default), ``"skip"`` or ``"fail"``.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: The same as :class:`~airflow_provider_mparticle.operators.MParticleTriggerPipelineOperator` returns.
    :raises AirflowSensorTimeout: The run was still under way at the deadline. Its cause carries the last state.
    :raises RunFailedError: mParticle reports that the run failed, for the reasons that the error carries.
    :raises AirflowFailException: Login, permission, arguments, a pipeline that does not exist, or counts that do not
        pass *min_records*, *max_failed_ratio* or *on_empty*.
    :raises AirflowSkipException: Any of these, with ``soft_fail`` or ``never_fail``.

    Source: Warehouse Sync API reference, "Get the status of a specific run".
    """

    template_fields: Sequence[str] = ("pipeline_id", "pipeline_run_id", "covers", "mparticle_conn_id")

    def __init__(
        self,
        *,
        pipeline_id: str,
        pipeline_run_id: RunId | None = None,
        covers: datetime | str | None = None,
        poll_interval: float = 60,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        min_records: int | None = None,
        max_failed_ratio: float | None = None,
        on_empty: OnEmpty = "success",
        mparticle_conn_id: str = DEFAULT_CONN_NAME,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"poke_interval": poll_interval, **kwargs})
        self.pipeline_id = pipeline_id
        self.pipeline_run_id = pipeline_run_id
        self.covers = covers
        self.poll_interval = poll_interval
        self.deferrable = deferrable
        self.min_records = min_records
        self.max_failed_ratio = max_failed_ratio
        self.on_empty = on_empty
        self.mparticle_conn_id = mparticle_conn_id

    def execute(self, context: Context) -> Any:
        """Wait in the triggerer, in this worker, or with a look now and then (``mode="reschedule"``)."""
        task = self._task()
        task.check()
        if self.reschedule and not self.deferrable:
            return super().execute(context)
        return task.wait()

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once, for ``mode="reschedule"``, where nothing but the first look's instant is remembered."""
        return self._task().poke(context)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Resume when the run has ended, or the deadline has come."""
        return self._task().execute_complete(event)

    def _task(self) -> SensorTask:
        from airflow_provider_mparticle.tasks.sensor import SensorTask

        return SensorTask(self)
