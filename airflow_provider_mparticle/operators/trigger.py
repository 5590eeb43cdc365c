"""The operator that starts exactly one run of a pipeline, and waits for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowSkipException, BaseOperator, conf

from airflow_provider_mparticle.client.errors import ConfigError, RunFailedError, RunLostError
from airflow_provider_mparticle.client.models import PipelineRun, RunId
from airflow_provider_mparticle.dag_runs import clears, window_end
from airflow_provider_mparticle.decision import IF_RUNNING, IfRunning, Move
from airflow_provider_mparticle.failures import failing_by_cause, pass_gates
from airflow_provider_mparticle.finding import Finder
from airflow_provider_mparticle.gates import Gates, OnEmpty
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.outcome import Outcome
from airflow_provider_mparticle.starting import Intent, Note, Start, Started
from airflow_provider_mparticle.steps import drive
from airflow_provider_mparticle.waiting import Watch, backstop, deadline_of, wait
from airflow_provider_mparticle.windows import read_instant

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

# Under this key the task state store keeps what a task has noted about its run (Airflow 3.3 and later).
INTENT_KEY = "mparticle_pipeline_run"


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
    :param if_running: What to do when somebody else's run is in progress: ``"fail"`` (default) names it; ``"wait"``
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
    :raises PipelineBusyError: Somebody else's run is in progress, with ``if_running="fail"``.
    :raises StartAmbiguousError: It cannot be told whether a run began.

    Source: Warehouse Sync API reference, "Trigger an on-demand pipeline".
    """

    template_fields: Sequence[str] = ("pipeline_id", "skip_if_covered", "mparticle_conn_id")

    if_running_choices: Sequence[IfRunning] = IF_RUNNING

    def __init__(
        self,
        *,
        pipeline_id: str,
        wait_for_completion: bool = True,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        poll_interval: float = 60,
        timeout: float = 6 * 60 * 60,
        if_running: IfRunning = "fail",
        skip_if_covered: bool | datetime | str = False,
        min_records: int | None = None,
        max_failed_ratio: float | None = None,
        on_empty: OnEmpty = "success",
        mparticle_conn_id: str = MParticleHook.default_conn_name,
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
        self._run_lengths: list[float] | None = None

    @cached_property
    def _hook(self) -> MParticleHook:
        return MParticleHook(self.mparticle_conn_id)

    def execute(self, context: Context) -> dict[str, Any]:
        """Start a run or find the one that is ours, then wait for it."""
        with failing_by_cause():
            self._check()
            return self._start_and_wait(context, waiting_since=time.time())

    def _check(self) -> None:
        _one_of("if_running", self.if_running, self.if_running_choices)
        _positive("poll_interval", self.poll_interval)
        _positive("timeout", self.timeout)
        if not self._gates.are_open and not self.wait_for_completion:
            raise ConfigError(
                "min_records, max_failed_ratio and on_empty look at a run that has ended, so they need "
                "wait_for_completion=True. Nothing was sent to mParticle."
            )

    def execute_after_other_run(
        self, context: Context, event: Any = None, waiting_since: float | None = None
    ) -> dict[str, Any]:
        """Resume when somebody else's run has ended, however it did: start ours now."""
        with failing_by_cause():
            _still_in_time(Outcome.from_event(event))
            # Airflow's dag.test() drops what was handed to defer().
            return self._start_and_wait(context, waiting_since=waiting_since or time.time())

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Resume when the run has ended, or the deadline has come."""
        with failing_by_cause():
            return self._conclude(context, Outcome.from_event(event))

    def on_kill(self) -> None:
        """Say what becomes of the run: mParticle documents no way to cancel one."""
        if self._pipeline_run_id is not None:
            self.log.warning(
                "Run %s of pipeline %r goes on in mParticle, which documents no way to cancel it. "
                "A retry of this task reattaches to it.",
                self._pipeline_run_id,
                self.pipeline_id,
            )

    def _start_and_wait(self, context: Context, waiting_since: float) -> dict[str, Any]:
        while (started := self._start(context)).move is Move.WAIT:
            self._wait_for_other_run(started.pipeline_run_id, waiting_since)
        if started.move is Move.COVERED and started.run:
            self.log.info("Run %s has read all that is asked for, so nothing is started.", started.pipeline_run_id)
            context["ti"].xcom_push(key="pipeline_run_id", value=started.pipeline_run_id)
            return started.run.as_dict()
        if started.move is Move.SKIP:
            raise AirflowSkipException(
                f"Pipeline {self.pipeline_id!r} has run {started.pipeline_run_id} in progress, and if_running='skip'."
            )
        self._pipeline_run_id = started.pipeline_run_id
        self.log.info("Run %s of pipeline %r is ours.", started.pipeline_run_id, self.pipeline_id)
        context["ti"].xcom_push(key="pipeline_run_id", value=started.pipeline_run_id)
        if not self.wait_for_completion:
            self._keep_finished(context)
            return PipelineRun(self.pipeline_id, started.pipeline_run_id).as_dict()
        deadline = self._deadline(min(started.intent.waiting_since or waiting_since, waiting_since))
        return self._conclude(context, self._wait(started.pipeline_run_id, deadline, "execute_complete"))

    def _start(self, context: Context) -> Started:
        start = self._new_start(context)
        started = drive(start.steps(), partial(self._carry_out, context), time.sleep)
        self._run_lengths = start.run_lengths_s
        return started

    def _carry_out(self, context: Context, step: Any) -> Any:
        return self._keep(context, step) if isinstance(step, Note) else self._hook.send(step)

    def _new_start(self, context: Context) -> Start:
        return Start(
            self.pipeline_id,
            self.if_running,
            max_tries=context["ti"].max_tries,
            clear_number=clears(context),
            now=time.time(),
            kept=self._kept(context),
            retry_since=self._retry_since(context),
            covers=self._covers(context),
            suffices=lambda run: self._gates.admit(run.as_dict()),
        )

    def _wait_for_other_run(self, pipeline_run_id: RunId, waiting_since: float) -> None:
        self.log.info("Pipeline %r has run %s in progress; waiting for its end.", self.pipeline_id, pipeline_run_id)
        outcome = self._wait(
            pipeline_run_id, self._deadline(waiting_since), "execute_after_other_run", waiting_since=waiting_since
        )
        _still_in_time(outcome)

    def _wait(self, pipeline_run_id: RunId, deadline: float, method_name: str, **kwargs: Any) -> Outcome:
        watch = Watch(Finder(self.pipeline_id, pipeline_run_id), deadline, time.time(), self._run_lengths)
        send = partial(self._hook.send, retry=False)
        if not self.deferrable:
            return drive(wait(watch, poll_interval_s=self.poll_interval, clock=time.time), send, time.sleep)
        # A task that defers and is resumed at once can be failed by the scheduler, so look once before.
        outcome, asked_pause_s = drive(watch.look(time.time), send, time.sleep)
        if outcome:
            return outcome
        from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger

        trigger = MParticlePipelineRunTrigger.after_look(
            self.mparticle_conn_id, watch, self.poll_interval, asked_pause_s
        )
        self.defer(trigger=trigger, method_name=method_name, kwargs=kwargs, timeout=backstop(deadline, time.time()))

    def _conclude(self, context: Context, outcome: Outcome) -> dict[str, Any]:
        run = outcome.result()
        self.log.info("Run %s of pipeline %r ended well: %s", run["pipeline_run_id"], self.pipeline_id, run)
        self._keep_finished(context)
        pass_gates(self._gates, run)
        return run

    @property
    def _gates(self) -> Gates:
        return Gates(self.min_records, self.max_failed_ratio, self.on_empty)

    def _covers(self, context: Context) -> datetime | None:
        if self.skip_if_covered in (False, "False", None):  # a template renders to text
            return None
        if self.skip_if_covered in (True, "True"):
            return window_end(context)
        return read_instant(self.skip_if_covered, "skip_if_covered")

    def _deadline(self, since: float) -> float:
        return deadline_of(since, self.timeout, self.execution_timeout)

    # What earlier tries noted, where Airflow has a task state store (3.3 and later)

    def _kept(self, context: Context) -> Intent | None:
        """Return what an earlier try has noted, if that counts for this one."""
        noted = self._noted(context)
        counts = noted and noted.counts_for(
            self.pipeline_id, self._identity(context), context["ti"].max_tries, clears(context)
        )
        return noted if counts else None

    def _noted(self, context: Context) -> Intent | None:
        store = context.get("task_state_store")
        stored: Any = store.get(INTENT_KEY) if store is not None else None
        return Intent.from_json(stored) if stored else None

    def _identity(self, context: Context) -> str | None:
        """Return what tells one run from another of the same pipeline, for a task that asks for one of many."""
        return None

    def _keep(self, context: Context, note: Note) -> None:
        if (store := context.get("task_state_store")) is None:
            return
        if note.intent:
            store.set(INTENT_KEY, note.intent.as_json())
        else:
            store.delete(INTENT_KEY)

    def _keep_finished(self, context: Context) -> None:
        """Keep the note, marked: the worker may die before Airflow hears of the end, and the task run again."""
        if intent := self._kept(context):
            self._keep(context, Note(replace(intent, clear_number=clears(context), is_finished=True)))

    def _retry_since(self, context: Context) -> datetime | None:
        """Return, where there is no store, the instant since which a manual run may be an earlier try's."""
        if context.get("task_state_store") is not None or context["ti"].try_number <= 1:
            return None
        began: datetime | None = context["dag_run"].start_date
        return began


def _still_in_time(outcome: Outcome) -> None:
    """Let somebody else's run end as it likes; only what keeps ours from starting counts."""
    if outcome.error and not isinstance(outcome.error, RunFailedError | RunLostError):
        raise outcome.error


def _one_of(name: str, value: object, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, not {value!r}. Nothing was sent to mParticle.")


def _positive(name: str, value: float) -> None:
    if value <= 0:
        raise ConfigError(f"{name} must be a positive number of seconds, not {value!r}. Nothing was sent.")
