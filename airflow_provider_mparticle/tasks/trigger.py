"""Start exactly one run of a pipeline, and wait for it."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException

from airflow_provider_mparticle.client.errors import ConfigError, RunFailedError, RunLostError
from airflow_provider_mparticle.client.models import PipelineRun, RunId
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.start import RunStarter, SaveRecord, StartRecord, StartResult
from airflow_provider_mparticle.runs.start_decision import Decision
from airflow_provider_mparticle.runs.steps import drive
from airflow_provider_mparticle.runs.wait import RunMonitor
from airflow_provider_mparticle.slices.slice import read_instant
from airflow_provider_mparticle.tasks.arguments import as_switch, read_choice, read_switch
from airflow_provider_mparticle.tasks.task_context import clears, push, window_end
from airflow_provider_mparticle.tasks.waiting import WaitingTask

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.operators.trigger import MParticleTriggerPipelineOperator

# Under this key the task state store keeps what a task has noted about its run (Airflow 3.3 and later).
START_RECORD_KEY = "mparticle_pipeline_run"


class TriggerTask(WaitingTask):
    """
    One try of a task that starts a run, or the part of it after a wait in the triggerer.

    :param operator: What the DAG declares.
    :param context: Airflow's, of this try.
    """

    operator: MParticleTriggerPipelineOperator

    def __init__(self, operator: MParticleTriggerPipelineOperator, context: Context) -> None:
        super().__init__(operator)
        self.context = context
        self._run_durations_s: list[float] | None = None

    def execute(self) -> dict[str, Any]:
        """Start a run or find the one that is ours, then wait for it."""
        with self._failing():
            return self._start_and_wait(waiting_since=time.time())

    def execute_after_other_run(self, event: Any, waiting_since: float | None) -> dict[str, Any]:
        """Resume when somebody else's run has ended, however it did: start ours now."""
        with self._failing():
            _still_in_time(Outcome.from_event(event))
            # Airflow's dag.test() drops what was handed to defer().
            return self._start_and_wait(waiting_since=waiting_since or time.time())

    def execute_complete(self, event: Any) -> dict[str, Any]:
        """Resume when the run has ended, or the deadline has come."""
        with self._failing():
            return self._conclude(Outcome.from_event(event))

    def _check(self) -> None:
        super()._check()
        operator = self.operator
        operator.wait_for_completion = read_switch("wait_for_completion", operator.wait_for_completion)
        read_choice("if_running", operator.if_running, operator.if_running_choices)
        if not self._gates.accept_everything and not operator.wait_for_completion:
            raise ConfigError(
                "min_records, max_failed_ratio and on_empty look at a run that has ended, so they need "
                "wait_for_completion=True. Nothing was sent to mParticle."
            )

    def _start_and_wait(self, waiting_since: float) -> dict[str, Any]:
        pipeline_id = self.operator.pipeline_id
        while (started := self._start()).decision is Decision.WAIT:
            self._wait_for_other_run(started.pipeline_run_id, waiting_since)
        if started.decision is Decision.COVERED and started.run:
            self.log.info("Run %s has read all that is asked for, so nothing is started.", started.pipeline_run_id)
            push(self.operator, self.context, "pipeline_run_id", started.pipeline_run_id)
            return started.run.as_dict()
        if started.decision is Decision.SKIP:
            raise AirflowSkipException(
                f"Pipeline {pipeline_id!r} has run {started.pipeline_run_id} in progress, and if_running='skip'."
            )
        self.operator._pipeline_run_id = started.pipeline_run_id
        self.log.info("Run %s of pipeline %r is ours.", started.pipeline_run_id, pipeline_id)
        push(self.operator, self.context, "pipeline_run_id", started.pipeline_run_id)
        if not self.operator.wait_for_completion:
            self._keep_finished()
            return PipelineRun(pipeline_id, started.pipeline_run_id).as_dict()
        deadline = self._deadline(min(started.record.waiting_since or waiting_since, waiting_since))
        return self._conclude(self._wait(self._monitor(started.pipeline_run_id, deadline), "execute_complete"))

    def _start(self) -> StartResult:
        start = self._new_start()
        started = drive(start.steps(), self._carry_out, time.sleep)
        self._run_durations_s = start.run_durations_s
        return started

    def _carry_out(self, step: Any) -> Any:
        return self._keep(step) if isinstance(step, SaveRecord) else self._hook.send(step)

    def _new_start(self) -> RunStarter:
        return RunStarter(
            self.operator.pipeline_id,
            self.operator.if_running,
            max_tries=self.context["ti"].max_tries,
            clear_number=clears(self.context),
            now=time.time(),
            kept=self._kept(),
            retry_since=self._retry_since(),
            covers=self._covers(),
            accept=lambda run: self._gates.passes(run.as_dict()),
        )

    def _wait_for_other_run(self, pipeline_run_id: RunId, waiting_since: float) -> None:
        self.log.info(
            "Pipeline %r has run %s in progress; waiting for its end.", self.operator.pipeline_id, pipeline_run_id
        )
        monitor = self._monitor(pipeline_run_id, self._deadline(waiting_since))
        _still_in_time(self._wait(monitor, "execute_after_other_run", waiting_since=waiting_since))

    def _monitor(self, pipeline_run_id: RunId, deadline: float) -> RunMonitor:
        return RunMonitor(
            RunLookup(self.operator.pipeline_id, pipeline_run_id), deadline, time.time(), self._run_durations_s
        )

    def _covers(self) -> datetime | None:
        skip_if_covered = self.operator.skip_if_covered
        if skip_if_covered is None or (switch := as_switch(skip_if_covered)) is False:
            return None
        return window_end(self.context) if switch else read_instant(skip_if_covered, "skip_if_covered")

    # What earlier tries noted, where Airflow has a task state store (3.3 and later)

    def _kept(self) -> StartRecord | None:
        """Return what an earlier try has noted, if that counts for this one."""
        noted = self._noted()
        counts = noted and noted.counts_for(
            self.operator.pipeline_id, self._identity(), self.context["ti"].max_tries, clears(self.context)
        )
        return noted if counts else None

    def _noted(self) -> StartRecord | None:
        store = self.context.get("task_state_store")
        stored: Any = store.get(START_RECORD_KEY) if store is not None else None
        return StartRecord.from_json(stored) if stored else None

    def _identity(self) -> str | None:
        """Return what tells one run from another of the same pipeline, for a task that asks for one of many."""
        return None

    def _keep(self, note: SaveRecord) -> None:
        if (store := self.context.get("task_state_store")) is None:
            return
        if note.record:
            store.set(START_RECORD_KEY, note.record.as_json())
        else:
            store.delete(START_RECORD_KEY)

    def _keep_finished(self) -> None:
        """Keep the note, marked: the worker may die before Airflow hears of the end, and the task run again."""
        if record := self._kept():
            self._keep(SaveRecord(replace(record, clear_number=clears(self.context), is_finished=True)))

    def _retry_since(self) -> datetime | None:
        """Return, where there is no store, the instant since which a manual run may be an earlier try's."""
        if self.context.get("task_state_store") is not None or self.context["ti"].try_number <= 1:
            return None
        began: datetime | None = self.context["dag_run"].start_date
        return began


def _still_in_time(outcome: Outcome) -> None:
    """Let somebody else's run end as it likes; only what keeps ours from starting counts."""
    if outcome.error and not isinstance(outcome.error, RunFailedError | RunLostError):
        raise outcome.error
