"""
Starts exactly one run of a pipeline.

mParticle's trigger call has no idempotency key. So a task first stores a record of what it is about to do, for later
tries to read; and if the answer to a trigger request is lost, it reads the runs that mParticle shows to find out what
the request did. `RunStarter` gathers, step by step, what `start_decision.decide` needs to know, and carries out the
decision. docs/explanation/exactly-once.md explains the whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.errors import MParticleError, NotFoundError, PipelineBusyError
from airflow_provider_mparticle.client.models import PipelineRun, RunId
from airflow_provider_mparticle.client.retrying import OnRetry, Retries, do_nothing
from airflow_provider_mparticle.runs.coverage import LONGEST_INTERVAL, any_run, covers, find_covering
from airflow_provider_mparticle.runs.own_runs import find_own_runs
from airflow_provider_mparticle.runs.poll_timing import RunDurations
from airflow_provider_mparticle.runs.run_lock import RunLock
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.run_matching import LATE_S
from airflow_provider_mparticle.runs.start_decision import Decision, IfRunning, StartState, TriggerState, decide
from airflow_provider_mparticle.runs.start_errors import ambiguous_error, busy_error
from airflow_provider_mparticle.runs.start_record import SaveRecord, StartRecord
from airflow_provider_mparticle.runs.steps import Pause, SendOnce, Steps
from airflow_provider_mparticle.runs.visible_runs import VisibleRuns

log = logging.getLogger(__name__)

# The pauses before each read of the runs, after a trigger request whose answer was lost. mParticle may list a run up to
# a minute after its start, so the request is sent again only after all these pauses, about 90 s.
LOOKUP_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 30.0)
# With if_running="fail", the runs are read this often more to find the id of the other run, for the error message.
READS_FOR_A_NAME = 4
# A run's logical date may be the start of its interval, so from this read on, the list goes back the longest interval.
WIDE_FROM_READ = 3
# How often the trigger request is sent if its answer is lost each time, and the runs show each time that none began.
STARTS = 3
# A list may lack a run for a moment. So a retry starts a run only after this many reads have not shown one.
READS_WITHOUT_A_RUN = 3
# If the check between the record and the request takes longer, in seconds, the record gets the later time.
LONGEST_CHECK_S = 2.0
# How far back the runs before a start are read.
USUAL_SPAN = timedelta(days=2)


@dataclass(frozen=True)
class StartResult:
    """
    The run to wait for, and why.

    :param decision: ADOPT for a run that exists, START for a new one; WAIT and SKIP name another run in progress;
        COVERED names a run that has already done the work.
    :param pipeline_run_id: The run; empty if mParticle does not name it.
    :param record: What this try recorded about the start.
    :param run: The run as it was read, if the decision is COVERED.
    """

    decision: Decision
    pipeline_run_id: RunId
    record: StartRecord
    run: PipelineRun | None = None


@dataclass
class RunStarter:
    """
    Starts one run of a pipeline, or finds the run that an earlier try of the same task started.

    :param if_running: What to do if another run is in progress.
    :param max_tries: Airflow's ``max_tries`` of the task, which a retry keeps and a user's clear raises.
    :param clear_number: How often a user has cleared tasks of the DAG run.
    :param clock: Returns the time, in seconds since the epoch.
    :param skew_s: Returns how far mParticle's clock is ahead of *clock*, in seconds; None while that is not known.
    :param kept: The record of an earlier try, if it is valid for this try.
    :param lock: For a slice of history: the lock on the pipeline's data model. Default: none is needed.
    :param covers: Do not start a run if one that succeeded covers this instant. Default: start in any case.
    :param accept: Returns whether a run that covers the instant is good enough. Default: any run is.
    :param ended: Ids of other runs that this task has waited for and whose end it has seen. Default: none.
    :param on_retry: Called before a refused trigger request is sent again, with the call and the error.
    """

    pipeline_id: str
    if_running: IfRunning
    max_tries: int
    clear_number: int
    clock: Callable[[], float]
    skew_s: Callable[[], float | None] = lambda: None
    kept: StartRecord | None = None
    lock: RunLock | None = None
    covers: datetime | None = None
    accept: Callable[[PipelineRun], bool] = any_run
    ended: Collection[RunId] = ()
    on_retry: OnRetry = do_nothing
    _visible: VisibleRuns = field(init=False)
    _record: StartRecord = field(init=False)  # what this try has recorded, or is about to record

    def __post_init__(self) -> None:
        self._visible = VisibleRuns(self.pipeline_id, ended=self.ended)
        self._record = self.kept or self._new_record()

    def steps(self) -> Steps[StartResult]:
        """
        Yield calls, pauses and records; return the run to wait for.

        :raises PipelineBusyError: Another run is in progress and ``if_running`` is ``"fail"``.
        :raises StartAmbiguousError: It is not known whether a request of this task started a run.
        :raises DataModelHeldError: Another slice still needs the data model. Nothing was changed.
        :raises MParticleError: mParticle refused the start, or could not be reached.
        """
        try:
            decision, run = yield from self._first_decision()
        except NotFoundError as error:  # a 404 may be stray, and this error would end the task although it has a run
            if self.kept:
                raise ambiguous_error(self.pipeline_id, error) from error
            raise
        if decision is not Decision.START:
            return (yield from self._finish(decision, run))
        self._record = self._new_record()
        if self.lock:
            yield from self.lock.acquire()
        return (yield from self._send())

    @property
    def run_durations_s(self) -> list[float] | None:
        """How long the runs before the start took, in seconds; None if they were not read."""
        return None if self._visible.runs is None else RunDurations(self._visible.runs).seconds

    # Before the trigger request: the run of an earlier try, and runs of others

    def _first_decision(self) -> Steps[tuple[Decision, PipelineRun | None]]:
        kept = self.kept
        if kept and kept.pipeline_run_id is not None:
            ours = PipelineRun(self.pipeline_id, kept.pipeline_run_id)
            if not kept.is_finished:
                ours = yield from self._known_run(ours)
            decision, run = decide(StartState(self.if_running, ours=ours))
            if decision is Decision.ADOPT:
                log.info("An earlier try of this task started run %s; reattaching.", kept.pipeline_run_id)
                return decision, run
            log.info("Run %s of an earlier try failed, so this try starts a new one.", kept.pipeline_run_id)
        elif kept:
            log.info("An earlier try of this task may have started a run; looking for it, for up to %.0f s.", LATE_S)
            decision, run = yield from self._resolve(TriggerState.UNCERTAIN, is_retry=True)
            if decision is not Decision.START:
                return decision, run
        if self.covers and (covering := (yield from find_covering(self.pipeline_id, self.covers, self.accept))):
            return Decision.COVERED, covering
        if self.lock:
            yield from self.lock.check_available()
        yield from self._visible.read(self._since(), must=True)
        if covering := self._covering():  # it may have ended just now
            return Decision.COVERED, covering
        return decide(StartState(self.if_running, in_progress=self._visible.in_progress))

    def _known_run(self, unseen: PipelineRun) -> Steps[PipelineRun]:
        """Return this task's run as mParticle shows it, or *unseen*: if no route shows it, the wait reports that."""
        try:
            return (yield from RunLookup(self.pipeline_id, unseen.pipeline_run_id).poll()) or unseen
        except NotFoundError:
            return unseen
        except MParticleError as error:
            if error.is_transient:
                return unseen
            raise

    # The trigger request, and what it did

    def _send(self) -> Steps[StartResult]:
        attempt = 0
        while True:
            attempt += 1
            may_start = attempt < STARTS
            trigger_state, run_id, error = yield from self._request()
            is_new = not self._record.knows(PipelineRun(self.pipeline_id, run_id))
            if run_id is not None and is_new:
                return (yield from self._keep(Decision.START, run_id))
            if trigger_state is TriggerState.NO:
                decision, run = yield from self._find_other_run(may_start=may_start)
            else:
                decision, run = yield from self._resolve(trigger_state)
            if decision is Decision.GIVE_UP and run is None and run_id is not None:
                return (yield from self._keep(Decision.START, run_id))  # a run that began again under its id
            if decision is not Decision.START or not may_start:
                return (yield from self._finish(decision, run, error))
            log.info("mParticle shows no new run of pipeline %r, so it is triggered again.", self.pipeline_id)

    def _request(self) -> Steps[tuple[TriggerState, RunId | None, MParticleError | None]]:
        """
        Send the trigger request; send it again after a pause while it certainly started nothing.

        The driver does not do that, because each request needs its own time in the record: a pause may take minutes,
        and others may start a run in it.
        """
        call = endpoints.trigger_pipeline(self.pipeline_id)
        retries = Retries(call, self.on_retry)
        while True:
            yield from self._record_request()
            try:
                run_id: RunId | None = yield SendOnce(call)
            except MParticleError as error:
                if not error.may_have_executed:
                    yield from self._forget_request()
                if (pause_s := retries.pause_s(error)) is None:
                    return self._state_after(error), None, error
            else:
                return TriggerState.ACCEPTED, run_id, None
            yield Pause(pause_s)

    def _record_request(self) -> Steps[None]:
        """Save that a trigger request is about to be sent. For a slice, check its SQL after that."""
        self._record = self._record.with_request(self.clock(), self.skew_s())
        yield SaveRecord(self._record)
        try:
            if self.lock:
                yield from self.lock.verify()
        except MParticleError:
            yield from self._forget_request()
            raise
        if self.clock() - self._record.sent_at[-1] > LONGEST_CHECK_S:
            self._record = self._record.without_last_request().with_request(self.clock(), self.skew_s())
            yield SaveRecord(self._record)

    def _forget_request(self) -> Steps[None]:
        """Delete the last trigger request from the record: it certainly started nothing, so no try may look for it."""
        self._record = self._record.without_last_request()
        yield SaveRecord(self._record if self._record.sent_at else None)

    def _state_after(self, error: MParticleError) -> TriggerState:
        """Return what is known of this task's requests after the last one ended with *error*."""
        if isinstance(error, PipelineBusyError):
            return TriggerState.BUSY if self._record.sent_at else TriggerState.NO
        if not self._record.sent_at:
            raise error
        text = "%s Checking the runs of pipeline %r for what the request did, for up to %.0f s."
        log.warning(text, error, self.pipeline_id, LATE_S)
        return TriggerState.UNCERTAIN

    def _find_other_run(self, *, may_start: bool) -> Steps[tuple[Decision, PipelineRun | None]]:
        """Read the runs until they show the run in progress, for which mParticle refused the request."""
        pauses = LOOKUP_PAUSES_S[:READS_FOR_A_NAME] if self.if_running == "fail" else LOOKUP_PAUSES_S
        has_read = False
        for read, pause_s in enumerate((0.0, *pauses)):
            yield Pause(pause_s)
            yield from self._visible.read(self._since(is_wide=read >= WIDE_FROM_READ), must=False)
            if run := self._visible.in_progress:
                return decide(StartState(self.if_running, in_progress=run))
            has_read |= self._visible.runs is not None  # a read may be lost, also the last one
        if self.if_running != "fail" and may_start and has_read:
            return Decision.START, None  # the other run has ended
        # A run that mParticle does not name cannot be waited for.
        return Decision.SKIP if self.if_running == "skip" else Decision.FAIL, None

    def _resolve(
        self, trigger_state: TriggerState, *, is_retry: bool = False
    ) -> Steps[tuple[Decision, PipelineRun | None]]:
        """Read the runs until they show what this task's request did, or until mParticle must have listed its run."""
        is_held = (yield from self.lock.is_still_held()) if is_retry and self.lock else True
        pauses = ((0.0,) if is_retry else ()) + LOOKUP_PAUSES_S
        reads = 0
        for read, pause_s in enumerate(pauses):
            yield Pause(pause_s)
            yield from self._visible.read(self._since(is_wide=is_retry or read >= WIDE_FROM_READ), must=False)
            reads += self._visible.runs is not None  # a read may be lost
            decision, run = decide(
                StartState(
                    self.if_running,
                    trigger_state,
                    matches=find_own_runs(self._visible, self._record, self.lock, self.skew_s()),
                    in_progress=self._visible.in_progress,
                    is_retry=is_retry,
                    may_check_again=read < len(pauses) - 1 and not (is_retry and self._must_be_shown(reads)),
                )
            )
            if decision is not Decision.CHECK_AGAIN:
                break
        if decision is Decision.START and self._is_retry_of_record and not is_held:
            return Decision.GIVE_UP, run
        return decision, run

    @property
    def _is_retry_of_record(self) -> bool:
        """Whether an earlier try left a record, and no user has cleared the task since then."""
        return self.kept is not None and self.kept.max_tries == self.max_tries

    def _must_be_shown(self, reads: int) -> bool:
        """Return whether so much time has passed, and the runs were read so often, that they must show our run."""
        if self._visible.runs is None or reads < READS_WITHOUT_A_RUN:
            return False
        theirs, ours = self._record.skew_s, self.skew_s()
        # The clock of that try may be another, or mParticle's clock may have been set: the shorter time counts.
        set_s = 0.0 if theirs is None or ours is None else min(0.0, ours - theirs)
        return self.clock() + set_s - max(self._record.requests_at) > LATE_S

    def _since(self, *, is_wide: bool = False) -> datetime:
        """Return the earliest logical date of the runs to read."""
        skew_s = self.skew_s() if self._record.skew_s is None else self._record.skew_s
        at = min((*self._record.requests_at, self.clock())) + min(0.0, skew_s or 0.0)
        at = max(0.0, at)  # a Date header may name any year
        return datetime.fromtimestamp(at, UTC) - (LONGEST_INTERVAL if is_wide else USUAL_SPAN)

    def _covering(self) -> PipelineRun | None:
        at = self.covers
        return next((run for run in self._visible.runs or () if at and covers(run, at) and self.accept(run)), None)

    # Results

    def _new_record(self) -> StartRecord:
        slice_id = self.lock.slice_id if self.lock else None
        record = StartRecord(
            self.pipeline_id,
            self.clock(),
            max_tries=self.max_tries,
            clear_number=self.clear_number,
            slice_id=slice_id,
        )
        return record.with_known(self._visible.runs or ())

    def _finish(
        self, decision: Decision, run: PipelineRun | None, error: MParticleError | None = None
    ) -> Steps[StartResult]:
        run_id = run.pipeline_run_id if run else None
        if decision is Decision.COVERED:
            return StartResult(decision, "" if run_id is None else run_id, self._record, run)
        if decision is Decision.SKIP:
            return (yield from self._leave(decision, "" if run_id is None else run_id))
        has_sent = bool(self.kept or self._record.sent_at)
        if decision is Decision.FAIL or (run_id is None and (isinstance(error, PipelineBusyError) or not has_sent)):
            raise busy_error(self.pipeline_id, error, run)
        if decision is Decision.GIVE_UP or run_id is None:
            raise ambiguous_error(self.pipeline_id, error, run)
        if decision is Decision.ADOPT:
            return (yield from self._keep(decision, run_id))
        return (yield from self._leave(decision, run_id))

    def _leave(self, decision: Decision, run_id: RunId) -> Steps[StartResult]:
        """Delete the record, since this task has not started a run."""
        yield SaveRecord(None)
        return StartResult(decision, run_id, self._record)

    def _keep(self, decision: Decision, run_id: RunId) -> Steps[StartResult]:
        is_retry = self._record.max_tries == self.max_tries  # after a clear, the wait begins again
        since = self._record.waiting_since if is_retry and self._record.waiting_since else self.clock()
        kept = replace(self._record, pipeline_run_id=run_id, waiting_since=since, max_tries=self.max_tries)
        yield SaveRecord(kept)
        return StartResult(decision, run_id, kept)
