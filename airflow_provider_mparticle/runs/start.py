"""
Starting exactly one run: whether to start, to adopt a run, to wait for one, or to refuse.

mParticle's trigger call has no idempotency key. So what is known beforehand is noted, the note is kept where a later
try of the task finds it, and a start whose answer was lost is resolved by looking which run the note does not know.
`Start` is the generator that gathers, step by step, what `decision.decide` needs to know, and carries it out.
docs/explanation/exactly-once.md tells it in prose.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.errors import (
    MParticleError,
    NotFoundError,
    PipelineBusyError,
    StartAmbiguousError,
)
from airflow_provider_mparticle.client.models import PipelineRun, RunId, whole_second
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.coverage import any_run, covers, find_covering
from airflow_provider_mparticle.runs.poll_timing import RunDurations
from airflow_provider_mparticle.runs.run_list import runs_since
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.start_decision import Decision, IfRunning, StartState, TriggerState, decide
from airflow_provider_mparticle.runs.steps import Pause, Steps

log = logging.getLogger(__name__)

# Looks at the runs after a start whose answer was lost, and the pauses before each: a few over a few seconds.
LOOKUP_PAUSES_S = (0.2, 0.5, 1.0, 2.0)
# A start whose answer is lost every time is sent this often, each time only after the runs showed that none began.
STARTS = 3
# How far back runs are noted and compared. Their logical dates are mParticle's clock, this is ours.
NOTE_SPAN = timedelta(days=2)


@dataclass(frozen=True)
class StartRecord:
    """
    What a task notes before it starts a run, and keeps across its tries.

    :param known_run_ids: The runs that were there before: any other manual run is ours.
    :param max_tries: Airflow's ``max_tries`` of the task. A retry keeps it, a user's clear raises it.
    :param clear_number: How often something in the DAG run has been cleared.
    :param pipeline_run_id: Our run, once it is known.
    :param waiting_since: When the task began to wait for that run, in seconds since the epoch.
    :param is_finished: Whether the task has done its work; only Airflow has yet to hear of it.
    :param is_lost: Whether mParticle no longer knows the run, so that a clear starts another.
    :param window: Which slice of history the run is for, as an ISO 8601 interval; None for a run that is for none.
    """

    pipeline_id: str
    noted_at: float
    known_run_ids: tuple[str, ...] = ()
    max_tries: int = 0
    clear_number: int = 0
    pipeline_run_id: RunId | None = None
    waiting_since: float | None = None
    is_finished: bool = False
    is_lost: bool = False
    window: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return this as JSON for Airflow's task state store."""
        return {**asdict(self), "known_run_ids": list(self.known_run_ids)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> StartRecord:
        """Read back what an earlier try stored."""
        return cls(**{**stored, "known_run_ids": tuple(stored["known_run_ids"])})

    def counts_for(self, pipeline_id: str, window: str | None, max_tries: int, clear_number: int) -> bool:
        """
        Tell whether a retry of the same task asks, and not one that a user has cleared to get a fresh run.

        A finished task runs again because it was cleared, or because its worker died before Airflow heard of the
        end. A clear that also lowers the task's retries may keep ``max_tries``, but it raises ``clear_number``.
        A slice whose task failed may have a run that goes on all the same, so its note outlives a clear.
        """
        if (self.pipeline_id, self.window) != (pipeline_id, window):
            return False
        if self.is_finished and self.clear_number != clear_number:
            return False
        return self.max_tries == max_tries or (window is not None and not self.is_finished and not self.is_lost)


@dataclass(frozen=True)
class SaveRecord:
    """Keep this intent where a later try of the task finds it; None forgets it."""

    record: StartRecord | None


class RunLock(Protocol):
    """What must hold while a run starts: for a slice of history, that the data model holds the SQL of that slice."""

    @property
    def slice_id(self) -> str:
        """Identifies the slice: an ISO 8601 interval."""

    def check_available(self) -> Steps[Any]:
        """Read who holds the lock; raise an error if another task still needs it."""

    def acquire(self) -> Steps[None]:
        """Take the lock."""

    def verify(self) -> Steps[None]:
        """Check the lock once more, right before the run is triggered."""

    def is_still_held(self) -> Steps[bool]:
        """Check whether an earlier try of this task still holds the lock."""

    def reads(self, run: PipelineRun) -> bool:
        """Return whether a run can only have read this slice."""


@dataclass(frozen=True)
class StartResult:
    """
    What came of it: *run_id* is the run to wait for.

    :param move: ADOPT, or START for a run of our own; WAIT and SKIP name somebody else's run in progress; COVERED names
        a run that has done already what ours is for.
    """

    decision: Decision
    pipeline_run_id: RunId
    record: StartRecord
    run: PipelineRun | None = None


@dataclass
class RunStarter:
    """
    Starts one run of a pipeline, or finds the one that an earlier try of the same task started.

    :param kept: What an earlier try noted, if Airflow keeps such notes and the note counts for this try.
    :param retry_since: Where Airflow keeps no notes: for a retry, when the DAG run began, else None.
    :param claim: For a slice of history: what the pipeline's data model has to hold. Default: whatever it holds.
    :param covers: Start nothing if a run that succeeded covers this instant. Default: start in any case.
    :param suffices: Tells whether a run that covers it will do. Default: any will.
    """

    pipeline_id: str
    if_running: IfRunning
    max_tries: int
    clear_number: int
    now: float
    kept: StartRecord | None = None
    retry_since: datetime | None = None
    lock: RunLock | None = None
    covers: datetime | None = None
    accept: Callable[[PipelineRun], bool] = any_run
    _runs: list[PipelineRun] | None = field(default=None, init=False)
    _in_doubt: bool = field(default=False, init=False)  # whether a request of ours may have started a run

    def steps(self) -> Steps[StartResult]:
        """
        Yield calls, pauses and notes; end with the run to wait for.

        :raises PipelineBusyError: Somebody else's run is in progress and ``if_running`` is ``"fail"``.
        :raises StartAmbiguousError: It cannot be told whether mParticle started a run.
        :raises DataModelHeldError: Another slice still needs the data model. Nothing was changed.
        :raises MParticleError: mParticle refused the start, or nobody reached it.
        """
        decision, run = yield from self._first_decision()
        record = self.kept if self.kept and decision is Decision.ADOPT else self._new_record()
        if decision is not Decision.START:
            return (yield from self._finish(decision, run, record))
        if self.lock:
            yield from self.lock.acquire()
        yield SaveRecord(record)
        try:
            return (yield from self._send(record))
        except MParticleError:
            if not self._in_doubt:  # certainly nothing started: the next try has nothing to resolve
                yield SaveRecord(None)
            raise

    @property
    def run_durations_s(self) -> list[float] | None:
        """How long the runs took that were seen before the start, in seconds; None if nobody looked at any."""
        return None if self._runs is None else RunDurations(self._runs).seconds

    # What an earlier try, or somebody else, has done already

    def _first_decision(self) -> Steps[tuple[Decision, PipelineRun | None]]:
        if self.kept and self.kept.is_finished and self.kept.pipeline_run_id is not None:
            return Decision.ADOPT, PipelineRun(self.pipeline_id, self.kept.pipeline_run_id)
        if self.kept and self.kept.pipeline_run_id is not None:
            decision, run = decide(
                StartState(self.if_running, ours=(yield from self._known_run(self.kept.pipeline_run_id)))
            )
            if decision is Decision.ADOPT:
                log.info("An earlier try of this task started run %s; reattaching.", self.kept.pipeline_run_id)
                return decision, run
            log.info("The run of an earlier try failed, so this try starts a new one.")
        elif self.kept and (yield from self._may_be_found(self.kept)):
            log.info("An earlier try of this task may have started a run; looking for it.")
            decision, run = yield from self._resolve(self.kept, TriggerState.UNCERTAIN, is_retry=True)
            if decision is not Decision.START or self.covers is None:
                return decision, run
        if self.covers and (covering := (yield from find_covering(self.pipeline_id, self.covers, self.accept))):
            return Decision.COVERED, covering
        if self.lock:
            yield from self.lock.check_available()
        yield from self._read_runs(must=True)
        if covering := self._covering():  # it may have ended just now
            return Decision.COVERED, covering
        if self.retry_since and (ours := self._run_of_an_earlier_try(self.retry_since)):
            log.info("Run %s began during this DAG run; reattaching.", ours.pipeline_run_id)
            return Decision.ADOPT, ours
        return decide(StartState(self.if_running, in_progress=self._in_progress()))

    def _may_be_found(self, kept: StartRecord) -> Steps[bool]:
        """Tell whether the run that an earlier try may have started can be told from those of other slices."""
        if self.lock is None or (yield from self.lock.is_still_held()):
            return True
        if kept.max_tries == self.max_tries:
            raise self._ambiguous(None)
        log.warning(
            "An earlier try of this task may have started a run of pipeline %r; other slices have been synced since, "
            "so it cannot be told. The task was cleared, so it starts a new one.",
            self.pipeline_id,
        )
        return False

    def _known_run(self, run_id: RunId) -> Steps[PipelineRun]:
        """Return our run; while nobody knows it, the wait is what says so."""
        unseen = PipelineRun(self.pipeline_id, run_id)
        try:
            return (yield from RunLookup(self.pipeline_id, run_id).poll()) or unseen
        except NotFoundError:
            return unseen
        except MParticleError as error:
            if error.is_transient:
                return unseen
            raise

    # Sending the trigger request, and finding out what came of it

    def _send(self, record: StartRecord) -> Steps[StartResult]:
        for attempt in range(1, STARTS + 1):
            if self.lock:
                yield from self.lock.verify()
            trigger_state, run_id, error = yield from self._post()
            if run_id is not None:
                return (yield from self._keep(Decision.START, run_id, record))
            if trigger_state is TriggerState.NO:
                decision, run = yield from self._find_other_run()
            else:
                decision, run = yield from self._resolve(record, trigger_state, may_start=attempt < STARTS)
            if decision is not Decision.START:
                return (yield from self._finish(decision, run, record, error))
            log.info("mParticle shows no new run of pipeline %r, so it is triggered again.", self.pipeline_id)
        raise self._ambiguous(error)

    def _post(self) -> Steps[tuple[TriggerState, RunId | None, MParticleError | None]]:
        try:
            run_id: RunId | None = yield endpoints.trigger_pipeline(self.pipeline_id)
        except PipelineBusyError as error:
            return (TriggerState.BUSY if self._in_doubt else TriggerState.NO), None, error
        except MParticleError as error:
            self._in_doubt = self._in_doubt or error.may_have_executed
            if not self._in_doubt:
                raise
            log.warning("%s Looking at the runs of pipeline %r for what came of it.", error, self.pipeline_id)
            return TriggerState.UNCERTAIN, None, error
        self._in_doubt = True
        return TriggerState.ACCEPTED, run_id, None

    def _find_other_run(self) -> Steps[tuple[Decision, PipelineRun | None]]:
        """Look for the run that made the pipeline busy, a few times; it may be too new to be shown."""
        for pause_s in (0.0, *LOOKUP_PAUSES_S):
            yield Pause(pause_s)
            yield from self._read_runs(must=False)
            if run := self._in_progress():
                return decide(StartState(self.if_running, in_progress=run))
        return decide(StartState(self.if_running, in_progress=PipelineRun(self.pipeline_id)))

    def _resolve(
        self, record: StartRecord, trigger_state: TriggerState, *, is_retry: bool = False, may_start: bool = True
    ) -> Steps[tuple[Decision, PipelineRun | None]]:
        """Look at the runs, a few times if need be, until it is clear what came of our request."""
        seen = StartState(self.if_running, trigger_state, unknown=None, is_retry=is_retry, may_start=may_start)
        for attempts_left, pause_s in zip(reversed(range(len(LOOKUP_PAUSES_S))), LOOKUP_PAUSES_S, strict=True):
            yield Pause(pause_s)
            yield from self._read_runs(must=False)
            seen = replace(
                seen,
                unknown=None if self._runs is None else self._unknown(record),
                in_progress=self._in_progress(),
                may_check_again=attempts_left > 0,
            )
            decision, run = decide(seen)
            if decision is not Decision.CHECK_AGAIN:
                break
        return decision, run

    # Looking at the runs

    def _read_runs(self, *, must: bool) -> Steps[None]:
        """Read the latest runs: by listing, or by status where listing is not available."""
        self._runs = None
        since = datetime.fromtimestamp(self.now, UTC) - NOTE_SPAN
        try:
            try:
                self._runs = yield from runs_since(self.pipeline_id, since)
            except NotFoundError:
                latest = (yield endpoints.get_pipeline_status(self.pipeline_id)).latest_pipeline_run
                self._runs = [latest] if latest else []
        except NotFoundError:  # for a minute after its creation a pipeline's status answers 404
            self._runs = [] if must else None
        except MParticleError as error:
            if must or not error.is_transient:
                raise
            log.warning("%s", error)

    def _covering(self) -> PipelineRun | None:
        at = self.covers
        return next((run for run in self._runs or () if at and covers(run, at) and self.accept(run)), None)

    def _in_progress(self) -> PipelineRun | None:
        return next((run for run in self._runs or () if run.progress is Progress.UNDER_WAY), None)

    def _run_of_an_earlier_try(self, since: datetime) -> PipelineRun | None:
        """Return a manual run in progress; one of a slice has left its mark in the SQL, so it may have ended too."""
        began = whole_second(since)
        manual = [run for run in self._runs or () if _is_manual(run) and run.began and run.began >= began]
        if self.lock:
            ours = [run for run in manual if run.progress is not Progress.FAILED and self.lock.reads(run)]
        else:
            ours = [run for run in manual if run.progress is Progress.UNDER_WAY]
        return ours[0] if ours else None

    def _unknown(self, record: StartRecord) -> tuple[PipelineRun, ...]:
        unknown = [
            run for run in self._runs or () if _is_manual(run) and str(run.pipeline_run_id) not in record.known_run_ids
        ]
        return tuple(sorted(unknown, key=lambda run: run.began or datetime.max.replace(tzinfo=UTC)))

    # Endings

    def _new_record(self) -> StartRecord:
        known = tuple(str(run.pipeline_run_id) for run in self._runs or ())
        window = self.lock.slice_id if self.lock else None
        return StartRecord(self.pipeline_id, self.now, known, self.max_tries, self.clear_number, window=window)

    def _finish(
        self, decision: Decision, run: PipelineRun | None, record: StartRecord, error: MParticleError | None = None
    ) -> Steps[StartResult]:
        run_id = run.pipeline_run_id if run else None
        if decision is Decision.COVERED:
            return StartResult(decision, "" if run_id is None else run_id, record, run)
        if decision is Decision.SKIP:
            return (yield from self._leave(decision, "" if run_id is None else run_id, record))
        if decision is Decision.FAIL or (run_id is None and isinstance(error, PipelineBusyError)):
            raise self._busy(run_id, error)
        if decision is Decision.GIVE_UP or run_id is None:
            raise self._ambiguous(error)
        if decision is Decision.ADOPT:
            return (yield from self._keep(decision, run_id, record))
        return (yield from self._leave(decision, run_id, record))

    def _leave(self, decision: Decision, run_id: RunId, record: StartRecord) -> Steps[StartResult]:
        """Forget the note, since nothing of ours began: by it the run in progress would pass for ours later."""
        yield SaveRecord(None)
        return StartResult(decision, run_id, record)

    def _keep(self, decision: Decision, run_id: RunId, record: StartRecord) -> Steps[StartResult]:
        is_retry = record.max_tries == self.max_tries  # a clear begins to wait anew
        since = record.waiting_since if is_retry and record.waiting_since else self.now
        kept = replace(record, pipeline_run_id=run_id, waiting_since=since, max_tries=self.max_tries)
        yield SaveRecord(kept)
        return StartResult(decision, run_id, kept)

    def _busy(self, run_id: RunId | None, error: MParticleError | None) -> PipelineBusyError:
        which = "a run that it does not name" if run_id is None else f"run {run_id}"
        return PipelineBusyError(
            f"Pipeline {self.pipeline_id!r} already has {which} in progress, so this task started none. Wait for it "
            "with MParticlePipelineRunSensor, or pass if_running='wait', 'attach' or 'skip'.",
            status=error.status if error else None,
            reasons=error.reasons if error else (),
            pipeline_id=self.pipeline_id,
            pipeline_run_id=run_id,
        )

    def _ambiguous(self, error: MParticleError | None) -> StartAmbiguousError:
        return StartAmbiguousError(
            f"Pipeline {self.pipeline_id!r} was triggered, but it cannot be told whether a run began: "
            f"{error or 'mParticle gave no run id'} Look at the pipeline in mParticle. A retry of this task looks "
            "again before it starts anything; clearing it starts a new run.",
            status=error.status if error else None,
            reasons=error.reasons if error else (),
            pipeline_id=self.pipeline_id,
            may_have_executed=True,
        )


def _is_manual(run: PipelineRun) -> bool:
    """A run that mParticle's schedule started is never ours; where the type is not told, it may be."""
    return (run.type or "manual").lower() == "manual"
