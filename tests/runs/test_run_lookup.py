"""Reading one run of a pipeline, through the routes that answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from api_answers import Api, status
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.endpoints import RUNS_PER_PAGE
from airflow_provider_mparticle.client.errors import NoAnswerError, NotFoundError, RateLimitedError, ServerError
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.run_lookup import RunLookup

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUNNING = PipelineRun("orders", 7, state="running", logical_date=NOON)
DONE = replace(RUNNING, state="success", progress=Progress.SUCCEEDED, successful_records=10)
MISSING = NotFoundError("no such run", status=404)
AWAY = ServerError("503", status=503)
TRANSIENT = [AWAY, NoAnswerError("reset"), RateLimitedError("429")]
OTHERS = st.lists(st.integers(1, 20).filter(lambda number: number != 7), max_size=5, unique=True)


def test_a_run_is_asked_for_by_its_id():
    """One request for each poll."""
    api = Api(pipeline_run=[RUNNING])

    assert RUNNING == api.poll(RunLookup("orders", 7))
    assert ["pipeline_run"] == api.asked


def test_a_missing_route_to_one_run_is_replaced_by_the_list_for_good():
    """The run routes of v2 are assumed; the wrong route is tried only once."""
    api = Api(pipeline_run=[MISSING], pipeline_runs=[[replace(RUNNING, pipeline_run_id=8), DONE]])
    lookup = RunLookup("orders", "7")

    found = [api.poll(lookup), api.poll(lookup)]

    assert [DONE, DONE] == found
    assert ["pipeline_run", "pipeline_runs", "pipeline_runs"] == api.asked


def test_missing_run_routes_are_replaced_by_the_status_for_good():
    """Every version has this route."""
    api = Api(pipeline_run=[MISSING], pipeline_runs=[MISSING], pipeline_status=[status(RUNNING)])
    lookup = RunLookup("orders", 7)

    found = [api.poll(lookup), api.poll(lookup)]

    assert [RUNNING, RUNNING] == found
    assert ["pipeline_run", "pipeline_runs", "pipeline_status", "pipeline_status"] == api.asked


def test_a_route_that_a_stray_404_led_away_from_is_tried_again():
    """Otherwise a later run of others would hide ours for good, although mParticle has a route for it."""
    other = replace(DONE, pipeline_run_id=8)
    api = Api(
        pipeline_run=[RUNNING, MISSING, DONE], pipeline_runs=[MISSING], pipeline_status=[status(RUNNING), status(other)]
    )
    lookup = RunLookup("orders", 7)

    polled = [api.poll(lookup), api.poll(lookup)]
    with pytest.raises(NotFoundError, match="shows run 8 instead"):
        api.poll(lookup)

    assert [RUNNING, RUNNING] == polled
    assert DONE == api.poll(lookup)


@pytest.mark.parametrize("shown", [None, replace(DONE, pipeline_run_id=8)], ids=["no run", "another run"])
def test_a_status_without_our_run_does_not_find_it(shown):
    """The latest run by logical date may be another run, whose end is not the end of ours."""
    api = Api(pipeline_run=[MISSING], pipeline_runs=[[]], pipeline_status=[status(shown)])

    with pytest.raises(NotFoundError, match=r"Run 7 .* was not found") as raised:
        api.poll(RunLookup("orders", 7))

    assert ("orders", 7) == (raised.value.pipeline_id, raised.value.pipeline_run_id)


def test_an_api_that_is_away_does_not_change_the_route():
    """Only a 404 may mean that a route is missing."""
    api = Api(pipeline_run=[AWAY, RUNNING])
    lookup = RunLookup("orders", 7)

    with pytest.raises(ServerError):
        api.poll(lookup)

    assert RUNNING == api.poll(lookup)
    assert ["pipeline_run", "pipeline_run"] == api.asked


def test_without_an_id_the_latest_run_is_adopted_and_kept():
    """A later run does not affect this wait."""
    later = replace(RUNNING, pipeline_run_id=8)
    api = Api(pipeline_status=[status(None), status(RUNNING), status(later)], pipeline_run=[DONE])
    lookup = RunLookup("orders")

    found = [api.poll(lookup) for _ in range(3)]

    assert [None, RUNNING, DONE] == found
    assert ["pipeline_status", "pipeline_status", "pipeline_run"] == api.asked


# Any answers


@given(OTHERS, st.integers(0, 5), st.sampled_from([7, "7"]))
def test_the_list_shows_our_run_in_any_place_among_others(others, place, run_id):
    """The order of mParticle's list is not documented, and templates turn ids into text."""
    listed = [replace(RUNNING, pipeline_run_id=other) for other in others]
    listed.insert(place, DONE)
    api = Api(pipeline_run=[MISSING], pipeline_runs=[listed])

    assert DONE == api.poll(RunLookup("orders", run_id))


@given(
    st.lists(st.sampled_from([MISSING, *TRANSIENT, RUNNING]), min_size=1, max_size=6),
    st.lists(st.sampled_from([MISSING, *TRANSIENT, RUNNING]) | OTHERS, min_size=1, max_size=6),
    st.lists(st.sampled_from([MISSING, *TRANSIENT]) | OTHERS, min_size=1, max_size=6),
)
def test_no_sequence_of_answers_shows_another_run_as_ours(by_id, lists, latest):
    """The end of another run must never be taken for the end of this one."""
    api = Api(
        pipeline_run=by_id,
        pipeline_runs=[_listed(answer) for answer in lists],
        pipeline_status=[_latest(answer) for answer in latest],
    )
    lookup = RunLookup("orders", 7)

    for _ in range(6):
        try:
            found = api.poll(lookup)
        except (NotFoundError, *map(type, TRANSIENT)):
            continue
        assert found is not None
        assert 7 == found.pipeline_run_id


def _listed(answer):
    if isinstance(answer, list):
        return [replace(DONE, pipeline_run_id=other) for other in answer]
    return answer if isinstance(answer, Exception) else [answer]


def _latest(answer):
    return answer if isinstance(answer, Exception) else status(_listed(answer)[0] if answer else None)


@given(others=st.integers(0, 250), place=st.integers(0, 250))
def test_a_run_is_found_on_any_page_of_the_list(others, place):
    """The order of the list is not documented: with the oldest run first, ours is on the last page."""
    ids = [*range(100, 100 + others)]
    ids.insert(min(place, others), 7)
    runs = [replace(RUNNING, pipeline_run_id=number) for number in ids]
    pages = [runs[first : first + RUNS_PER_PAGE] for first in range(0, len(runs), RUNS_PER_PAGE)]
    api = Api(pipeline_run=[MISSING], pipeline_runs=[*pages, []])

    assert RUNNING == api.poll(RunLookup("orders", 7))
