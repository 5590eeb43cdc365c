"""The visible runs are read from the list, or from the status if there is no list."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from api_answers import Api

from airflow_provider_mparticle.client.errors import NotFoundError, PermissionDeniedError, ServerError
from airflow_provider_mparticle.client.models import PipelineRun, PipelineStatus
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
