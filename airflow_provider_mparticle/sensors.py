"""The sensor that waits for a run of a pipeline, no matter what started it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseSensorOperator, conf

from airflow_provider_mparticle.connection.form import DEFAULT_CONN_NAME
from airflow_provider_mparticle.operators.lazy_lineage import LazyLineage
from airflow_provider_mparticle.operators.lazy_links import LazyLinks
from airflow_provider_mparticle.operators.operator_arguments import EnumTemplates, check_word

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, PokeReturnValue

    from airflow_provider_mparticle.client.models import RunId
    from airflow_provider_mparticle.operators.trigger import Seconds
    from airflow_provider_mparticle.runs.quality_gates import OnEmpty
    from airflow_provider_mparticle.tasks.sensor import SensorTask

# Longest pause between two polls, unless the DAG sets another.
POLL_INTERVAL_S = 60.0


class MParticlePipelineRunSensor(EnumTemplates, LazyLineage, BaseSensorOperator):
    """
    Wait until a run of a pipeline has succeeded.

    A run whose state is an unknown word counts as in progress. The sensor does not fail while mParticle is unreachable.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param pipeline_run_id: Id of the run, for example ``"{{ ti.xcom_pull('trigger')['pipeline_run_id'] }}"``. Default:
        the latest run of the pipeline at the first poll. The sensor then waits for that run, even if a newer one
        starts. (templated)
    :param covers: Wait until any successful run has read everything up to this instant, for example
        ``"{{ data_interval_end }}"``. This is for pipelines that mParticle schedules itself. A failed run does not end
        this wait. Without a time zone the instant is UTC. Default: wait for one run. (templated)
    :param poll_interval: Longest pause between two polls: a number of seconds, a text with that number, or a timedelta.
        Polls are more frequent when a run is likely to end. In ``mode="reschedule"`` every pause has this length,
        but at least 10 s. Default: 60 s. (templated)
    :param poke_interval: Airflow's name for *poll_interval*, in every mode. An argument of the task takes precedence
        over ``default_args``. If the task has both arguments, *poke_interval* is used. Default: *poll_interval*.
    :param timeout: How long to wait, in the same forms. If ``execution_timeout`` is shorter, it applies instead, in
        every mode. Default: Airflow's ``[sensors] default_timeout``. (templated)
    :param deferrable: Whether to wait in the triggerer, without a worker slot. Default: Airflow's
        ``[operators] default_deferrable``.
    :param min_records: Smallest number of records that the run must have ingested. Default: any number.
    :param max_failed_ratio: Largest accepted share of rejected records, from 0 to 1. Default: any share.
    :param on_empty: Result of the task if the run did not read any records: ``"success"`` (default), ``"skip"`` or
        ``"fail"``.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: The same as :class:`~airflow_provider_mparticle.operators.MParticleTriggerPipelineOperator` returns.
    :raises ConfigError: When Airflow parses the DAG file: *on_empty* is another word.
    :raises AirflowSensorTimeout: The run was still in progress at the deadline. The ``__context__`` of this error is a
        ``RunTimeoutError`` with the last state.
    :raises RunFailedError: mParticle reports that the run failed. The error contains mParticle's reasons.
    :raises AirflowFailException: A retry cannot help: the login failed, a permission is missing, an argument is
        malformed, the pipeline does not exist, or the run does not pass *min_records*, *max_failed_ratio* or
        *on_empty*.
    :raises AirflowSkipException: One of these errors occurred, and ``soft_fail`` or ``never_fail`` is set.

    Source: Warehouse Sync API reference, "Get the status of a specific run".
    """

    operator_extra_links = LazyLinks(has_run=True)
    template_fields: Sequence[str] = (
        *("pipeline_id", "pipeline_run_id", "covers", "poll_interval", "timeout", "mparticle_conn_id"),
    )

    # Until the task is executed, these are what the DAG passes. Then they are seconds, as Airflow's own code expects.
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
        # Airflow's BaseSensorOperator refuses texts and templates, so the task parses these when it is executed.
        self.poll_interval = _pause(poll_interval, poke_interval, kwargs.get("default_args") or {})
        self.poke_interval = self.poll_interval
        self.timeout = self.timeout if timeout is None else timeout
        self.deferrable = deferrable
        self.min_records = min_records
        self.max_failed_ratio = max_failed_ratio
        self.on_empty = on_empty
        self.mparticle_conn_id = mparticle_conn_id
        check_word(self, "on_empty")

    def execute(self, context: Context) -> Any:
        """Wait in the triggerer, in this worker, or with one poll for each execution (``mode="reschedule"``)."""
        return self._task(context).execute()

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once, for ``mode="reschedule"``: a later execution polls again."""
        return self._task(context).poke()

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Resume after the end of the run, or at the deadline."""
        return self._task(context).execute_complete(event)

    def _task(self, context: Context) -> SensorTask:
        from airflow_provider_mparticle.tasks.sensor import SensorTask

        return SensorTask(self, context)


def _pause(poll_interval: Seconds | None, poke_interval: Seconds | None, defaults: Mapping[str, Any]) -> Seconds:
    """Return the pause to use. An argument of the task takes precedence over ``default_args``."""
    named = {"poke_interval": poke_interval, "poll_interval": poll_interval}
    given = [(name, value) for name, value in named.items() if value is not None]
    given.sort(key=lambda item: item[0] in defaults and defaults[item[0]] is item[1])
    return given[0][1] if given else POLL_INTERVAL_S
