"""
When to look at a run again, and when to stop.

Everything here is pure. Waiting is a generator that yields the calls and pauses it wants and ends with an `Outcome`, so
that a task and the triggerer wait in the very same way.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from airflow_provider_mparticle.client.errors import MParticleError, NotFoundError
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.coverage import CoverageFinder
from airflow_provider_mparticle.finding import Finder
from airflow_provider_mparticle.outcome import Outcome, judge, judge_trouble
from airflow_provider_mparticle.steps import Pause, Steps

log = logging.getLogger(__name__)

# The first look again comes soon, for short runs; then the pauses grow up to the poll interval.
FIRST_PAUSE_S = 1.0
PAUSE_GROWTH = 1.5
# So that tasks which started together do not look together.
JITTER = 0.1

# Trouble is said at its first occurrence in a row, then at every tenth.
TROUBLE_SAID_EVERY = 10

# The trigger's own deadline comes first; Airflow's limit for a deferred task stands this much behind it.
BACKSTOP_S = 60.0


def pauses(poll_interval_s: float) -> Iterator[float]:
    """Yield the pauses between looks: short at first, growing up to *poll_interval_s*, each with a little jitter."""
    pause_s = min(FIRST_PAUSE_S, poll_interval_s)
    while True:
        yield pause_s * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - not for secrets
        pause_s = min(pause_s * PAUSE_GROWTH, poll_interval_s)


def wait(
    finder: Finder | CoverageFinder,
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

    finder: Finder | CoverageFinder
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
        return judge(self._last, clock(), self.deadline, self.finder.overdue), 0.0

    def _judge_trouble(self, error: MParticleError, now: float) -> Outcome | None:
        if not isinstance(error, NotFoundError):
            self.missing_since = None
        elif self.missing_since is None:
            self.missing_since = now
        missing_for_s = 0.0 if self.missing_since is None else now - self.missing_since
        outcome = judge_trouble(error, self._last, missing_for_s, now, self.deadline, self.finder.overdue)
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


def deadline_of(since: float, timeout_s: float, execution_timeout: timedelta | None) -> float:
    """Return when the shorter of the two limits is over, in seconds since the epoch."""
    limit_s = execution_timeout.total_seconds() if execution_timeout else timeout_s
    return since + min(timeout_s, limit_s)


def backstop(deadline: float, now: float) -> timedelta:
    """Return the time after which Airflow may end a deferred wait by itself, without a word about the run."""
    return timedelta(seconds=max(0.0, deadline - now) + BACKSTOP_S)


def as_epoch(instant: datetime | float) -> float:
    """Return an instant in seconds since the epoch; one without a zone is UTC."""
    if not isinstance(instant, datetime):
        return float(instant)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
