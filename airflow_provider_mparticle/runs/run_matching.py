"""
Which run did a trigger request start? What can be told from the instants of runs and requests. Pure.

mParticle does not say who started a run, so a run is matched by time: its start, on mParticle's clock, against the
instants at which this task sent requests, on Airflow's. The ``Date`` header of mParticle's answers tells how the two
clocks differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress

# A request that arrives starts its run within so long. Creating a connection takes mParticle up to 10 s.
STARTS_WITHIN_S = 10.0
# A request that is delayed on its way may arrive so much later; a run may be listed so long after its start.
LATE_S = 90.0
# The Date header has whole seconds, as instants of runs may have; a request is half-way when mParticle stamps it.
CLOCK_TOLERANCE_S = 2.0
# Without a Date header the two clocks are taken to agree within a minute.
UNKNOWN_CLOCK_TOLERANCE_S = 60.0

# The only type word that certainly does not name a triggered run; the other words are not documented.
SCHEDULED = "scheduled"


class Match(StrEnum):
    """Whether a run was started by one of a task's requests."""

    OURS = "ours"
    MAYBE = "maybe"
    NOT_OURS = "not ours"


@dataclass(frozen=True)
class Period:
    """
    A time, on Airflow's clock, in which this task may have started a run.

    :param start: Its beginning, in seconds since the epoch.
    :param end: Until when a run that begins is this task's.
    :param late: Until when a run that begins may be this task's.
    """

    start: float
    end: float
    late: float

    @classmethod
    def of_request(cls, sent_at: float) -> Period:
        """Return when a run begins that a request of that instant starts."""
        return cls(sent_at, sent_at + STARTS_WITHIN_S, sent_at + LATE_S)


def is_scheduled(run: PipelineRun) -> bool:
    """Return whether mParticle's own schedule started a run."""
    return (run.type or "").strip().lower() == SCHEDULED


def match(run: PipelineRun, periods: Sequence[Period], skew_s: float | None) -> Match:
    """
    Return whether a run that was not there before was started in one of the *periods*.

    :param skew_s: How far mParticle's clock is ahead of Airflow's, in seconds; None if that is not known.
    """
    if is_scheduled(run):
        return Match.NOT_OURS
    if run.started_on is None:  # nothing tells it from a run of this task
        return Match.OURS
    began = run.started_on.timestamp() - (skew_s or 0.0)
    tolerance_s = UNKNOWN_CLOCK_TOLERANCE_S if skew_s is None else CLOCK_TOLERANCE_S
    found = Match.NOT_OURS
    for period in periods:
        if period.start - tolerance_s <= began <= period.end + tolerance_s:
            return Match.OURS
        if period.start - tolerance_s <= began <= period.late + tolerance_s:
            found = Match.MAYBE
    return found


@dataclass(frozen=True)
class Matches:
    """The runs that may be a task's own; *maybe* leaves out those that failed, after which a task starts one anyway."""

    ours: tuple[PipelineRun, ...] = ()
    maybe: tuple[PipelineRun, ...] = ()


def find_matches(
    runs: Iterable[PipelineRun],
    periods: Sequence[Period],
    skew_s: float | None,
    accept: Callable[[PipelineRun], bool],
) -> Matches:
    """Return which of the *runs* that pass *accept* may have been started in one of the *periods*."""
    matched = [(run, match(run, periods, skew_s)) for run in runs if accept(run)]
    return Matches(
        tuple(run for run, how in matched if how is Match.OURS),
        tuple(run for run, how in matched if how is Match.MAYBE and run.progress is not Progress.FAILED),
    )
