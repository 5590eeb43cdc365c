"""
Compares runs with trigger requests by time, to find the run that a request started.

mParticle does not say who started a run. So the start of a run, on mParticle's clock, is compared with the instants at
which this task sent requests, on Airflow's clock. The ``Date`` header of mParticle's answers shows how the two clocks
differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress

# A request that has arrived starts its run within this time. mParticle takes up to 10 s to create a connection.
STARTS_WITHIN_S = 10.0
# A request may be delayed in the network by this much, and a run may be listed this long after its start.
LATE_S = 90.0
# The Date header has whole seconds, and so may the instants of runs. mParticle sets it while it handles the request.
CLOCK_TOLERANCE_S = 2.0
# Without a Date header the two clocks are assumed to agree within a minute.
UNKNOWN_CLOCK_TOLERANCE_S = 60.0
# The reads before a request certainly show runs whose logical date is less than this before it.
SHOWN_BEFORE_S = 86_400.0

# The only run type that is certainly not that of a triggered run; the other types are not documented.
SCHEDULED = "scheduled"


class Match(StrEnum):
    """Whether a run was started by one of a task's requests."""

    OURS = "ours"
    MAYBE = "maybe"
    NOT_OURS = "not ours"


def is_scheduled(run: PipelineRun) -> bool:
    """Return whether mParticle's own schedule started the run."""
    return (run.type or "").strip().lower() == SCHEDULED


def match(run: PipelineRun, requests_at: Sequence[float], skew_s: float | None) -> Match:
    """
    Return whether one of a task's requests started a new run.

    :param requests_at: When the requests were sent, on Airflow's clock, in seconds since the epoch.
    :param skew_s: How far mParticle's clock is ahead of Airflow's, in seconds; None if that is not known.
    """
    if is_scheduled(run):
        return Match.NOT_OURS
    tolerance_s = UNKNOWN_CLOCK_TOLERANCE_S if skew_s is None else CLOCK_TOLERANCE_S
    if run.started_on is None:
        return _match_without_start(run, min(requests_at) + (skew_s or 0.0) - tolerance_s)
    began = run.started_on.timestamp() - (skew_s or 0.0)
    # The delay after the last request before the run; after no request it is infinite.
    delay_s = min((began - sent_at for sent_at in requests_at if began - sent_at >= -tolerance_s), default=math.inf)
    if delay_s <= STARTS_WITHIN_S + tolerance_s:
        return Match.OURS
    return Match.MAYBE if delay_s <= LATE_S + tolerance_s else Match.NOT_OURS


def _match_without_start(run: PipelineRun, requested_at: float) -> Match:
    """
    Return whether a new run is ours if mParticle does not say when it started.

    :param requested_at: When the first request was sent, on mParticle's clock, in seconds since the epoch.
    """
    if run.progress is Progress.UNDER_WAY:  # before the request no run was in progress
        return Match.OURS
    if run.ended_on:
        return Match.OURS if run.ended_on.timestamp() >= requested_at else Match.NOT_OURS
    # The reads before the request showed all runs of the last days, but not a run with an earlier logical date.
    is_new = run.logical_date is not None and run.logical_date.timestamp() >= requested_at - SHOWN_BEFORE_S
    return Match.OURS if is_new else Match.MAYBE


@dataclass(frozen=True)
class Matches:
    """
    The runs that a task's requests may have started.

    :param ours: Runs that the task certainly started, as far as instants show.
    :param maybe: Runs that it may have started. Failed runs are left out: after them the task starts a new run anyway.
    """

    ours: tuple[PipelineRun, ...] = ()
    maybe: tuple[PipelineRun, ...] = ()


def find_matches(
    runs: Iterable[PipelineRun],
    requests_at: Sequence[float],
    skew_s: float | None,
    accept: Callable[[PipelineRun], bool],
) -> Matches:
    """Return which of the *runs* that *accept* accepts may have been started by one of a task's requests."""
    matched = [(run, match(run, requests_at, skew_s)) for run in runs if accept(run)]
    return Matches(
        tuple(run for run, how in matched if how is Match.OURS),
        tuple(run for run, how in matched if how is Match.MAYBE and run.progress is not Progress.FAILED),
    )
