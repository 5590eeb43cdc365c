"""The operator that starts exactly one run of a pipeline and waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_mparticle.connection.form import DEFAULT_CONN_NAME
from airflow_provider_mparticle.operators.lazy_lineage import LazyLineage
from airflow_provider_mparticle.operators.lazy_links import LazyLinks
from airflow_provider_mparticle.operators.operator_arguments import EnumTemplates, check_word

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.client.models import RunId
    from airflow_provider_mparticle.runs.quality_gates import OnEmpty
    from airflow_provider_mparticle.runs.start_decision import IfRunning
    from airflow_provider_mparticle.tasks.trigger import TriggerTask

# A duration: a number of seconds, a text with that number, or a timedelta. A template renders to one of these.
Seconds = float | str | timedelta


class MParticleTriggerPipelineOperator(EnumTemplates, LazyLineage, BaseOperator):
    """
    Start exactly one run of a pipeline and wait for it.

    A retry reattaches to the run that an earlier try started. It starts a new run only if that run failed. A task that
    a user cleared starts a new run. docs/explanation/exactly-once.md explains what is guaranteed.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param wait_for_completion: Whether to wait for the run to end. Default: True.
    :param deferrable: Whether to wait in the triggerer, without a worker slot. Default: Airflow's
        ``[operators] default_deferrable``.
    :param poll_interval: Longest pause between two polls of the run, in seconds. Polls are more frequent when the run
        is likely to end. Default: 60. (templated)
    :param timeout: How long to wait, in seconds, counted from the time when the first try began to wait. If
        ``execution_timeout`` is shorter, it applies instead, also to a deferred task. Default: 6 hours. (templated)
    :param if_running: What to do if another run is in progress: ``"fail"`` (default) fails with the id of that run;
        ``"wait"`` waits for its end, then starts a run; ``"attach"`` waits for it and reports it as the run of this
        task; ``"skip"`` skips the task.
    :param skip_if_covered: Whether to succeed without a new run if a successful run has already read everything up to
        an instant. ``True`` means the end of the DAG run's data interval, or its logical date if it has none. You can
        also pass the instant; without a time zone it is UTC. So a catch-up of many DAG runs needs one run only. A run
        that does not pass the conditions below does not count. Default: False. (templated)
    :param min_records: Smallest number of records that the run must have ingested. Default: any number.
    :param max_failed_ratio: Largest accepted share of rejected records, from 0 to 1. Default: any share.
    :param on_empty: Result of the task if the run did not read any records: ``"success"`` (default), ``"skip"`` or
        ``"fail"``.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``pipeline_id``, ``pipeline_run_id``, ``state``, ``started_on``, ``ended_on``, ``range_start``,
        ``range_end``, ``successful_records``, ``failed_records``. A value is null if it is unknown, or if the task did
        not wait. The id of the run is also pushed as the XCom ``pipeline_run_id`` before the wait begins.
    :raises ConfigError: When Airflow parses the DAG file: *if_running* or *on_empty* is another word.
    :raises AirflowFailException: A retry cannot help: the login failed, a permission is missing, an argument is
        malformed, the pipeline does not exist, mParticle cannot log in to the warehouse, or the run does not pass
        *min_records*, *max_failed_ratio* or *on_empty*.
    :raises RunFailedError: mParticle reports that the run failed.
    :raises RunTimeoutError: The run was still in progress at the deadline. It continues in mParticle.
    :raises PipelineBusyError: Another run is in progress, and *if_running* is ``"fail"``.
    :raises StartAmbiguousError: The task cannot find out whether a run was started.

    Source: Warehouse Sync API reference, "Trigger an on-demand pipeline".
    """

    operator_extra_links = LazyLinks(has_run=True)
    template_fields: Sequence[str] = (
        *("pipeline_id", "poll_interval", "timeout", "skip_if_covered", "mparticle_conn_id"),
    )

    if_running_choices: Sequence[IfRunning] = ("fail", "wait", "attach", "skip")

    def __init__(
        self,
        *,
        pipeline_id: str,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: Seconds = 60,
        timeout: Seconds = 6 * 60 * 60,
        if_running: IfRunning = "fail",
        skip_if_covered: bool | datetime | str = False,
        min_records: int | None = None,
        max_failed_ratio: float | None = None,
        on_empty: OnEmpty = "success",
        mparticle_conn_id: str = DEFAULT_CONN_NAME,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline_id = pipeline_id
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable
        self.poll_interval = poll_interval
        self.timeout = timeout
        self.if_running = if_running
        self.skip_if_covered = skip_if_covered
        self.min_records = min_records
        self.max_failed_ratio = max_failed_ratio
        self.on_empty = on_empty
        self.mparticle_conn_id = mparticle_conn_id
        self._pipeline_run_id: RunId | None = None
        check_word(self, "if_running", self.if_running_choices)
        check_word(self, "on_empty")

    def execute(self, context: Context) -> dict[str, Any]:
        """Start a run, or reattach to the one that an earlier try started, and wait for it."""
        return self._task(context).execute()

    def execute_after_other_run(
        self, context: Context, event: Any = None, waiting_since: float | None = None
    ) -> dict[str, Any]:
        """Resume after the end of the other run, however it ended: start a run now."""
        return self._task(context).execute_after_other_run(event, waiting_since)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Resume after the end of the run, or at the deadline."""
        return self._task(context).execute_complete(event)

    def on_kill(self) -> None:
        """Log that the run continues, because mParticle does not document how to cancel a run."""
        if self._pipeline_run_id is not None:
            self.log.warning(
                "Run %s of pipeline %r continues in mParticle, which does not document how to cancel a run. "
                "A retry of this task reattaches to it.",
                self._pipeline_run_id,
                self.pipeline_id,
            )

    def _task(self, context: Context) -> TriggerTask:
        from airflow_provider_mparticle.tasks.trigger import TriggerTask

        return TriggerTask(self, context)
