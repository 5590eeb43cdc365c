"""What Airflow tells of the earlier tries of a task, where it keeps no record of what they did (before 3.3)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.runs.own_runs import EarlierTries
from airflow_provider_mparticle.runs.run_matching import LATE_S, STARTS_WITHIN_S, Period
from airflow_provider_mparticle.tasks.task_context import clears, tries_in_database

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

# A try reaches its trigger request within so long, unless it waits for the run of others first: the worker has to
# import Airflow, log in and list the runs.
TRY_STARTS_WITHIN_S = 60.0


def earlier_tries(context: Context, operator: BaseOperator, *, now: float, may_wait_first: bool) -> EarlierTries | None:
    """
    Return when earlier tries of this task may have started a run; None if there were none since the last clear.

    :param now: The time, in seconds since the epoch.
    :param may_wait_first: Whether a try may start its run long after its own beginning.
    """
    ti: Any = context["ti"]
    first_try = ti.max_tries - (operator.retries or 0) + 1 if clears(context) else 1
    if ti.try_number <= first_try:
        return None
    if spans := tries_in_database(ti, first_try):
        periods = tuple(_period(start.timestamp(), end.timestamp(), may_wait_first) for start, end in spans)
        return EarlierTries(periods, ended=max(end.timestamp() for _, end in spans))
    began = getattr(ti, "start_date", None)
    delay_s = operator.retry_delay.total_seconds()
    ended = (began.timestamp() if began else now) - delay_s
    if first := _told_first_start(context):  # Airflow tells when a task that has been rescheduled started first
        return EarlierTries((_period(first.timestamp(), now, may_wait_first),), ended)
    began = context["dag_run"].start_date
    return EarlierTries((_bound(began.timestamp() if began else 0.0, now),), ended, are_known=False)


def _period(start: float, end: float, may_wait_first: bool) -> Period:
    sent = end if may_wait_first else min(end, start + TRY_STARTS_WITHIN_S)
    return Period(start, sent + STARTS_WITHIN_S, end + LATE_S)


def _bound(start: float, now: float) -> Period:
    """Return a period in which nothing is certain: a task starts no run before its DAG run does."""
    return Period(start, start - LATE_S, now)


def _told_first_start(context: Context) -> datetime | None:
    ask: Any = getattr(context["ti"], "get_first_reschedule_date", None)
    told: datetime | None = ask(context) if ask else None
    return told
