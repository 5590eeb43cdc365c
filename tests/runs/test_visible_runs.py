"""The visible runs are read from the list, or from the status if there is no list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from api_answers import Api
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import NotFoundError, PermissionDeniedError, ServerError
from airflow_provider_mparticle.client.models import PipelineRun, PipelineStatus
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.steps import drive
from airflow_provider_mparticle.runs.visible_runs import VisibleRuns

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
RUN = PipelineRun("orders", 7)
MISSING = NotFoundError("404")


def mparticle_with(runs, status=MISSING):
    return Api(pipeline_runs=runs, pipeline_status=[status])


def read(visible, mparticle, *, must=True):
    drive(visible.read(SINCE, must=must), mparticle.send, lambda _: None)
    return visible.runs


STATES = {
    "running": (Progress.UNDER_WAY, True),
    "cancelled": (Progress.UNDER_WAY, False),
    "success": (Progress.SUCCEEDED, True),
    "failed": (Progress.FAILED, True),
}


def test_one_stray_404_does_not_hide_the_list():
    """The status shows one run, so old runs would look new later."""
    mparticle = mparticle_with([MISSING, [RUN]], PipelineStatus("orders"))

    assert [RUN] == read(VisibleRuns("orders"), mparticle)
    assert ["pipeline_runs"] * 2 == mparticle.asked


def test_each_try_requests_the_runs_of_this_pipeline_since_then():
    """A longer list costs more requests, and runs of other pipelines are not ours."""
    mparticle, calls = mparticle_with([MISSING, [RUN]]), []

    def send(call):
        calls.append(call)
        return mparticle.send(call)

    drive(VisibleRuns("orders").read(SINCE, must=True), send, lambda _: None)

    assert [("orders", "2026-03-01T00:00:00Z")] * 2 == [
        (call.ids["pipeline_id"], call.params["startDate"]) for call in calls
    ]


def test_a_list_that_answered_once_is_never_replaced_by_the_status():
    """The route exists, so its 404 says nothing about the runs."""
    mparticle = mparticle_with([[RUN], MISSING], PipelineStatus("orders"))
    visible = VisibleRuns("orders")
    read(visible, mparticle)

    assert read(visible, mparticle, must=False) is None
    with pytest.raises(NotFoundError):
        read(visible, mparticle)
    assert "pipeline_status" not in mparticle.asked


def test_without_a_list_the_status_is_read_and_at_once_from_then_on():
    """The run routes of v2 are assumed."""
    mparticle = mparticle_with([MISSING], PipelineStatus("orders", latest_pipeline_run=RUN))
    visible = VisibleRuns("orders")

    assert [RUN] == read(visible, mparticle)
    assert [RUN] == read(visible, mparticle)
    assert ["pipeline_runs"] * 2 + ["pipeline_status"] * 2 == mparticle.asked


def test_a_new_pipeline_that_answers_404_has_no_runs():
    """Its status answers 404 for a minute after it was created."""
    assert [] == read(VisibleRuns("orders"), mparticle_with([MISSING]))


def test_runs_that_cannot_be_read_are_unknown_and_not_none():
    """If unknown runs counted as none, a task would start a second run after a failed request."""
    visible = VisibleRuns("orders")

    assert read(visible, mparticle_with([ServerError("503")]), must=False) is None
    with pytest.raises(PermissionDeniedError):
        read(visible, mparticle_with([PermissionDeniedError("403")]), must=False)


@given(st.integers(1, 99))
def test_the_list_is_read_to_an_empty_page_only_where_a_run_is_looked_for(number):
    """A server may limit its pages to any size, and a run that is not seen would be started again."""
    first, last = [PipelineRun("orders", one) for one in range(number)], [PipelineRun("orders", 100)]

    assert first == read(VisibleRuns("orders"), mparticle_with([first, last, []]))
    assert [*first, *last] == read(VisibleRuns("orders"), mparticle_with([first, last, []]), must=False)


@given(st.permutations(range(4)), st.lists(st.sampled_from([*STATES]), max_size=3), st.sampled_from([*STATES]))
def test_a_run_in_an_unknown_state_is_over_when_a_later_one_began(order, before, last):
    """A run that a user cancelled would be in the way of every start, for ever."""
    runs = [
        PipelineRun(
            "orders",
            number,
            state=state,
            progress=STATES[state][0],
            is_state_known=STATES[state][1],
            started_on=SINCE + timedelta(hours=number),
        )
        for number, state in enumerate([*before, last])
    ]
    visible = VisibleRuns("orders")
    visible.runs = [runs[number] for number in order if number < len(runs)]

    in_progress = visible.in_progress
    if last == "cancelled" or "running" in (*before, last):
        assert in_progress in [run for run in runs if run.state == "running" or run is runs[-1]]
    else:
        assert in_progress is None


@given(st.lists(st.sampled_from([*STATES]), max_size=4), st.data())
def test_a_run_whose_end_is_known_is_not_in_progress_whatever_a_list_shows(states, data):
    """The list may be behind the route of one run, so a task would wait for its end again and again."""
    runs = [
        PipelineRun("orders", number, state=state, progress=STATES[state][0], is_state_known=STATES[state][1])
        for number, state in enumerate(states)
    ]
    ended = data.draw(st.sets(st.sampled_from(runs))) if runs else set()
    ids = [data.draw(st.sampled_from([run.pipeline_run_id, str(run.pipeline_run_id)])) for run in ended]
    others = [run for run in runs if run not in ended and run.progress is Progress.UNDER_WAY]

    assert (others or [None])[0] == VisibleRuns("orders", runs, ended=ids).in_progress


@pytest.mark.parametrize("started_on", [None, SINCE])
def test_a_run_in_an_unknown_state_that_may_be_the_last_one_is_in_progress(started_on):
    """mParticle may have a word for a run in progress that its documentation does not have."""
    run = PipelineRun("orders", 7, state="paused", is_state_known=False, started_on=started_on)
    visible = VisibleRuns("orders", [run, PipelineRun("orders", 8, progress=Progress.SUCCEEDED)])

    assert run == visible.in_progress
