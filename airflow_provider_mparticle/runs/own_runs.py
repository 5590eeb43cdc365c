"""
Finds the runs that a task's own trigger requests may have started, among those that mParticle shows.

`run_matching` compares instants; this module adds what the task knows: its record and its lock.
"""

from __future__ import annotations

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.runs.coverage import any_run
from airflow_provider_mparticle.runs.run_lock import RunLock
from airflow_provider_mparticle.runs.run_matching import Matches, find_matches
from airflow_provider_mparticle.runs.start_record import StartRecord
from airflow_provider_mparticle.runs.visible_runs import VisibleRuns


def find_own_runs(
    visible: VisibleRuns, record: StartRecord, lock: RunLock | None, skew_s: float | None
) -> Matches | None:
    """
    Return which of the visible runs the requests of this task may have started; None if the runs could not be read.

    :param record: The requests, and the runs that existed before them. It may come from a machine with another clock.
    :param lock: For a slice of history: the lock on the data model, which knows what a run may have read.
    :param skew_s: How far mParticle's clock is ahead of this machine's, in seconds; None if that is not known. It is
        only used for a record that does not say how far it was ahead of the clock of its requests.
    """
    skew_s = skew_s if record.skew_s is None else record.skew_s
    if visible.runs is None:
        return None
    new = [run for run in visible.runs if not record.knows(run)]
    found = find_matches(new, record.requests_at, skew_s, lock.may_have_read if lock else any_run)
    if not visible.has_list and not found.ours:  # the status shows one run, which may hide ours
        first = min(record.requests_at)
        return Matches(maybe=(*found.maybe, *(run for run in new if _began_after(run, first, skew_s))))
    return found


def _began_after(run: PipelineRun, at: float, skew_s: float | None) -> bool:
    return run.started_on is None or run.started_on.timestamp() - (skew_s or 0.0) >= at
