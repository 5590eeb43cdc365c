"""
Computes the pause before the next poll of a run: long while the run is unlikely to end, short when it is likely to end.

The durations of the pipeline's last runs show when that is. benchmarks/polling.py compares this with fixed intervals.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress

# How many of the last runs count: enough to show how much durations vary, few enough to follow when they change.
RUNS_KEPT = 10

# Pauses as shares of the poll interval, for a pipeline whose durations are not known: three polls, then one poll per
# half interval. Without durations, fewer polls would only see the end later.
FIRST_PAUSES = (1 / 3, 2 / 3, 2 / 3)
STEADY_PAUSE = 1 / 2

# The end is expected between the shortest and the longest of the last durations, with this margin on both sides, as
# a share: a tenth, plus the second figure divided by the number of known runs.
MARGIN = 0.1
MARGIN_OF_ONE_RUN = 0.15
# With at least this many runs, the shortest and the longest count as outliers and are ignored.
RUNS_WITH_EXCEPTIONS = 5
# How often to poll while the end is expected: the more the durations vary, the longer the pauses. With 1.7, the end is
# seen sooner and with fewer requests than with a fixed pause of half the poll interval.
CLOSENESS = 1.7

# The share by which pauses vary at random, so that tasks that start together do not poll together.
JITTER = 0.05


def pause_s(poll_interval_s: float, elapsed_s: float, durations_s: Sequence[float] = ()) -> float:
    """
    Return how long to wait before the next poll of a run, in seconds, without jitter.

    :param poll_interval_s: Longest pause, in seconds.
    :param elapsed_s: For how long the run has been in progress, in seconds.
    :param durations_s: How long the pipeline's last runs took, in seconds. Default: not known.
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
    """Return the earliest and the latest age, in seconds, at which a run is expected to end, by the last durations."""
    ordered = sorted(durations_s)
    margin = MARGIN + MARGIN_OF_ONE_RUN / len(ordered)
    if len(ordered) >= RUNS_WITH_EXCEPTIONS:
        ordered = ordered[1:-1]
    return ordered[0] * (1 - margin), ordered[-1] * (1 + margin)


def _without_durations(poll_interval_s: float, elapsed_s: float) -> float:
    poll_at_s = 0.0
    for share in FIRST_PAUSES:
        pause = share * poll_interval_s
        poll_at_s += pause
        if elapsed_s < poll_at_s - pause / 2:  # jitter may bring a poll a little early: it counts as made
            return min(poll_interval_s, poll_at_s - elapsed_s)  # elapsed_s is negative if the clocks differ
    return STEADY_PAUSE * poll_interval_s


def jitter(seconds: float) -> float:
    """Return a little more or less."""
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - not for secrets


def jitter_up(seconds: float) -> float:
    """Return a little more: for what mParticle asked us to wait, so that not all tasks come back at the same moment."""
    return seconds * random.uniform(1, 1 + 2 * JITTER)  # noqa: S311 - not for secrets


def jitter_down(seconds: float) -> float:
    """Return up to half less, so that a thousand tasks that begin to wait together do not poll together."""
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - not for secrets


class RunDurations:
    """How long the last runs of one pipeline took, in seconds."""

    def __init__(self, runs: Iterable[PipelineRun] = ()) -> None:
        self._by_run: dict[str, float] = {}
        for run in sorted(runs, key=lambda run: run.began.timestamp() if run.began else 0.0):
            self.note(run)

    def note(self, run: PipelineRun, now: float | None = None) -> None:
        """
        Add a run, if it succeeded.

        :param now: When the run was first seen as ended, in seconds since the epoch; used if mParticle gives no end.
        """
        ended = run.ended_on.timestamp() if run.ended_on else now
        if run.progress is not Progress.SUCCEEDED or not run.started_on or ended is None:
            return
        if (duration_s := ended - run.started_on.timestamp()) > 0:
            self._by_run.setdefault(str(run.pipeline_run_id), duration_s)
            while len(self._by_run) > RUNS_KEPT:
                del self._by_run[next(iter(self._by_run))]

    @property
    def seconds(self) -> list[float]:
        """The durations, the oldest run first."""
        return [*self._by_run.values()]
