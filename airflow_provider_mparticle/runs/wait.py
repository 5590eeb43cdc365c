"""
Waits for a run: polls it until it ends or the deadline comes, and logs its states.

The wait is a generator that yields steps and ends with an `Outcome`, so that a task and the triggerer wait in the same
way. `poll_timing` computes when to poll.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs import poll_timing
from airflow_provider_mparticle.runs.coverage import CoverageLookup
from airflow_provider_mparticle.runs.log_lines import is_logged
from airflow_provider_mparticle.runs.outcome import Outcome, evaluate_error, evaluate_run
from airflow_provider_mparticle.runs.poll_timing import RunDurations
from airflow_provider_mparticle.runs.run_list import recent_durations
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.steps import FetchDurations, Pause, Poll, Steps

log = logging.getLogger(__name__)

# A poll at the deadline may take this long, so that a run that has just succeeded is not reported as a timeout.
LAST_POLL_S = 5.0

# Airflow's own limit for a deferred task comes this much later than the deadline of the trigger, which has a better
# message.
BACKSTOP_S = 60.0


def wait(
    monitor: RunMonitor, *, poll_interval_s: float, clock: Callable[[], float], retry_after_s: float | None = None
) -> Steps[Outcome]:
    """
    Wait until the monitored run ends or the deadline comes.

    If mParticle cannot be reached, the run has not failed: after a transient error the wait continues, and logs it
    rarely.

    :param poll_interval_s: Longest pause between two polls, in seconds.
    :param clock: Returns the time, in seconds since the epoch.
    :param retry_after_s: How long mParticle asked us to wait at a poll that has just been made, in seconds; the wait
        then begins with a pause. Default: no poll has been made.
    """
    if retry_after_s is not None:
        pause_s = poll_timing.jitter_down(monitor.pause_s(poll_interval_s, clock()))
        yield monitor.pause(pause_s, retry_after_s, clock())
    while True:
        outcome, retry_after_s = yield from monitor.poll(clock)
        if outcome:
            return outcome
        yield from monitor.fetch_durations()
        yield monitor.pause_after_poll(poll_interval_s, retry_after_s, clock())


def wait_briefly(
    monitor: RunMonitor, *, poll_interval_s: float, clock: Callable[[], float], within_s: float
) -> Steps[tuple[Outcome | None, float]]:
    """
    Poll, and poll again as long as the run is likely to end soon.

    :param poll_interval_s: Longest pause between two polls, in seconds.
    :param clock: Returns the time, in seconds since the epoch.
    :param within_s: How long to wait at most, in seconds, without the last poll.
    :return: What the last poll returned, see :meth:`RunMonitor.poll`.
    """
    until = clock() + within_s
    while True:
        outcome, retry_after_s = yield from monitor.poll(clock)
        now = clock()
        if outcome or not monitor.is_likely_to_end(now, until):
            return outcome, retry_after_s
        pause = monitor.pause_after_poll(poll_interval_s, retry_after_s, now)
        if now + pause.seconds > until:
            return None, retry_after_s
        yield pause


def wait_out_refusals(
    monitor: RunMonitor, *, pause_s: float, clock: Callable[[], float]
) -> Steps[tuple[Outcome | None, float]]:
    """
    Poll, and poll again as long as polls are refused, until one is answered or the refusal ends the wait.

    For a wait that remembers nothing between two polls: it cannot know for how long polls have been refused.

    :param pause_s: Pause between two polls, in seconds.
    :param clock: Returns the time, in seconds since the epoch.
    :return: What the last poll returned, see :meth:`RunMonitor.poll`.
    """
    while True:
        outcome, retry_after_s = yield from monitor.poll(clock)
        if outcome or monitor.refused_since is None:
            return outcome, retry_after_s
        yield monitor.pause(pause_s, retry_after_s, clock())


@dataclass
class RunMonitor:
    """
    Polls a run, and remembers between polls what must be logged or requested only once.

    :param lookup: Reads the run.
    :param deadline: When the wait ends in any case, in seconds since the epoch.
    :param began: When the run began, or else the wait, in seconds since the epoch.
    :param durations_s: How long the pipeline's last runs took, in seconds; None if they have not been read.
    :param polls: How many polls have been answered already.

    ``refused_since`` is since when every poll has been refused, in seconds since the epoch, or None.
    """

    lookup: RunLookup | CoverageLookup
    deadline: float
    began: float
    durations_s: Sequence[float] | None = None
    polls: int = 0
    refused_since: float | None = field(default=None, init=False)
    _last: PipelineRun = field(init=False)
    _failed_polls: int = 0

    def __post_init__(self) -> None:
        self._last = PipelineRun(self.lookup.pipeline_id, self.lookup.pipeline_run_id)

    def poll(self, clock: Callable[[], float]) -> Steps[tuple[Outcome | None, float]]:
        """Poll once; return the outcome, if there is one, and how many seconds mParticle asked us to wait."""
        try:
            within_s = max(LAST_POLL_S, self.deadline - clock())
            run = self.lookup.select((yield Poll(self.lookup, within_s)))
        except MParticleError as error:
            return self._evaluate_error(error, clock()), error.retry_after_s or 0.0
        self._log_state(run)
        self._last, self._failed_polls, self.refused_since = run or self._last, 0, None
        self.polls += 1
        self._update_start(clock())
        return evaluate_run(self._last, clock(), self.deadline, self.lookup.timeout_error), 0.0

    def timed_out(self) -> Outcome:
        """Return the outcome of a wait that ends now, before its deadline or not, with the run as it was last seen."""
        return Outcome(self._last.as_dict(), self.lookup.timeout_error(self._last, None))

    def fetch_durations(self) -> Steps[None]:
        """Read how long the last runs took, if that is not known when the second poll finds the run in progress."""
        if self.durations_s or self.polls < 2 or not isinstance(self.lookup, RunLookup):
            return
        if self._last.state is None:  # the run does not exist yet
            return
        pipeline_id, began = self.lookup.pipeline_id, datetime.fromtimestamp(self.began, UTC)
        ask = partial(recent_durations, pipeline_id, began) if self.durations_s is None else None
        learned: RunDurations | None = yield FetchDurations(pipeline_id, ask)
        self.durations_s = learned.seconds if learned else ()

    def pause_s(self, poll_interval_s: float, now: float) -> float:
        """Return how long to wait before the next poll, in seconds."""
        if isinstance(self.lookup, CoverageLookup):  # its run may not have begun yet
            return poll_interval_s
        return poll_timing.pause_s(poll_interval_s, now - self.began, self.durations_s or ())

    def is_likely_to_end(self, now: float, until: float) -> bool:
        """Return whether the run is expected to end between *now* and *until*, by the durations of the last runs."""
        if not self.durations_s:
            return False
        _, latest_s = poll_timing.expected_end(self.durations_s)
        return now < self.began + latest_s <= until

    def pause_after_poll(self, poll_interval_s: float, asked_s: float, now: float) -> Pause:
        """Return the pause between two polls."""
        pause_s = poll_timing.jitter(self.pause_s(poll_interval_s, now))
        return self.pause(min(poll_interval_s, pause_s), asked_s, now)

    def pause(self, seconds: float, asked_s: float, now: float) -> Pause:
        """Return a pause that is at least as long as mParticle asked for, but ends at the deadline at the latest."""
        left_s = max(0.0, self.deadline - now)
        return Pause(min(max(seconds, poll_timing.jitter_up(asked_s)), left_s), at_most=left_s)

    def _update_start(self, now: float) -> None:
        started = self._last.started_on.timestamp() if self._last.started_on else None
        if started is not None and started <= now:  # mParticle's clock may be ahead of ours
            self.began = started

    def _evaluate_error(self, error: MParticleError, now: float) -> Outcome | None:
        if error.is_transient:
            self.refused_since = None
        elif self.refused_since is None:
            self.refused_since = now
        outcome = evaluate_error(
            error,
            self._last,
            0.0 if self.refused_since is None else now - self.refused_since,
            now,
            self.deadline,
            self.lookup.timeout_error,
            is_answered=self.polls > 0,
        )
        if outcome is None:
            self._log_error(error)
        return outcome

    def _log_state(self, run: PipelineRun | None) -> None:
        if self._failed_polls:
            log.info("mParticle answers again after %d failed polls.", self._failed_polls)
        if run and run.state != self._last.state:
            # The end is logged elsewhere, with its reasons and counts. The state before a deferral is in the worker's
            # log: lines of a triggerer are costly, docs/how-to/scale.md.
            is_news = self._last.state is not None or self.polls == 0
            if is_news and run.progress is Progress.UNDER_WAY:
                log.info("Run %s is in state %r.", run.pipeline_run_id, run.state)
            if not run.is_state_known:
                log.warning(
                    "The state %r is unknown, so the run counts as in progress. The extra 'run_states' of the Airflow "
                    "connection can say what the state means.",
                    run.state,
                )

    def _log_error(self, error: MParticleError) -> None:
        self._failed_polls += 1
        if is_logged(self._failed_polls):
            log.warning("%s Still waiting (%d failed polls so far).", error, self._failed_polls)


def deadline_of(since: float, timeout_s: float, execution_timeout: timedelta | None) -> float:
    """Return when the shorter of the two limits ends, in seconds since the epoch."""
    limit_s = execution_timeout.total_seconds() if execution_timeout else timeout_s
    return since + min(timeout_s, limit_s)


def backstop(deadline: float, now: float) -> timedelta:
    """Return Airflow's own limit for a deferred wait: it ends the wait without a message about the run."""
    return timedelta(seconds=max(0.0, deadline - now) + BACKSTOP_S)
