"""Which of the visible runs a task's own requests may have started."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.own_runs import find_own_runs
from airflow_provider_mparticle.runs.run_matching import Matches
from airflow_provider_mparticle.runs.start_record import StartRecord
from airflow_provider_mparticle.runs.visible_runs import VisibleRuns

SENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Without a start, only the record shows that the run is not ours.
OLD = PipelineRun("orders", 1, "triggered", "success", Progress.SUCCEEDED)
NEW = PipelineRun("orders", 2, "triggered", "running", started_on=SENT + timedelta(seconds=2))
# One request, sent when OLD was known.
RECORD = StartRecord("orders", SENT.timestamp()).with_known([OLD]).with_request(SENT.timestamp())


def visible(runs: list[PipelineRun] | None, *, has_list: bool = True) -> VisibleRuns:
    """Runs as they were last read."""
    seen = VisibleRuns("orders", runs)
    seen.has_list = has_list
    return seen


class Lock:
    """A lock on a data model that knows which runs cannot have read its slice."""

    def __init__(self, *others: PipelineRun) -> None:
        self._others = others

    def may_have_read(self, run: PipelineRun) -> bool:
        """Return whether the run may have read the slice."""
        return run not in self._others


def test_runs_that_could_not_be_read_are_unknown() -> None:
    """A task must not take them for no runs, and start a second one."""
    assert None is find_own_runs(visible(None), RECORD, None, 0.0)


def test_a_new_run_is_ours_and_a_recorded_one_is_not() -> None:
    """The record has the runs from before the request."""
    assert Matches(ours=(NEW,)) == find_own_runs(visible([OLD, NEW]), RECORD, None, 0.0)


def test_a_run_that_cannot_have_read_the_slice_is_not_ours() -> None:
    """It read other rows, so another task or user started it."""
    assert Matches() == find_own_runs(visible([NEW]), RECORD, Lock(NEW), 0.0)  # type: ignore[arg-type]  # it has only one method


@pytest.mark.parametrize("minutes", [5, None], ids=["later", "start unknown"])
def test_a_status_that_shows_a_later_run_may_hide_ours(minutes: int | None) -> None:
    """The status shows one run only."""
    later = replace(NEW, type="scheduled", started_on=SENT + timedelta(minutes=minutes) if minutes else None)

    assert Matches(maybe=(later,)) == find_own_runs(visible([later], has_list=False), RECORD, None, 0.0)
    assert Matches() == find_own_runs(visible([later]), RECORD, None, 0.0)


@given(st.integers(-200, 200), st.integers(-3600, 3600), st.booleans())
def test_the_clock_of_mparticle_makes_no_difference(delay_s: int, skew_s: int, has_list: bool) -> None:
    """A run and its request are compared on one clock."""

    def found(skew_s: int) -> tuple[bool, bool]:
        began = SENT + timedelta(seconds=delay_s + skew_s)
        runs = visible([replace(NEW, started_on=began)], has_list=has_list)
        matches = find_own_runs(runs, RECORD, None, skew_s)
        return bool(matches and matches.ours), bool(matches and matches.maybe)

    assert found(0) == found(skew_s)


@given(st.integers(-200, 200), *[st.integers(-3600, 3600)] * 3, st.booleans())
def test_the_clocks_of_the_machines_of_two_tries_make_no_difference(
    delay_s: int, mparticle_s: int, first_s: int, second_s: int, has_list: bool
) -> None:
    """The worker may die, and the next try may run on another machine, or its clock may be set between two requests."""

    def found(mparticle_s: int, first_s: int, second_s: int) -> tuple[bool, bool]:
        sent = SENT.timestamp() - 100, SENT.timestamp()
        record = (
            StartRecord("orders", sent[0] + first_s)
            .with_request(sent[0] + first_s, mparticle_s - first_s)
            .with_request(sent[1] + second_s, mparticle_s - second_s)
        )
        began = SENT + timedelta(seconds=delay_s + mparticle_s)
        seen = visible([replace(NEW, started_on=began)], has_list=has_list)
        matches = find_own_runs(seen, record, None, mparticle_s - first_s)
        return bool(matches and matches.ours), bool(matches and matches.maybe)

    assert found(0, 0, 0) == found(mparticle_s, first_s, second_s)
