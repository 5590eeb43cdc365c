"""Reading the runs of a pipeline page by page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.endpoints import RUNS_PER_PAGE
from airflow_provider_mparticle.client.errors import (
    InvalidRequestError,
    NotFoundError,
    ServerError,
    UnreadableAnswerError,
)
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.run_list import MOST_PAGES, recent_durations, runs_since
from airflow_provider_mparticle.runs.steps import drive

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("sizes", "pages"), [((0,), 1), ((99,), 1), ((100, 0), 2), ((100, 100, 30), 3)])
def test_runs_are_read_to_the_last_page(sizes, pages):
    """The order of mParticle's list is not documented, so the newest run may be on any page."""
    asked = []

    def page(call):
        asked.append(call.params["currentPage"])
        first = sum(sizes[: asked[-1] - 1])
        return [PipelineRun("orders", number) for number in range(first, first + sizes[asked[-1] - 1])]

    found = drive(runs_since("orders", NOW), page, lambda _: None)

    assert [*range(sum(sizes))] == [run.pipeline_run_id for run in found]
    assert [*range(1, pages + 1)] == asked


@given(st.integers(0, 260), st.integers(1, 100))
def test_no_run_is_lost_on_a_server_that_limits_the_size_of_its_pages(number, size):
    """How large a page may be is not documented. A task that does not see its run would start a second one."""
    runs = [PipelineRun("orders", one) for one in range(number)]

    def page(call):
        first = (call.params["currentPage"] - 1) * size
        return runs[first : first + size]

    assert runs == drive(runs_since("orders", NOW, past_short_pages=True), page, lambda _: None)


@given(st.integers(0, 260), st.integers(1, 100), st.sampled_from([NotFoundError("404"), InvalidRequestError("400")]))
def test_a_server_that_refuses_a_page_after_the_last_one_has_given_all_runs(number, size, refused):
    """Whether such a page is empty or an error is not documented either."""
    runs = [PipelineRun("orders", one) for one in range(number)]

    def page(call):
        first = (call.params["currentPage"] - 1) * size
        if first and first >= number:
            raise refused
        return runs[first : first + size]

    assert runs == drive(runs_since("orders", NOW, past_short_pages=True), page, lambda _: None)


def test_a_server_that_repeats_its_page_is_read_once_more_and_no_longer():
    """It is only assumed that mParticle supports paging."""
    same = [PipelineRun("orders", number) for number in range(100)]

    assert same == drive(runs_since("orders", NOW), lambda _: same, lambda _: None)


@given(st.lists(st.integers(0, 250), max_size=30), st.sets(st.integers(0, 250)))
def test_a_run_without_an_id_hides_no_other(numbers, without_id):
    """The id may have another name in mParticle's answers. A run in progress must be seen all the same."""
    runs = [
        PipelineRun("orders", None if number in without_id else number, started_on=NOW + timedelta(seconds=number))
        for number in dict.fromkeys(numbers)
    ]

    assert runs == drive(runs_since("orders", NOW), lambda _: runs, lambda _: None)


def test_a_page_of_runs_without_ids_that_is_repeated_ends_the_list():
    """As with ids, paging may not be supported."""
    same = [PipelineRun("orders", started_on=NOW + timedelta(seconds=number)) for number in range(RUNS_PER_PAGE)]
    pages = iter([same, same])

    assert same == drive(runs_since("orders", NOW), lambda _: next(pages), lambda _: None)


def test_the_durations_of_the_last_runs_take_one_request():
    """They only decide when to poll, so a hundred runs are enough."""
    asked = []
    run = PipelineRun("orders", 1, progress=Progress.SUCCEEDED, started_on=NOW, ended_on=NOW + timedelta(seconds=40))

    def page(call):
        asked.append((call.params["currentPage"], datetime.fromisoformat(call.params["startDate"])))
        return [run] * 100

    assert [40.0] == drive(recent_durations("orders", NOW), page, lambda _: None).seconds
    assert [(1, NOW - timedelta(days=7))] == asked


def test_durations_that_cannot_be_read_are_unknown():
    """Polling works without them."""

    def fail(_):
        raise ServerError("502")

    assert [] == drive(recent_durations("orders", NOW), fail, lambda _: None).seconds


def test_a_list_without_an_end_is_not_read_for_ever():
    """A server may answer each page with new runs. A task would hang, and a triggerer would run out of memory."""
    pages = iter(range(10 * MOST_PAGES))

    def send(call):
        first = next(pages) * RUNS_PER_PAGE
        return [PipelineRun("orders", first + number) for number in range(RUNS_PER_PAGE)]

    with pytest.raises(UnreadableAnswerError, match=r"more than 110,000 runs of pipeline 'orders'.*shorter range"):
        drive(runs_since("orders"), send, print)

    assert MOST_PAGES == next(pages)
