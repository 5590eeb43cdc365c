"""Waits for a run in this worker or in the triggerer: the base of all tasks that wait."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.exceptions import AirflowRescheduleException  # one class in Airflow 2 and 3, which compat does not name
from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from airflow_provider_mparticle.client.clocks import steady_clock
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.links import PipelineLink, RunLink, pipeline_address, run_address
from airflow_provider_mparticle.runs.log_lines import summary
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.runs.quality_gates import Gates
from airflow_provider_mparticle.runs.steps import drive
from airflow_provider_mparticle.runs.wait import RunMonitor, backstop, deadline_of, wait, wait_briefly
from airflow_provider_mparticle.tasks.arguments import read_id, read_seconds, read_switch
from airflow_provider_mparticle.tasks.failures import fail_without_retry, pass_gates
from airflow_provider_mparticle.tasks.lineage import keep_run
from airflow_provider_mparticle.tasks.outlets import check_outlets, describe_outlets
from airflow_provider_mparticle.tasks.record_store import RecordStore, record_store
from airflow_provider_mparticle.tasks.task_context import push
from airflow_provider_mparticle.telemetry.metrics import IN_WORKER
from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger, resume_delay_s

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.client.models import RunId
    from airflow_provider_mparticle.operators.trigger import MParticleTriggerPipelineOperator
    from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor

# Our deadline comes earlier than Airflow's execution_timeout by this time. Airflow's alarm would interrupt a poll, and
# its error would not name the run. The time is at most a tenth of the limit, and 0 if the limit is below a second.
BEFORE_ALARM = timedelta(seconds=2)


class WaitingTask:
    """
    One try of a task that waits for a run, or the part of the try after a wait in the triggerer.

    :param operator: The operator that the DAG declares.
    :param context: Airflow's context of this try.
    """

    operator: MParticleTriggerPipelineOperator | MParticlePipelineRunSensor

    def __init__(
        self, operator: MParticleTriggerPipelineOperator | MParticlePipelineRunSensor, context: Context
    ) -> None:
        self.operator = operator
        self.context = context
        self.log = operator.log
        self._linked: set[RunId | None] = set()
        # Instants of one try are compared with each other, also if the system's clock is set meanwhile.
        self._now = steady_clock()

    def execute_complete(self, event: Any) -> dict[str, Any]:
        """Resume after the end of the run, or at the deadline."""
        with self._failing():
            return self._conclude(Outcome.from_event(event))

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Parse the arguments, and convert errors as :func:`fail_without_retry` does."""
        with fail_without_retry():
            self._check()
            yield

    def _check(self) -> None:
        """
        Parse every argument, before anything is sent.

        :raises ConfigError: An argument is malformed.
        """
        operator = self.operator
        operator.pipeline_id = read_id("pipeline_id", operator.pipeline_id)
        operator.mparticle_conn_id = read_id("mparticle_conn_id", operator.mparticle_conn_id)
        operator.deferrable = read_switch("deferrable", operator.deferrable)
        check_outlets(operator, operator.pipeline_id)
        _ = self._poll_interval_s, self._timeout_s, self._gates

    @cached_property
    def _poll_interval_s(self) -> float:
        return read_seconds("poll_interval", self.operator.poll_interval)

    @cached_property
    def _timeout_s(self) -> float:
        return read_seconds("timeout", self.operator.timeout)

    @cached_property
    def _gates(self) -> Gates:
        operator = self.operator
        return Gates(
            min_records=operator.min_records, max_failed_ratio=operator.max_failed_ratio, on_empty=operator.on_empty
        )

    @cached_property
    def _hook(self) -> MParticleHook:
        return MParticleHook(self.operator.mparticle_conn_id)

    @cached_property
    def _record_store(self) -> RecordStore | None:
        return record_store(self.operator, self.context)

    def _send_once(self, call: Any) -> Any:
        with IN_WORKER.poll(call):
            return self._hook.send(call, retry=False)

    def _deadline(self, since: float) -> float:
        """Return when the wait ends at the latest, in seconds since the epoch: the shorter limit applies."""
        return deadline_of(since, self._timeout_s, _before_alarm(self.operator.execution_timeout))

    def _push_links(self, pipeline_run_id: RunId | None) -> None:
        """Push the addresses of the task's links once for each run, so that the links work while the task waits."""
        if pipeline_run_id in self._linked:
            return
        self._linked.add(pipeline_run_id)
        config, pipeline_id = self._hook.get_conn().config, self.operator.pipeline_id
        push(self.operator, self.context, PipelineLink.xcom_key, pipeline_address(config, pipeline_id))
        if pipeline_run_id is not None:
            push(self.operator, self.context, RunLink.xcom_key, run_address(config, pipeline_id, pipeline_run_id))

    def _wait(self, monitor: RunMonitor, method_name: str, **kwargs: Any) -> Outcome:
        try:
            if self.operator.deferrable:
                return self._poll_and_defer(monitor, method_name, kwargs)
            steps = wait(monitor, poll_interval_s=self._poll_interval_s, clock=self._now)
            return drive(steps, self._send_once, time.sleep)
        except AirflowTaskTimeout:  # the alarm of Airflow interrupted a poll
            return monitor.timed_out()

    def _poll_and_defer(self, monitor: RunMonitor, method_name: str, kwargs: dict[str, Any]) -> Outcome:
        # A deferred task resumes after this time at the earliest. So the worker waits for a run that may end sooner.
        delay_s = resume_delay_s()
        steps = wait_briefly(monitor, poll_interval_s=self._poll_interval_s, clock=self._now, within_s=delay_s)
        outcome, retry_after_s = drive(steps, self._send_once, time.sleep)
        if outcome:
            return outcome
        self._push_links(monitor.lookup.pipeline_run_id)
        self.operator.defer(
            trigger=MParticlePipelineRunTrigger.after_poll(
                self.operator.mparticle_conn_id, monitor, self._poll_interval_s, retry_after_s
            ),
            method_name=method_name,
            kwargs=kwargs,
            timeout=backstop(monitor.deadline, self._now()) + timedelta(seconds=delay_s),
        )

    def _conclude(self, outcome: Outcome) -> dict[str, Any]:
        """Send the metrics of the run, and return what the task returns."""
        IN_WORKER.run_ended(outcome)
        keep_run(self.operator, self.context, self._hook, outcome.run)
        return self._with_outlets(self._accept(outcome))

    def _with_outlets(self, run: dict[str, Any]) -> dict[str, Any]:
        """Add the run to the events of the task's outlets, and return it."""
        describe_outlets(self.operator, self.context, run, lambda: self._hook.get_conn().config.workspace_id)
        return run

    def _accept(self, outcome: Outcome) -> dict[str, Any]:
        run = outcome.result()
        self.log.info("%s", summary(outcome))
        self._keep_finished(run)
        pass_gates(self._gates, run)
        return run

    def _keep_finished(self, run: Mapping[str, Any]) -> None:
        """Record that the task has finished, if records are kept."""


def _before_alarm(execution_timeout: timedelta | None) -> timedelta | None:
    if execution_timeout is None or execution_timeout < timedelta(seconds=1):
        return execution_timeout
    return execution_timeout - min(execution_timeout / 10, BEFORE_ALARM)


def come_back_in(seconds: float) -> AirflowRescheduleException:
    """Return the exception that frees the worker slot and lets Airflow execute the task again after this time."""
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return AirflowRescheduleException(at)  # type: ignore[no-untyped-call]  # Airflow leaves it unannotated
