"""The sensor that waits for a pipeline run, no matter who started it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseSensorOperator, conf

from airflow_provider_mparticle.connection.form import DEFAULT_CONN_NAME
from airflow_provider_mparticle.lazy_links import LazyLinks

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, PokeReturnValue

    from airflow_provider_mparticle.client.models import RunId
    from airflow_provider_mparticle.runs.quality_gates import OnEmpty
    from airflow_provider_mparticle.tasks.sensor import SensorTask

# A duration: a number of seconds, its text, or a timedelta; a template renders to one of them.
Seconds = float | str | timedelta

# Longest pause between two polls, unless the DAG says another.
POLL_INTERVAL_S = 60.0


class MParticlePipelineRunSensor(BaseSensorOperator):
    """
    Wait for a pipeline run to end well.

    An unknown state word means that the run is still under way, and an unreachable API does not fail it.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param pipeline_run_id: Id of the run, for example ``"{{ ti.xcom_pull('trigger')['pipeline_run_id'] }}"``. Default:
        the pipeline's latest run at the first look; the sensor stays with that one. (templated)
    :param covers: Wait instead until a run that succeeded has read everything up to this instant, no matter who started
        it; for pipelines that mParticle schedules itself, for example ``"{{ data_interval_end }}"``. A run that fails
        does not end this wait. An instant without a time zone is UTC. Default: wait for one run. (templated)
    :param poll_interval: Longest pause between two polls, as a number of seconds, its text, or a timedelta; polls come
        closer when a run is likely to end, but for ``mode="reschedule"``, where it is the pause, of 10 s at least.
        Default: 60 s. (templated)
    :param poke_interval: Airflow's name for *poll_interval*, in every mode. What the task says comes before
        ``default_args``; if it says both, *poke_interval* counts. Default: *poll_interval*.
    :param timeout: How long to wait, in the same forms; the shorter of it and ``execution_timeout`` counts, in every
        mode. Default: Airflow's ``[sensors] default_timeout``. (templated)
    :param deferrable: Whether to wait in the triggerer, without a worker slot. Default: Airflow's
        ``[operators] default_deferrable``.
    :param min_records: Fewest records that the run must have ingested. Default: any number.
    :param max_failed_ratio: Largest share of rejected records, from 0 to 1. Default: any.
    :param on_empty: What to make of a run that read nothing: ``"success"`` (default), ``"skip"`` or ``"fail"``.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: The same as :class:`~airflow_provider_mparticle.operators.MParticleTriggerPipelineOperator` returns.
    :raises AirflowSensorTimeout: The run was still under way at the deadline. Its
        ``__context__`` is a `RunTimeoutError` with the last state.
    :raises RunFailedError: mParticle reports that the run failed, for the reasons that the error carries.
    :raises AirflowFailException: Login, permission, arguments, a pipeline that does not exist, or counts that do not
        pass *min_records*, *max_failed_ratio* or *on_empty*.
    :raises AirflowSkipException: Any of these, with ``soft_fail`` or ``never_fail``.

    Source: Warehouse Sync API reference, "Get the status of a specific run".
    """

    operator_extra_links = LazyLinks(has_run=True)
    template_fields: Sequence[str] = (
        *("pipeline_id", "pipeline_run_id", "covers", "poll_interval", "timeout", "mparticle_conn_id"),
    )

    # What the DAG says until the task is executed, then seconds, as Airflow's own code expects.
    timeout: Any
    poke_interval: Any

    def __init__(
        self,
        *,
        pipeline_id: str,
        pipeline_run_id: RunId | None = None,
        covers: datetime | str | None = None,
        poll_interval: Seconds | None = None,
        poke_interval: Seconds | None = None,
        timeout: Seconds | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        min_records: int | None = None,
        max_failed_ratio: float | None = None,
        on_empty: OnEmpty = "success",
        mparticle_conn_id: str = DEFAULT_CONN_NAME,
        **kwargs: Any,
    ) -> None:
        default_timeout_s = conf.getfloat("sensors", "default_timeout")  # Airflow 2 refuses None
        super().__init__(poke_interval=POLL_INTERVAL_S, timeout=default_timeout_s, **kwargs)
        self.pipeline_id = pipeline_id
        self.pipeline_run_id = pipeline_run_id
        self.is_for_one_run = pipeline_run_id is not None  # even if a template renders to None
        self.covers = covers
        # Airflow's own sensor refuses texts and templates, so the task reads these when it is executed.
        self.poll_interval = _pause(poll_interval, poke_interval, kwargs.get("default_args") or {})
        self.poke_interval = self.poll_interval
        self.timeout = self.timeout if timeout is None else timeout
        self.deferrable = deferrable
        self.min_records = min_records
        self.max_failed_ratio = max_failed_ratio
        self.on_empty = on_empty
        self.mparticle_conn_id = mparticle_conn_id

    def execute(self, context: Context) -> Any:
        """Wait in the triggerer, in this worker, or with one poll at a time (``mode="reschedule"``)."""
        return self._task(context).execute()

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once, for ``mode="reschedule"``, where nothing is remembered but the instant of the first poll."""
        return self._task(context).poke()

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Resume when the run has ended, or the deadline has come."""
        return self._task(context).execute_complete(event)

    def _task(self, context: Context) -> SensorTask:
        from airflow_provider_mparticle.tasks.sensor import SensorTask

        return SensorTask(self, context)


def _pause(poll_interval: Seconds | None, poke_interval: Seconds | None, defaults: Mapping[str, Any]) -> Seconds:
    """Return the pause that is meant: what the task itself says comes before ``default_args``."""
    named = {"poke_interval": poke_interval, "poll_interval": poll_interval}
    given = [(name, value) for name, value in named.items() if value is not None]
    given.sort(key=lambda item: item[0] in defaults and defaults[item[0]] is item[1])
    return given[0][1] if given else POLL_INTERVAL_S
