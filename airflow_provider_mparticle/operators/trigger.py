"""The operator that starts exactly one run of a pipeline, and waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator, conf

from airflow_provider_mparticle.connection.form import DEFAULT_CONN_NAME
from airflow_provider_mparticle.lazy_links import LazyLinks

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.client.models import RunId
    from airflow_provider_mparticle.runs.quality_gates import OnEmpty
    from airflow_provider_mparticle.runs.start_decision import IfRunning
    from airflow_provider_mparticle.tasks.trigger import TriggerTask

# A duration: a number of seconds, its text, or a timedelta; a template renders to one of them.
Seconds = float | str | timedelta


class MParticleTriggerPipelineOperator(BaseOperator):
    """
    Start exactly one run of a pipeline, and wait for it.

    A retry reattaches to the run that an earlier try started and starts a new one only if that one failed; a user's
    clear starts a new one. Where Airflow has no task state store (before 3.3) a retry can only reattach to a
    manual run in progress. docs/explanation/exactly-once.md tells what is promised.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param wait_for_completion: Whether to wait for the run to end. Default: True.
    :param deferrable: Whether to wait in the triggerer, without a worker slot. Default: Airflow's
        ``[operators] default_deferrable``.
    :param poll_interval: Longest pause between two looks at the run, in seconds; looks come closer when the run is
        likely to end. Default: 60.
    :param timeout: How long to wait, in seconds, counted from the first try's start of waiting; the shorter of it and
        ``execution_timeout`` counts, deferred or not. Default: 6 hours.
    :param if_running: What to do when another run is in progress: ``"fail"`` (default) names it; ``"wait"``
        waits for its end, then starts ours; ``"attach"`` waits for it as if it were ours; ``"skip"`` skips the task.
    :param skip_if_covered: Start nothing, and succeed, if a run that succeeded has read everything up to an instant:
        ``True`` for the end of the DAG run's data interval (else its logical date), or an instant, which is UTC
        without a time zone. So a catch-up of many DAG runs makes one sync. A run that would not pass the counts below
        does not do. Default: False. (templated)
    :param min_records: Fewest records that the run must have ingested. Default: any number.
    :param max_failed_ratio: Largest share of rejected records, from 0 to 1. Default: any.
    :param on_empty: What to make of a run that read nothing: ``"success"`` (default), ``"skip"`` or ``"fail"``.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``pipeline_id``, ``pipeline_run_id``, ``state``, ``started_on``, ``ended_on``, ``range_start``,
        ``range_end``, ``successful_records``, ``failed_records``; null where unknown or not waited for. The run's id is
        also pushed as the XCom ``pipeline_run_id`` before the wait begins.
    :raises AirflowFailException: Login, permission, arguments, a missing pipeline, the warehouse's credentials, or
        counts that do not pass *min_records*, *max_failed_ratio* or *on_empty*.
    :raises RunFailedError: mParticle reports that the run failed.
    :raises RunTimeoutError: The run was still under way at the deadline; it goes on in mParticle.
    :raises PipelineBusyError: Another run is in progress, with ``if_running="fail"``.
    :raises StartAmbiguousError: It cannot be told whether a run began.

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

    def execute(self, context: Context) -> dict[str, Any]:
        """Start a run or find the one that is ours, then wait for it."""
        return self._task(context).execute()

    def execute_after_other_run(
        self, context: Context, event: Any = None, waiting_since: float | None = None
    ) -> dict[str, Any]:
        """Resume when the other run has ended, in any way: start ours now."""
        return self._task(context).execute_after_other_run(event, waiting_since)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Resume when the run has ended, or the deadline has come."""
        return self._task(context).execute_complete(event)

    def on_kill(self) -> None:
        """Say what becomes of the run: mParticle documents no way to cancel one."""
        if self._pipeline_run_id is not None:
            self.log.warning(
                "Run %s of pipeline %r goes on in mParticle, which documents no way to cancel it. "
                "A retry of this task reattaches to it.",
                self._pipeline_run_id,
                self.pipeline_id,
            )

    def _task(self, context: Context) -> TriggerTask:
        from airflow_provider_mparticle.tasks.trigger import TriggerTask

        return TriggerTask(self, context)
