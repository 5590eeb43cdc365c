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
from typing import Any

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
from airflow_provider_mparticle.runs.poll_timing import RunLengths
from airflow_provider_mparticle.runs.run_list import runs_since
from airflow_provider_mparticle.runs.run_lookup import Finder
from airflow_provider_mparticle.runs.start_decision import IfRunning, Move, Sent, Situation, decide
from airflow_provider_mparticle.runs.steps import Pause, Steps
from airflow_provider_mparticle.slices.data_model_lock import Claim

log = logging.getLogger(__name__)

# Looks at the runs after a start whose answer was lost, and the pauses before each: a few over a few seconds.
LOOK_PAUSES_S = (0.2, 0.5, 1.0, 2.0)
# A start whose answer is lost every time is sent this often, each time only after the runs showed that none began.
STARTS = 3
# How far back runs are noted and compared. Their logical dates are mParticle's clock, this is ours.
NOTE_SPAN = timedelta(days=2)


@dataclass(frozen=True)
class Intent:
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
    def from_json(cls, stored: Mapping[str, Any]) -> Intent:
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
class Note:
    """Keep this intent where a later try of the task finds it; None forgets it."""

    intent: Intent | None


@dataclass(frozen=True)
class Started:
    """
    What came of it: *run_id* is the run to wait for.

    :param move: ADOPT, or START for a run of our own; WAIT and SKIP name somebody else's run in progress; COVERED names
        a run that has done already what ours is for.
    """

    move: Move
    pipeline_run_id: RunId
    intent: Intent
    run: PipelineRun | None = None


