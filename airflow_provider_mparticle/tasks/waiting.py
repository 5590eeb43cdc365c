"""Wait for a run, in this worker or in the triggerer: what the tasks share that do."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.runs.quality_gates import Gates
from airflow_provider_mparticle.runs.steps import drive
from airflow_provider_mparticle.runs.wait import RunMonitor, backstop, wait
from airflow_provider_mparticle.tasks.failures import pass_gates

if TYPE_CHECKING:
    from airflow_provider_mparticle.operators.trigger import MParticleTriggerPipelineOperator
    from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor


class WaitingTask:
    """
    A task that waits for a run, or the part of it after a wait in the triggerer.

    :param operator: What the DAG declares.
    """

    operator: MParticleTriggerPipelineOperator | MParticlePipelineRunSensor

    def __init__(self, operator: MParticleTriggerPipelineOperator | MParticlePipelineRunSensor) -> None:
        self.operator = operator
        self.log = operator.log

    @cached_property
    def _hook(self) -> MParticleHook:
        return MParticleHook(self.operator.mparticle_conn_id)

    def _send_once(self, call: Any) -> Any:
        return self._hook.send(call, retry=False)

    def _wait(self, monitor: RunMonitor, method_name: str, **kwargs: Any) -> Outcome:
        operator = self.operator
        if not operator.deferrable:
            steps = wait(monitor, poll_interval_s=operator.poll_interval, clock=time.time)
            return drive(steps, self._send_once, time.sleep)
        # A task that defers and is resumed at once can be failed by the scheduler, so look once before.
        outcome, retry_after_s = drive(monitor.poll(time.time), self._send_once, time.sleep)
        if outcome:
            return outcome
        from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger

        operator.defer(
            trigger=MParticlePipelineRunTrigger.after_poll(
                operator.mparticle_conn_id, monitor, operator.poll_interval, retry_after_s
            ),
            method_name=method_name,
            kwargs=kwargs,
            timeout=backstop(monitor.deadline, time.time()),
        )

    def _conclude(self, outcome: Outcome) -> dict[str, Any]:
        run = outcome.result()
        self.log.info("Run %s of pipeline %r ended well: %s", run["pipeline_run_id"], self.operator.pipeline_id, run)
        self._keep_finished()
        pass_gates(self._gates, run)
        return run

    def _keep_finished(self) -> None:
        """Note that the work is done, where notes are kept."""

    @property
    def _gates(self) -> Gates:
        return Gates(self.operator.min_records, self.operator.max_failed_ratio, self.operator.on_empty)
