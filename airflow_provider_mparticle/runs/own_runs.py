"""
Finds the runs that a task's own trigger requests may have started, among those that mParticle shows.

`run_matching` compares instants; this module adds what the task knows: its record, its earlier tries and its lock.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.coverage import any_run
from airflow_provider_mparticle.runs.run_lock import RunLock
from airflow_provider_mparticle.runs.run_matching import Matches, Period, find_matches, is_scheduled
from airflow_provider_mparticle.runs.start_record import StartRecord
from airflow_provider_mparticle.runs.visible_runs import VisibleRuns

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EarlierTries:
    """
    What Airflow knows of earlier tries of the same task, on a version that keeps no record of what they did.

    :param periods: When they may have started a run.
    :param ended: The latest instant at which the last of them may have ended, in seconds since the epoch.
    :param are_known: Whether Airflow says when each try began. If not, *periods* only sets limits. Default: it says so.
    """

    periods: tuple[Period, ...]
    ended: float
    are_known: bool = True


def find_own_runs(
    visible: VisibleRuns,
    record: StartRecord,
    earlier_tries: EarlierTries | None,
    lock: RunLock | None,
    skew_s: float | None,
) -> Matches | None:
    """
    Return which of the visible runs the requests of this task may have started; None if the runs could not be read.

    :param record: The requests, and the runs that existed before them.
    :param earlier_tries: For a retry where Airflow keeps no records: what it knows instead.
    :param lock: For a slice of history: the lock on the data model, which knows what a run has read.
    :param skew_s: How far mParticle's clock is ahead of Airflow's, in seconds; None if that is not known.
    """
    if visible.runs is None:
        return None
    new = [run for run in visible.runs if not record.knows(run)]
    tries = None if record.sent_at else earlier_tries
    if tries:
        if lock:  # the lock's mark says more than any instant
            return Matches(tuple(run for run in new if not is_scheduled(run) and lock.reads(run)))
        periods = tries.periods
    else:
        periods = tuple(map(Period.of_request, record.requests_at))
    found = find_matches(new, periods, skew_s, lock.may_have_read if lock else any_run)
    if tries and not tries.are_known:
        found = _without_ended(found)
    if not visible.has_list and not found.ours:  # the status shows one run, which may hide ours
        first = min((period.start for period in periods), default=0.0)
        return Matches(maybe=(*found.maybe, *(run for run in new if _began_after(run, first, skew_s))))
    return found


def _without_ended(found: Matches) -> Matches:
    """Leave out the runs that have ended: without a record, a run of this task looks like any other."""
    for run in found.maybe:
        if run.progress is not Progress.UNDER_WAY:
            log.warning(
                "Run %s of pipeline %r began and ended during this DAG run. This Airflow version keeps no record "
                "of earlier tries, so it is not known whether one of them started it; this try starts a new run.",
                run.pipeline_run_id,
                run.pipeline_id,
            )
    return Matches(found.ours, tuple(run for run in found.maybe if run.progress is Progress.UNDER_WAY))


def _began_after(run: PipelineRun, at: float, skew_s: float | None) -> bool:
    return run.started_on is None or run.started_on.timestamp() - (skew_s or 0.0) >= at
