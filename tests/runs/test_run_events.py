"""Which ended runs are reported, for every order in which runs begin, end and are listed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.coverage import LONGEST_INTERVAL
from airflow_provider_mparticle.runs.run_events import KEPT_AT_LEAST, KnownEnds, RunListing, RunsSeen, matches

START = datetime(2026, 11, 1, tzinfo=UTC)


def ended_run(run_id: int, logical_date: datetime, state: str = "success", **fields: Any) -> PipelineRun:
    """A run that has ended."""
    progress = Progress.SUCCEEDED if state == "success" else Progress.FAILED
    return PipelineRun(
        "orders", run_id, type="scheduled", state=state, progress=progress, logical_date=logical_date, **fields
    )


def poll(listing: RunListing, runs: list[PipelineRun], now: datetime) -> tuple[RunsSeen, int]:
    """Answer a listing's requests as mParticle does, by logical date; return the runs and the number of requests."""
    steps, requests = listing.poll(now), 0
    call = next(steps)
    while True:
        requests += 1
        since = datetime.fromisoformat(call.params["startDate"])
        listed = [run for run in runs if run.logical_date and run.logical_date >= since]
        first = (call.params["currentPage"] - 1) * endpoints.RUNS_PER_PAGE
        try:
            call = steps.send(listed[first : first + endpoints.RUNS_PER_PAGE])
        except StopIteration as done:
            return done.value, requests


# How long the logical date of a run is before its end, and the minutes until the next poll.
LAGS = st.lists(st.tuples(st.integers(0, 31 * 24), st.integers(1, 50), st.booleans()), min_size=1, max_size=150)


@settings(max_examples=150)
@given(LAGS)
def test_every_end_is_reported_once(lags: list[tuple[int, int, bool]]) -> None:
    """Also for a run that begins a month after its logical date, in a month that fills several pages."""
    runs: list[PipelineRun] = [ended_run(number, START - timedelta(hours=number)) for number in range(120)]
    listing, now = RunListing("orders"), START
    seen, _ = poll(listing, runs, now)
    known, told = KnownEnds((*seen.ended,)), []
    for number, (lag_h, minutes, is_told_at_once) in enumerate(lags, start=1000):
        now += timedelta(minutes=minutes)
        runs.append(ended_run(number, now - timedelta(hours=lag_h)))
        if is_told_at_once:
            seen, _ = poll(listing, runs, now)
            for run in known.news(seen):
                told.append(run.pipeline_run_id)
                known = KnownEnds.from_json(known.after(run, seen).as_json())

    seen, _ = poll(listing, runs, now + timedelta(hours=1))
    told += [run.pipeline_run_id for run in known.news(seen)]

    assert [*range(1000, 1000 + len(lags))] == sorted(told)


STATES = {"running": Progress.UNDER_WAY, "failed": Progress.FAILED, "success": Progress.SUCCEEDED}


@given(st.lists(st.dictionaries(st.integers(1, 3), st.sampled_from([*STATES])), max_size=12))
def test_a_run_that_runs_again_is_reported_again_only_if_it_then_succeeds(polls: list[dict[int, str]]) -> None:
    """mParticle may repeat a failed run under its id, and lists may leave a run out."""
    known, told = KnownEnds(()), list[tuple[int, str]]()
    expected: list[tuple[int, str]] = []
    for listed in polls:
        runs = tuple(
            PipelineRun("orders", run_id, state=state, progress=STATES[state]) for run_id, state in listed.items()
        )
        seen = RunsSeen("orders", runs, is_month=True)
        for run in known.news(seen):
            told.append((int(str(run.pipeline_run_id)), str(run.state)))
            known = KnownEnds.from_json(known.after(run, seen).as_json())
        for run_id, state in sorted(listed.items()):
            is_over = (run_id, "success") in expected or (run_id, state) in expected
            if state != "running" and not is_over:
                expected.append((run_id, state))

    assert sorted(expected) == sorted(told)


def test_an_id_alone_stands_for_every_end_of_its_run() -> None:
    """Earlier versions stored only ids."""
    runs = ended_run(1, START, "failed"), ended_run(2, START)

    assert [] == KnownEnds(("1", "2")).news(RunsSeen("orders", runs, is_month=True))


def test_an_hourly_pipeline_costs_one_request_for_most_polls() -> None:
    """A month of such a pipeline fills eight pages."""
    runs = [ended_run(number, START - timedelta(hours=number)) for number in range(32 * 24)]
    listing = RunListing("orders")

    polls = [poll(listing, runs, START + timedelta(minutes=minute)) for minute in range(0, 62, 5)]

    assert [8] + [1] * 11 + [8] == [requests for _, requests in polls]
    assert [True] + [False] * 11 + [True] == [seen.is_month for seen, _ in polls]


def test_what_is_known_stays_bounded() -> None:
    """Airflow keeps it in its database."""
    known = KnownEnds(())
    for number in range(3 * KEPT_AT_LEAST):
        run = ended_run(number, START)
        known = known.after(run, RunsSeen("orders", (run,), is_month=True))

    assert KEPT_AT_LEAST == len(known.ends)


def test_a_run_that_one_list_leaves_out_is_not_reported_again() -> None:
    """Pages may shift while they are read."""
    runs = tuple(ended_run(number, START) for number in range(3))
    known = KnownEnds(("0", "1")).after(runs[2], RunsSeen("orders", runs[1:], is_month=True))

    assert [] == known.news(RunsSeen("orders", runs, is_month=True))


def test_runs_are_reported_in_the_order_of_their_ends() -> None:
    """A DAG that reads the latest event gets the latest run."""
    ends = [START + timedelta(minutes=minutes) for minutes in (5, 1, 3)]
    runs = tuple(ended_run(number, START, ended_on=end) for number, end in enumerate(ends))

    assert [1, 2, 0] == [run.pipeline_run_id for run in KnownEnds(()).news(RunsSeen("orders", runs, is_month=True))]


@pytest.mark.parametrize(
    ("run_type", "asked_for", "expected"),
    [
        ("scheduled", ["scheduled"], True),
        ("SCHEDULED", ["scheduled"], True),
        ("manual", ["scheduled"], False),
        (None, ["scheduled"], True),
        ("manual", None, True),
    ],
)
def test_a_run_of_unknown_type_counts(run_type: str | None, asked_for: list[str] | None, expected: bool) -> None:
    """If mParticle does not give the type, an event too many is better than a missing one."""
    run = PipelineRun("orders", 1, type=run_type, progress=Progress.SUCCEEDED)

    assert expected is matches(run, (Progress.SUCCEEDED,), asked_for)


def test_a_month_is_longer_than_any_interval() -> None:
    """A run may begin one interval after its logical date, and no interval is longer than a month."""
    assert timedelta(days=31) <= LONGEST_INTERVAL
