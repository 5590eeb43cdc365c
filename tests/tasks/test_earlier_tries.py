"""What Airflow tells of earlier tries where it keeps no record of what they did."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from airflow_provider_mparticle.tasks import earlier_tries as module
from airflow_provider_mparticle.tasks.earlier_tries import TRY_STARTS_WITHIN_S, earlier_tries

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OPERATOR = SimpleNamespace(retries=3, retry_delay=timedelta(minutes=5))


def told(try_number=2, max_tries=3, clear_number=0, may_wait_first=False, first=None):
    ti = SimpleNamespace(
        try_number=try_number, max_tries=max_tries, start_date=NOW, get_first_reschedule_date=lambda _: first
    )
    dag_run = SimpleNamespace(start_date=NOW - timedelta(hours=1), clear_number=clear_number)
    context = {"ti": ti, "dag_run": dag_run}
    return earlier_tries(context, OPERATOR, now=NOW.timestamp(), may_wait_first=may_wait_first)


def test_a_first_try_has_none():
    """Nothing of this task can be there."""
    assert told(try_number=1) is None


def test_the_first_try_after_a_clear_has_none():
    """The user wants a new run, and earlier tries are another chapter."""
    assert told(try_number=5, max_tries=7, clear_number=1) is None


def test_an_airflow_that_tells_nothing_leaves_only_a_bound():
    """A task starts no run before its DAG run does, and a retry comes after its delay."""
    tries = told()

    (period,) = tries.periods
    assert not tries.are_known
    assert (NOW - timedelta(hours=1)).timestamp() == period.start
    assert period.end < period.start
    assert (NOW - timedelta(minutes=5)).timestamp() == tries.ended


@pytest.mark.parametrize("may_wait_first", [False, True])
def test_a_database_that_tells_of_tries_bounds_each(monkeypatch, may_wait_first):
    """A try starts its run early in its life, unless it waits for the run of others first."""
    began, ended = NOW - timedelta(hours=1), NOW - timedelta(minutes=10)
    monkeypatch.setattr(module, "tries_in_database", lambda *_: [(began, ended)])

    tries = told(may_wait_first=may_wait_first)

    (period,) = tries.periods
    latest = ended.timestamp() if may_wait_first else began.timestamp() + TRY_STARTS_WITHIN_S
    assert tries.are_known
    assert (began.timestamp(), latest) == (period.start, period.end - module.STARTS_WITHIN_S)
    assert ended.timestamp() == tries.ended
