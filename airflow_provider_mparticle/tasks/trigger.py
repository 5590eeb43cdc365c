"""Starts exactly one run of a pipeline and waits for it, for ``MParticleTriggerPipelineOperator``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException, AirflowTaskTimeout

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.answer_fields import parse_run_id
from airflow_provider_mparticle.client.errors import ConfigError, MParticleError, RunFailedError, RunLostError
from airflow_provider_mparticle.client.models import PipelineRun, RunId
from airflow_provider_mparticle.client.resource_kinds import DATA_MODEL, PIPELINE
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.start import RunStarter, StartResult
from airflow_provider_mparticle.runs.start_decision import Decision
from airflow_provider_mparticle.runs.start_record import SaveRecord, StartRecord
from airflow_provider_mparticle.runs.steps import SendOnce, drive
from airflow_provider_mparticle.runs.wait import RunMonitor
from airflow_provider_mparticle.slices.data_model_lock import owner_of
from airflow_provider_mparticle.slices.slice import read_instant
from airflow_provider_mparticle.tasks.arguments import as_switch, read_choice, read_switch
from airflow_provider_mparticle.tasks.lineage import keep_run, keep_source
from airflow_provider_mparticle.tasks.record_store import unreadable_record
from airflow_provider_mparticle.tasks.task_context import clears, push, window_end
from airflow_provider_mparticle.tasks.waiting import WaitingTask
from airflow_provider_mparticle.telemetry.metrics import IN_WORKER

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.operators.trigger import MParticleTriggerPipelineOperator


class TriggerTask(WaitingTask):
    """
    One try of a task that starts a run, or the part of the try after a wait in the triggerer.

    :param operator: The operator that the DAG declares.
    :param context: Airflow's context of this try.
    """

    operator: MParticleTriggerPipelineOperator

    def __init__(self, operator: MParticleTriggerPipelineOperator, context: Context) -> None:
        super().__init__(operator, context)
        self._run_durations_s: list[float] | None = None
        # Other runs that this task has waited for. A list may still show them in progress for a while.
        self._ended_runs: set[RunId] = set()

    def execute(self) -> dict[str, Any]:
        """Start a run, or reattach to the one that an earlier try started, and wait for it."""
        with self._failing():
            if self._record_store and self.context["ti"].try_number <= 1:
                self._record_store.start_over()
            return self._start_and_wait(waiting_since=self._now())

    def execute_after_other_run(self, event: Any, waiting_since: float | None) -> dict[str, Any]:
        """Resume after the end of the other run, however it ended: start a run now."""
        with self._failing():
            self._note_end(Outcome.from_event(event))
            # Airflow's dag.test() drops the arguments of defer(), so waiting_since may be missing.
            return self._start_and_wait(waiting_since=waiting_since or self._now())

    def _check(self) -> None:
        super()._check()
        operator = self.operator
        operator.wait_for_completion = read_switch("wait_for_completion", operator.wait_for_completion)
        read_choice("if_running", operator.if_running, operator.if_running_choices)
        if not self._gates.accept_everything and not operator.wait_for_completion:
            raise ConfigError(
                "min_records, max_failed_ratio and on_empty are conditions on a run that has ended, so they need "
                "wait_for_completion=True. Nothing was sent to mParticle."
            )
        _ = self._covers

    def _start_and_wait(self, waiting_since: float) -> dict[str, Any]:
        pipeline_id = self.operator.pipeline_id
        while (started := self._start()).decision is Decision.WAIT:
            self._wait_for_other_run(started.pipeline_run_id, waiting_since)
        if started.decision is Decision.COVERED and started.run:
            self.log.info(
                "Run %s has already read everything that is needed, so no run is started.", started.pipeline_run_id
            )
            push(self.operator, self.context, "pipeline_run_id", started.pipeline_run_id)
            self._push_links(started.pipeline_run_id)
            keep_run(self.operator, self.context, self._hook, {})  # the task that started it counts its records
            return self._with_outlets(started.run.as_dict())
        if started.decision is Decision.SKIP:
            raise AirflowSkipException(
                f"Pipeline {pipeline_id!r} has run {started.pipeline_run_id} in progress, and if_running='skip'."
            )
        self.operator._pipeline_run_id = started.pipeline_run_id
        is_new = started.decision is Decision.START
        log_line = "Started run %s of pipeline %r." if is_new else "Waiting for run %s of pipeline %r."
        self.log.info(log_line, started.pipeline_run_id, pipeline_id)
        push(self.operator, self.context, "pipeline_run_id", started.pipeline_run_id)
        self._push_links(started.pipeline_run_id)
        if is_new:
            self._check_data_model(started.pipeline_run_id)
        if not self.operator.wait_for_completion:
            run = PipelineRun(pipeline_id, started.pipeline_run_id).as_dict()
            keep_run(self.operator, self.context, self._hook, run)
            self._keep_finished(run)
            return self._with_outlets(run)
        # an earlier try finished, but Airflow does not know it
        if started.record.is_finished and started.record.result:
            return self._conclude(Outcome(started.record.result))
        deadline = self._deadline(min(started.record.waiting_since or waiting_since, waiting_since))
        return self._conclude(self._wait(self._monitor(started.pipeline_run_id, deadline), "execute_complete"))

    def _start(self) -> StartResult:
        start = self._new_start()
        started = drive(start.steps(), self._carry_out, time.sleep)
        self._run_durations_s = start.run_durations_s
        return started

    def _check_data_model(self, pipeline_run_id: RunId) -> None:
        """Warn if the data model still contains the SQL of a slice from an interrupted sync. Only log errors."""
        try:
            pipeline = self._hook.send(endpoints.get_resource(PIPELINE, self.operator.pipeline_id), retry=False)
            if pipeline.data_model_id is None:
                return
            data_model = self._hook.send(endpoints.get_resource(DATA_MODEL, pipeline.data_model_id), retry=False)
        except (MParticleError, AirflowTaskTimeout) as error:  # an alarm at this point is the deadline of the wait
            self.log.debug("Could not check whether the data model contains the SQL of a slice: %s", error)
            return
        if (owner := owner_of(data_model.sql_query)) is not None:
            self.log.warning(
                "Data model %r contains the SQL of one slice, written by %s, so run %s reads only the rows of that "
                "slice. If that task has ended, write the whole query into the data model again (for example with "
                "MParticleCreateDataModelOperator), then clear this task.",
                data_model.id,
                owner,
                pipeline_run_id,
            )
        keep_source(self.operator, self.context, self._hook, data_model.sql_query or "", None)

    def _carry_out(self, step: Any) -> Any:
        match step:
            case SaveRecord():
                return self._keep(step)
            case SendOnce():
                return self._hook.send(step.call, retry=False)
            case _:
                return self._hook.send(step)

    def _new_start(self) -> RunStarter:
        return RunStarter(
            self.operator.pipeline_id,
            self.operator.if_running,
            max_tries=self.context["ti"].max_tries,
            clear_number=clears(self.context),
            clock=self._now,
            skew_s=lambda: self._hook.get_conn().clock_skew_s,
            kept=self._kept(),
            covers=self._covers,
            accept=lambda run: self._gates.passes(run.as_dict()),
            ended=self._ended_runs,
            on_retry=IN_WORKER.retried,
        )

    def _wait_for_other_run(self, pipeline_run_id: RunId, waiting_since: float) -> None:
        self.log.info(
            "Pipeline %r has run %s in progress. Waiting for its end.", self.operator.pipeline_id, pipeline_run_id
        )
        monitor = self._monitor(pipeline_run_id, self._deadline(waiting_since))
        self._note_end(self._wait(monitor, "execute_after_other_run", waiting_since=waiting_since))

    def _note_end(self, outcome: Outcome) -> None:
        """Accept every end of the other run. Raise the error if the wait itself failed, so that no run is started."""
        if outcome.error and not isinstance(outcome.error, RunFailedError | RunLostError):
            raise outcome.error
        if (pipeline_run_id := parse_run_id(outcome.run.get("pipeline_run_id"))) is not None:
            self._ended_runs.add(pipeline_run_id)

    def _monitor(self, pipeline_run_id: RunId, deadline: float) -> RunMonitor:
        return RunMonitor(
            RunLookup(self.operator.pipeline_id, pipeline_run_id), deadline, self._now(), self._run_durations_s
        )

    @cached_property
    def _covers(self) -> datetime | None:
        """The instant up to which a run must have read so that no run is started, or None: start in any case."""
        skip_if_covered = self.operator.skip_if_covered
        if skip_if_covered is None or (switch := as_switch(skip_if_covered)) is False:
            return None
        return window_end(self.context) if switch else read_instant(skip_if_covered, "skip_if_covered")

    # The records of earlier tries

    def _kept(self) -> StartRecord | None:
        """Return the record of an earlier try, if it is valid for this try."""
        if (record := self._recorded()) is None:
            return None
        max_tries, clear_number = self.context["ti"].max_tries, clears(self.context)
        if record.counts_for(self.operator.pipeline_id, self._slice_id(), max_tries, clear_number):
            return record
        if record.is_finished:
            self.log.info(
                "Run %s of an earlier try succeeded. The task was cleared or changed since, so it starts a new run.",
                record.pipeline_run_id,
            )
        return None

    def _recorded(self) -> StartRecord | None:
        if self._record_store is None or (stored := self._record_store.load()) is None:
            return None
        try:
            return StartRecord.from_json(stored)
        except ValueError as error:
            raise unreadable_record(self._record_store.place, error) from error

    def _slice_id(self) -> str | None:
        """Return the id of the slice that the run reads, or None if it does not read a slice."""
        return None

    def _keep(self, step: SaveRecord) -> None:
        if self._record_store is None:
            return
        if step.record:
            self._record_store.save(step.record.as_json())
        else:
            self._record_store.delete()

    def _keep_finished(self, run: Mapping[str, Any]) -> None:
        """Mark the record as finished: the worker may die before it reports the result, and Airflow then retries."""
        if record := self._kept():
            finished = replace(record, clear_number=clears(self.context), is_finished=True, result=run)
            self._keep(SaveRecord(finished))
