"""
What a run's state means to somebody who waits for it, and when to look again.

Everything here is pure. Waiting is a generator that yields the calls and pauses it wants and ends with an `Outcome`;
`drive` and `adrive` carry those steps out for tasks and for the triggerer, so both wait in the very same way.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import (
    MParticleError,
    NotFoundError,
    RunFailedError,
    RunLostError,
    RunTimeoutError,
    error_named,
)
from airflow_provider_mparticle.client.models import PipelineRun, RunId
from airflow_provider_mparticle.client.run_states import Progress

log = logging.getLogger(__name__)

T = TypeVar("T")

# For about a minute after a pipeline is created its status answers 404 (v1 reference). A run that stays missing
# for longer than this is lost.
MISSING_GRACE_S = 90.0

# The first look again comes soon, for short runs; then the pauses grow up to the poll interval.
FIRST_PAUSE_S = 1.0
PAUSE_GROWTH = 1.5
# So that tasks which started together do not look together.
JITTER = 0.1

# Trouble is said at its first occurrence in a row, then at every tenth.
TROUBLE_SAID_EVERY = 10


# The trigger's own deadline comes first; Airflow's limit for a deferred task stands this much behind it.
BACKSTOP_S = 60.0


@dataclass(frozen=True)
class Pause:
    """Wait for so long before the next step."""

    seconds: float


# What a wait asks of its driver: carry out a call, or pause.
Step = Call[Any] | Pause
Steps = Generator[Any, Any, T]


@dataclass(frozen=True)
class Outcome:
    """
    How a wait ended: *error* is None for a run that succeeded.

    As an event it travels from the triggerer to the task. It holds no secret, since events are stored and logged.
    """

    run: Mapping[str, Any]
    error: MParticleError | None = None

    def result(self) -> dict[str, Any]:
        """
        Return the run as a task returns it.

        :raises MParticleError: The wait ended otherwise than with a run that succeeded.
        """
        if self.error:
            raise self.error
        return dict(self.run)

    def as_event(self) -> dict[str, Any]:
        """Return this as JSON."""
        if self.error is None:
            return {"status": "success", "run": dict(self.run)}
        facts = {**self.error.facts(), "reasons": list(self.error.reasons)}
        return {
            "status": "error",
            "run": dict(self.run),
            "error": {"kind": type(self.error).__name__, "message": str(self.error), "facts": facts},
        }

    @classmethod
    def from_event(cls, event: Any) -> Outcome:
        """
        Read an event back.

        :raises MParticleError: The event is none of ours, so nothing is known about the run.
        """
        try:
            if event["status"] == "success":
                return cls(run=_success(event["run"]))
            if event["status"] == "error":
                error = event["error"]
                facts = {**error["facts"], "reasons": tuple(error["facts"]["reasons"])}
                return cls(run=event["run"], error=error_named(error["kind"])(error["message"], **facts))
        except (KeyError, TypeError, AttributeError) as cause:
            raise _not_ours(event) from cause
        raise _not_ours(event)


def _success(run: Mapping[str, Any]) -> Mapping[str, Any]:
    missing = {"pipeline_id", "pipeline_run_id", "state"} - run.keys()
    if missing:
        raise KeyError(*missing)
    return run


def _not_ours(event: Any) -> MParticleError:
    return MParticleError(
        f"The trigger sent an event that does not say how the run ended: {event!r}. The run itself is not touched; "
        "look at it in mParticle, then retry the task: it reattaches to its run and starts no other."
    )


def judge(run: PipelineRun, now: float, deadline: float) -> Outcome | None:
    """
    Say whether *run* ends the wait, and how; None means to wait on. The state word decides, never the end instant.

    :param now: The time, in seconds since the epoch.
    :param deadline: When the wait ends in any case, in seconds since the epoch.
    """
    if run.progress is Progress.SUCCEEDED:
        return Outcome(run.as_dict())
    if run.progress is Progress.FAILED:
        return Outcome(run.as_dict(), _failed(run))
    if now >= deadline:
        return Outcome(run.as_dict(), _timed_out(run))
    return None


def judge_trouble(
    error: MParticleError, last: PipelineRun, missing_for_s: float, now: float, deadline: float
) -> Outcome | None:
    """
    Say whether *error*, met on looking at the run, ends the wait; None means to wait on.

    :param last: What was last known of the run.
    :param missing_for_s: For how long mParticle has answered that there is no such run.
    """
    if isinstance(error, NotFoundError):
        if missing_for_s > MISSING_GRACE_S:
            return Outcome(last.as_dict(), error if last.pipeline_run_id is None else _lost(last, error))
    elif not error.is_passing:
        return Outcome(last.as_dict(), error)
    return Outcome(last.as_dict(), _timed_out(last, error)) if now >= deadline else None


def pauses(poll_interval_s: float) -> Iterator[float]:
    """Yield the pauses between looks: short at first, growing up to *poll_interval_s*, each with a little jitter."""
    pause_s = min(FIRST_PAUSE_S, poll_interval_s)
    while True:
        yield pause_s * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - not for secrets
        pause_s = min(pause_s * PAUSE_GROWTH, poll_interval_s)


@dataclass
class Finder:
    """
    Looks at one run, by whichever route answers.

    :param pipeline_run_id: The run to stay with; None adopts the pipeline's latest run as soon as it has one.
    :param as_of: Without a run id, adopt no run that began after this instant.
    """

    pipeline_id: str
    pipeline_run_id: RunId | None = None
    as_of: datetime | None = None
    _route: Callable[[RunId], Steps[PipelineRun]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._route = self._by_run

    def look(self) -> Steps[PipelineRun | None]:
        """
        Look once; None means that the pipeline has no run yet.

        :raises NotFoundError: No route knows the run now.
        """
        if self.pipeline_run_id is None:
            return (yield from self._latest())
        return (yield from self._route(self.pipeline_run_id))

    def _by_run(self, run_id: RunId) -> Steps[PipelineRun]:
        try:
            run: PipelineRun = yield endpoints.get_pipeline_run(self.pipeline_id, run_id)
        except NotFoundError:  # is it the run that is missing, or the route?
            run = yield from self._by_list_or_status(run_id)
        return run

    def _by_list_or_status(self, run_id: RunId) -> Steps[PipelineRun]:
        for name, route in (("list of runs", self._by_list), ("status", self._by_status)):
            try:
                run = yield from route(run_id)
            except NotFoundError as error:
                missing = error
                continue
            log.info("There is no route to one run of pipeline %r here; following its %s.", self.pipeline_id, name)
            self._route = route
            return run
        raise missing

    def _by_list(self, run_id: RunId) -> Steps[PipelineRun]:
        runs: list[PipelineRun] = yield endpoints.list_pipeline_runs(self.pipeline_id)
        for run in runs:
            if run.is_run(run_id):
                return run
        raise self._unknown(run_id, "mParticle's list of runs does not contain it")

    def _by_status(self, run_id: RunId) -> Steps[PipelineRun]:
        latest: PipelineRun | None = (yield endpoints.get_pipeline_status(self.pipeline_id)).latest_pipeline_run
        if latest is None or not latest.is_run(run_id):
            shown = f"run {latest.pipeline_run_id}" if latest else "no run"
            raise self._unknown(run_id, f"the pipeline's status shows {shown} instead")
        return latest

    def _latest(self) -> Steps[PipelineRun | None]:
        latest: PipelineRun | None = (yield endpoints.get_pipeline_status(self.pipeline_id)).latest_pipeline_run
        if latest and self._is_too_new(latest):
            runs: list[PipelineRun] = yield endpoints.list_pipeline_runs(self.pipeline_id, until=self.as_of)
            older = [run for run in runs if run.began and not self._is_too_new(run)]
            latest = max(older, key=lambda run: run.began or _LONG_AGO, default=None)
        if latest and latest.pipeline_run_id is not None:
            self.pipeline_run_id = latest.pipeline_run_id
            log.info("Waiting for run %s of pipeline %r.", self.pipeline_run_id, self.pipeline_id)
        return latest

    def _is_too_new(self, run: PipelineRun) -> bool:
        return bool(self.as_of and run.began and run.began > self.as_of)

    def _unknown(self, run_id: RunId, why: str) -> NotFoundError:
        return NotFoundError(
            f"Run {run_id} of pipeline {self.pipeline_id!r} is not to be found: {why}.",
            pipeline_id=self.pipeline_id,
            pipeline_run_id=run_id,
        )


_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def wait(
    finder: Finder,
    *,
    poll_interval_s: float,
    deadline: float,
    clock: Callable[[], float],
    asked_pause_s: float | None = None,
) -> Steps[Outcome]:
    """
    Wait until the finder's run ends, or the deadline comes.

    An unreachable API is not a failed run: a passing error keeps the wait going, said once and then rarely.

    :param poll_interval_s: Longest pause between two looks, in seconds.
    :param deadline: When the wait ends in any case, in seconds since the epoch.
    :param clock: Returns the time, in seconds since the epoch.
    :param asked_pause_s: What mParticle asked somebody to wait for who has just looked, so that a pause comes first.
        Default: nobody has looked.
    """
    watch = Watch(finder, deadline)
    rhythm = pauses(poll_interval_s)
    if asked_pause_s is not None:
        yield Pause(max(next(rhythm), min(asked_pause_s, deadline - clock())))
    while True:
        outcome, asked_pause_s = yield from watch.look(clock)
        if outcome:
            return outcome
        pause_s = max(next(rhythm), asked_pause_s)
        yield Pause(max(0.0, min(pause_s, deadline - clock())))


@dataclass
class Watch:
    """Looks at a run again and again, and remembers between looks what has to be said only once."""

    finder: Finder
    deadline: float
    missing_since: float | None = None
    _last: PipelineRun = field(init=False)
    _troubles: int = 0

    def __post_init__(self) -> None:
        self._last = PipelineRun(self.finder.pipeline_id, self.finder.pipeline_run_id)

    def look(self, clock: Callable[[], float]) -> Steps[tuple[Outcome | None, float]]:
        """Look once; return the outcome, if there is one, and how many seconds mParticle asked to wait for."""
        try:
            run = yield from self.finder.look()
        except MParticleError as error:
            return self._judge_trouble(error, clock()), error.retry_after_s or 0.0
        self._say_state(run)
        self._last, self._troubles, self.missing_since = run or self._last, 0, None
        return judge(self._last, clock(), self.deadline), 0.0

    def _judge_trouble(self, error: MParticleError, now: float) -> Outcome | None:
        if not isinstance(error, NotFoundError):
            self.missing_since = None
        elif self.missing_since is None:
            self.missing_since = now
        missing_for_s = 0.0 if self.missing_since is None else now - self.missing_since
        outcome = judge_trouble(error, self._last, missing_for_s, now, self.deadline)
        if outcome is None:
            self._say_trouble(error)
        return outcome

    def _say_state(self, run: PipelineRun | None) -> None:
        if self._troubles:
            log.info("mParticle answers again after %d looks in vain.", self._troubles)
        if run and run.state != self._last.state:
            log.info("Run %s of pipeline %r is %s.", run.pipeline_run_id, run.pipeline_id, run.state)
            if not run.is_state_known:
                log.warning(
                    "The state %r is not known here and taken for under way; the extra run_states of the Airflow "
                    "connection can say what it means.",
                    run.state,
                )

    def _say_trouble(self, error: MParticleError) -> None:
        self._troubles += 1
        if self._troubles == 1 or self._troubles % TROUBLE_SAID_EVERY == 0:
            log.warning("%s Waiting goes on (%d looks in vain so far).", error, self._troubles)


def drive(steps: Steps[T], send: Callable[[Call[Any]], Any], sleep: Callable[[float], object]) -> T:
    """Carry out the *steps* in this thread, and return what they end with."""
    answer: Any = None
    error: MParticleError | None = None
    while True:
        try:
            step = steps.throw(error) if error else steps.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result
        answer = error = None
        try:
            answer = sleep(step.seconds) if isinstance(step, Pause) else send(step)
        except MParticleError as raised:
            error = raised


async def adrive(
    steps: Steps[T], send: Callable[[Call[Any]], Awaitable[Any]], sleep: Callable[[float], Awaitable[object]]
) -> T:
    """Carry out the *steps* in this event loop, and return what they end with."""
    answer: Any = None
    error: MParticleError | None = None
    while True:
        try:
            step = steps.throw(error) if error else steps.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result
        answer = error = None
        try:
            answer = await (sleep(step.seconds) if isinstance(step, Pause) else send(step))
        except MParticleError as raised:
            error = raised


def deadline_of(since: float, timeout_s: float, execution_timeout: timedelta | None) -> float:
    """Return when the shorter of the two limits is over, in seconds since the epoch."""
    limit_s = execution_timeout.total_seconds() if execution_timeout else timeout_s
    return since + min(timeout_s, limit_s)


def backstop(deadline: float, now: float) -> timedelta:
    """Return the time after which Airflow may end a deferred wait by itself, without a word about the run."""
    return timedelta(seconds=max(0.0, deadline - now) + BACKSTOP_S)


def _failed(run: PipelineRun) -> RunFailedError:
    said = f", saying: {'; '.join(run.errors)}" if run.errors else ", without a reason"
    return RunFailedError(
        f"Run {run.pipeline_run_id} of pipeline {run.pipeline_id!r} ended as {run.state}{said} "
        f"({_counts(run)}). Correct the cause in mParticle or the warehouse, then clear or retry the task: "
        "it starts a new run.",
        reasons=run.errors,
        **_about(run),
    )


def _timed_out(run: PipelineRun, error: MParticleError | None = None) -> RunTimeoutError:
    last = f"its last known state is {run.state}" if run.state else "its state was never seen"
    trouble = f" The last look failed: {error}" if error else ""
    is_known = run.pipeline_run_id is not None
    which, ended = (f"Run {run.pipeline_run_id}", "had not ended") if is_known else ("No run", "had ended")
    return RunTimeoutError(
        f"{which} of pipeline {run.pipeline_id!r} {ended} at the deadline; {last}.{trouble} "
        "It goes on in mParticle, which documents no way to cancel it. To wait on for it, use "
        "MParticlePipelineRunSensor with this pipeline_run_id, or trigger with if_running='attach'.",
        status=error.status if error else None,
        **_about(run),
    )


def _lost(run: PipelineRun, error: NotFoundError) -> RunLostError:
    return RunLostError(
        f"mParticle has not known run {run.pipeline_run_id} of pipeline {run.pipeline_id!r} for more than "
        f"{MISSING_GRACE_S:.0f} s, so its outcome cannot be told. {error} "
        "Look at the pipeline in mParticle; clear the task to start a new run.",
        status=error.status,
        reasons=error.reasons,
        **_about(run),
    )


def _about(run: PipelineRun) -> dict[str, Any]:
    return {
        "pipeline_id": run.pipeline_id,
        "pipeline_run_id": run.pipeline_run_id,
        "state": run.state,
        "successful_records": run.successful_records,
        "failed_records": run.failed_records,
    }


def _counts(run: PipelineRun) -> str:
    known = {"succeeded": run.successful_records, "failed": run.failed_records}
    return ", ".join(f"{'unknown' if n is None else n} records {how}" for how, n in known.items())


def as_epoch(instant: datetime | float) -> float:
    """Return an instant in seconds since the epoch; one without a zone is UTC."""
    if not isinstance(instant, datetime):
        return float(instant)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
