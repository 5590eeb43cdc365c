"""
When to look at a run again: seldom while it is not likely to end, often when it is. Pure.

How likely that is, the pipeline's last runs tell. benchmarks/polling.py holds the rhythm against fixed clocks.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress

# So many of the last runs count: enough to see how much they differ, few enough to forget how it was last year.
RUNS_KEPT = 10

# Shares of the poll interval. Nothing is known of a run: three looks, then a steady pace of half
# the interval. No rhythm that knows nothing can ask less often than a clock of that pace and see the end sooner.
FIRST_PAUSES = (1 / 3, 2 / 3, 2 / 3)
STEADY_PAUSE = 1 / 2

# The end is expected between the shortest and the longest of the last runs, and this much around: a tenth, and more
# where few runs are known.
MARGIN = 0.1
MARGIN_OF_ONE_RUN = 0.15
# From so many runs on, the shortest and the longest are taken for exceptions.
RUNS_WITH_EXCEPTIONS = 5
# How closely to look while the end is expected: the wider the time in which it may come, beside the length of a run,
# the longer the pauses. With 1.7, both lateness and requests stay below those of a clock of half the poll interval.
CLOSENESS = 1.7

# So that tasks which started together do not look together.
JITTER = 0.05


def pause_s(poll_interval_s: float, elapsed_s: float, durations_s: Sequence[float] = ()) -> float:
    """
    Return how long to wait before the next look at a run, in seconds, without jitter.

    :param poll_interval_s: Longest pause.
    :param elapsed_s: For how long the run has been under way.
    :param lengths_s: How long the pipeline's last runs took.
    """
    if durations_s:
        earliest_s, latest_s = expected_end(durations_s)
        if elapsed_s < latest_s:
            width_s = latest_s - earliest_s
            mean_s = sum(durations_s) / len(durations_s)
            close_s = min(poll_interval_s * width_s / (width_s + CLOSENESS * mean_s), width_s / 3)
            return min(poll_interval_s, close_s + max(0.0, earliest_s - elapsed_s))
    return _without_durations(poll_interval_s, elapsed_s)


def expected_end(durations_s: Sequence[float]) -> tuple[float, float]:
    """Return between which ages, in seconds, a run is expected to end, if the last ones took so long."""
    ordered = sorted(durations_s)
    margin = MARGIN + MARGIN_OF_ONE_RUN / len(ordered)
    if len(ordered) >= RUNS_WITH_EXCEPTIONS:
        ordered = ordered[1:-1]
    return ordered[0] * (1 - margin), ordered[-1] * (1 + margin)


def _without_durations(poll_interval_s: float, elapsed_s: float) -> float:
    look_at_s = 0.0
    for share in FIRST_PAUSES:
        pause = share * poll_interval_s
        look_at_s += pause
        if elapsed_s < look_at_s - pause / 2:  # a look that comes a little early is the one that was meant
            return min(poll_interval_s, look_at_s - elapsed_s)  # a clock may say that the run has yet to begin
    return STEADY_PAUSE * poll_interval_s


def jitter(seconds: float) -> float:
    """Return about as many seconds."""
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - not for secrets


def jitter_up(seconds: float) -> float:
    """Return at least so many seconds: what mParticle asked to wait for, and a little so as not to crowd in then."""
    return seconds * random.uniform(1, 1 + 2 * JITTER)  # noqa: S311 - not for secrets


def jitter_down(seconds: float) -> float:
    """Return at most so many seconds, so that a thousand who begin to wait at once do not look at once."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - not for secrets


class RunDurations:
    """How long the last runs of one pipeline took, in seconds."""

    def __init__(self, runs: Iterable[PipelineRun] = ()) -> None:
        self._by_run: dict[str, float] = {}
        for run in sorted(runs, key=lambda run: run.began.timestamp() if run.began else 0.0):
            self.note(run)

    def note(self, run: PipelineRun, now: float | None = None) -> None:
        """
        Note a run, if it succeeded.

        :param now: When it was seen to have ended, in seconds since the epoch, where mParticle does not tell the end.
        """
        ended = run.ended_on.timestamp() if run.ended_on else now
        if run.progress is not Progress.SUCCEEDED or not run.started_on or ended is None:
            return
        if (length_s := ended - run.started_on.timestamp()) > 0:
            self._by_run.setdefault(str(run.pipeline_run_id), length_s)
            while len(self._by_run) > RUNS_KEPT:
                del self._by_run[next(iter(self._by_run))]

    @property
    def seconds(self) -> list[float]:
        """The lengths, the oldest run first."""
        return [*self._by_run.values()]