@dataclass
class Start:
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
    kept: Intent | None = None
    retry_since: datetime | None = None
    claim: Claim | None = None
    covers: datetime | None = None
    suffices: Callable[[PipelineRun], bool] = any_run
    _runs: list[PipelineRun] | None = field(default=None, init=False)
    _in_doubt: bool = field(default=False, init=False)  # whether a request of ours may have started a run

    def steps(self) -> Steps[Started]:
        """
        Yield calls, pauses and notes; end with the run to wait for.

        :raises PipelineBusyError: Somebody else's run is in progress and ``if_running`` is ``"fail"``.
        :raises StartAmbiguousError: It cannot be told whether mParticle started a run.
        :raises DataModelHeldError: Another slice still needs the data model. Nothing was changed.
        :raises MParticleError: mParticle refused the start, or nobody reached it.
        """
        move, run = yield from self._first_move()
        intent = self.kept if self.kept and move is Move.ADOPT else self._intent()
        if move is not Move.START:
            return (yield from self._finish(move, run, intent))
        if self.claim:
            yield from self.claim.take()
        yield Note(intent)
        try:
            return (yield from self._send(intent))
        except MParticleError:
            if not self._in_doubt:  # certainly nothing started: the next try has nothing to resolve
                yield Note(None)
            raise

    @property
    def run_lengths_s(self) -> list[float] | None:
        """How long the runs took that were seen before the start, in seconds; None if nobody looked at any."""
        return None if self._runs is None else RunLengths(self._runs).seconds

    # What an earlier try, or somebody else, has done already

    def _first_move(self) -> Steps[tuple[Move, PipelineRun | None]]:
        if self.kept and self.kept.is_finished and self.kept.pipeline_run_id is not None:
            return Move.ADOPT, PipelineRun(self.pipeline_id, self.kept.pipeline_run_id)
        if self.kept and self.kept.pipeline_run_id is not None:
            move, run = decide(Situation(self.if_running, ours=(yield from self._known_run(self.kept.pipeline_run_id))))
            if move is Move.ADOPT:
                log.info("An earlier try of this task started run %s; reattaching.", self.kept.pipeline_run_id)
                return move, run
            log.info("The run of an earlier try failed, so this try starts a new one.")
        elif self.kept and (yield from self._may_be_found(self.kept)):
            log.info("An earlier try of this task may have started a run; looking for it.")
            move, run = yield from self._resolve(self.kept, Sent.UNCERTAIN, is_retry=True)
            if move is not Move.START or self.covers is None:
                return move, run
        if self.covers and (covering := (yield from find_covering(self.pipeline_id, self.covers, self.suffices))):
            return Move.COVERED, covering
        if self.claim:
            yield from self.claim.ask()
        yield from self._look(must=True)
        if covering := self._covering():  # it may have ended just now
            return Move.COVERED, covering
        if self.retry_since and (ours := self._run_of_an_earlier_try(self.retry_since)):
            log.info("Run %s began during this DAG run; reattaching.", ours.pipeline_run_id)
            return Move.ADOPT, ours
        return decide(Situation(self.if_running, in_progress=self._in_progress()))

    def _may_be_found(self, kept: Intent) -> Steps[bool]:
        """Tell whether the run that an earlier try may have started can be told from those of other slices."""
        if self.claim is None or (yield from self.claim.stands()):
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
            return (yield from Finder(self.pipeline_id, run_id).look()) or unseen
        except NotFoundError:
            return unseen
        except MParticleError as error:
            if error.is_passing:
                return unseen
            raise

    # Sending the trigger request, and finding out what came of it

    def _send(self, intent: Intent) -> Steps[Started]:
        for attempt in range(1, STARTS + 1):
            if self.claim:
                yield from self.claim.check()
            sent, run_id, error = yield from self._post()
            if run_id is not None:
                return (yield from self._keep(Move.START, run_id, intent))
            if sent is Sent.NO:
                move, run = yield from self._find_somebody()
            else:
                move, run = yield from self._resolve(intent, sent, may_start=attempt < STARTS)
            if move is not Move.START:
                return (yield from self._finish(move, run, intent, error))
            log.info("mParticle shows no new run of pipeline %r, so it is triggered again.", self.pipeline_id)
        raise self._ambiguous(error)

    def _post(self) -> Steps[tuple[Sent, RunId | None, MParticleError | None]]:
        try:
            run_id: RunId | None = yield endpoints.trigger_pipeline(self.pipeline_id)
        except PipelineBusyError as error:
            return (Sent.BUSY if self._in_doubt else Sent.NO), None, error
        except MParticleError as error:
            self._in_doubt = self._in_doubt or error.may_have_acted
            if not self._in_doubt:
                raise
            log.warning("%s Looking at the runs of pipeline %r for what came of it.", error, self.pipeline_id)
            return Sent.UNCERTAIN, None, error
        self._in_doubt = True
        return Sent.ACCEPTED, run_id, None

    def _find_somebody(self) -> Steps[tuple[Move, PipelineRun | None]]:
        """Look for the run that made the pipeline busy, a few times; it may be too new to be shown."""
        for pause_s in (0.0, *LOOK_PAUSES_S):
            yield Pause(pause_s)
            yield from self._look(must=False)
            if run := self._in_progress():
                return decide(Situation(self.if_running, in_progress=run))
        return decide(Situation(self.if_running, in_progress=PipelineRun(self.pipeline_id)))

    def _resolve(
        self, intent: Intent, sent: Sent, *, is_retry: bool = False, may_start: bool = True
    ) -> Steps[tuple[Move, PipelineRun | None]]:
        """Look at the runs, a few times if need be, until it is clear what came of our request."""
        seen = Situation(self.if_running, sent, unknown=None, is_retry=is_retry, may_start=may_start)
        for looks_left, pause_s in zip(reversed(range(len(LOOK_PAUSES_S))), LOOK_PAUSES_S, strict=True):
            yield Pause(pause_s)
            yield from self._look(must=False)
            seen = replace(
                seen,
                unknown=None if self._runs is None else self._unknown(intent),
                in_progress=self._in_progress(),
                may_look=looks_left > 0,
            )
            move, run = decide(seen)
            if move is not Move.LOOK_AGAIN:
                break
        return move, run

    # Looking at the runs

    def _look(self, *, must: bool) -> Steps[None]:
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
            if must or not error.is_passing:
                raise
            log.warning("%s", error)

    def _covering(self) -> PipelineRun | None:
        at = self.covers
        return next((run for run in self._runs or () if at and covers(run, at) and self.suffices(run)), None)

    def _in_progress(self) -> PipelineRun | None:
        return next((run for run in self._runs or () if run.progress is Progress.UNDER_WAY), None)

    def _run_of_an_earlier_try(self, since: datetime) -> PipelineRun | None:
        """Return a manual run in progress; one of a slice has left its mark in the SQL, so it may have ended too."""
        began = whole_second(since)
        manual = [run for run in self._runs or () if _is_manual(run) and run.began and run.began >= began]
        if self.claim:
            ours = [run for run in manual if run.progress is not Progress.FAILED and self.claim.reads(run)]
        else:
            ours = [run for run in manual if run.progress is Progress.UNDER_WAY]
        return ours[0] if ours else None

    def _unknown(self, intent: Intent) -> tuple[PipelineRun, ...]:
        unknown = [
            run for run in self._runs or () if _is_manual(run) and str(run.pipeline_run_id) not in intent.known_run_ids
        ]
        return tuple(sorted(unknown, key=lambda run: run.began or datetime.max.replace(tzinfo=UTC)))

    # Endings

    def _intent(self) -> Intent:
        known = tuple(str(run.pipeline_run_id) for run in self._runs or ())
        window = self.claim.window.isoformat() if self.claim else None
        return Intent(self.pipeline_id, self.now, known, self.max_tries, self.clear_number, window=window)

    def _finish(
        self, move: Move, run: PipelineRun | None, intent: Intent, error: MParticleError | None = None
    ) -> Steps[Started]:
        run_id = run.pipeline_run_id if run else None
        if move is Move.COVERED:
            return Started(move, "" if run_id is None else run_id, intent, run)
        if move is Move.SKIP:
            return (yield from self._leave(move, "" if run_id is None else run_id, intent))
        if move is Move.FAIL or (run_id is None and isinstance(error, PipelineBusyError)):
            raise self._busy(run_id, error)
        if move is Move.GIVE_UP or run_id is None:
            raise self._ambiguous(error)
        if move is Move.ADOPT:
            return (yield from self._keep(move, run_id, intent))
        return (yield from self._leave(move, run_id, intent))

    def _leave(self, move: Move, run_id: RunId, intent: Intent) -> Steps[Started]:
        """Forget the note, since nothing of ours began: by it the run in progress would pass for ours later."""
        yield Note(None)
        return Started(move, run_id, intent)

    def _keep(self, move: Move, run_id: RunId, intent: Intent) -> Steps[Started]:
        is_retry = intent.max_tries == self.max_tries  # a clear begins to wait anew
        since = intent.waiting_since if is_retry and intent.waiting_since else self.now
        kept = replace(intent, pipeline_run_id=run_id, waiting_since=since, max_tries=self.max_tries)
        yield Note(kept)
        return Started(move, run_id, kept)

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
            may_have_acted=True,
        )


def _is_manual(run: PipelineRun) -> bool:
    """A run that mParticle's schedule started is never ours; where the type is not told, it may be."""
    return (run.type or "manual").lower() == "manual"
