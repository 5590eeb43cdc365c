"""Which run has read everything up to an instant, and how many requests are needed to find it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.endpoints import RUNS_PER_PAGE, Call
from airflow_provider_mparticle.client.errors import NoAnswerError, NotFoundError, ServerError
from airflow_provider_mparticle.client.models import PipelineRun, PipelineStatus
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.runs.coverage import (
    LONGEST_INTERVAL,
    POLLS_OF_ONE_PAGE,
    CoverageLookup,
    covers,
    find_covering,
    reaches,
)
from airflow_provider_mparticle.runs.steps import Steps, drive
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.slices.slice import EARLIEST, LATEST

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
EARLIER, LATER = AT - timedelta(hours=1), AT + timedelta(hours=1)

FULL = PipelineRun("orders", 7, state="success", progress=Progress.SUCCEEDED, started_on=AT, logical_date=AT)
INCREMENTAL = replace(FULL, started_on=LATER, range_start=EARLIER, range_end=AT)
SHORT = replace(FULL, pipeline_run_id=6, started_on=LATER, range_end=EARLIER)
FAILED = replace(INCREMENTAL, pipeline_run_id=8, state="failed", progress=Progress.FAILED)
RUNNING = replace(INCREMENTAL, pipeline_run_id=9, state="running", progress=Progress.UNDER_WAY)
MISSING = NotFoundError("404", status=404)


# Which instants a run covers


@pytest.mark.parametrize(
    ("run", "reached"),
    [
        pytest.param(INCREMENTAL, AT, id="its range ends before it starts"),
        pytest.param(replace(INCREMENTAL, range_end=LATER, started_on=AT), LATER, id="its range ends after it starts"),
        pytest.param(FULL, AT, id="no range: its start"),
        pytest.param(replace(FULL, started_on=None), None, id="neither"),
    ],
)
def test_a_run_reads_up_to_the_end_of_its_range_or_else_its_start(run: PipelineRun, reached: datetime | None) -> None:
    """A full run reads the rows that exist when it starts; its end and its logical date do not matter."""
    assert reached == reaches(run)


@pytest.mark.parametrize(
    ("run", "at", "covered"),
    [
        pytest.param(INCREMENTAL, AT, True, id="exactly"),
        pytest.param(INCREMENTAL, EARLIER, True, id="further"),
        pytest.param(INCREMENTAL, AT + timedelta(microseconds=1), False, id="not quite"),
        pytest.param(FULL, AT, True, id="a full run, exactly"),
        pytest.param(SHORT, AT, False, id="a range that ends before, of a run that starts after"),
        pytest.param(FAILED, AT, False, id="failed"),
        pytest.param(RUNNING, AT, False, id="in progress"),
        pytest.param(replace(FULL, started_on=None, ended_on=LATER), AT, False, id="only its end is known"),
    ],
)
def test_a_run_covers_an_instant_only_if_it_succeeded_and_read_up_to_it(
    run: PipelineRun, at: datetime, covered: bool
) -> None:
    """A wrong "yes" means that a sync is missing."""
    assert covered is covers(run, at)


# Finding a run, driven by hand


class Api:
    """Answers a status and pages of runs, the last of each for ever, and records the requests."""

    def __init__(self, *statuses: Any, pages: tuple[Any, ...] = ([],)) -> None:
        self.answers = {"pipeline_status": list(statuses), "pipeline_runs": list(pages)}
        self.asked: list[str] = []
        self.params: list[Any] = []

    def send(self, call: Call[Any]) -> Any:
        self.asked.append(call.route)
        self.params.append(call.params)
        answers = self.answers[call.route]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        is_status = call.route == "pipeline_status"
        return PipelineStatus("orders", latest_pipeline_run=answer) if is_status else answer

    def do(self, steps: Steps[Any]) -> Any:
        return drive(steps, self.send, lambda _: None)


def page_of(*last: PipelineRun, first_id: int = 1000, size: int = RUNS_PER_PAGE) -> list[PipelineRun]:
    """A page of failed runs, with these at its end."""
    return [*(replace(FAILED, pipeline_run_id=first_id + n) for n in range(size - len(last))), *last]


def polled(lookup: CoverageLookup) -> Steps[PipelineRun | None]:
    """Poll once, and select the run of this lookup."""
    return lookup.select((yield from lookup.poll()))


Poll = Callable[[], Steps[PipelineRun | None]]
both_ways = pytest.mark.parametrize(
    "poll",
    [lambda: find_covering("orders", AT), lambda: polled(CoverageLookup("orders", AT))],
    ids=["find_covering", "lookup"],
)


@both_ways
def test_a_latest_run_that_covers_takes_one_request(poll: Poll) -> None:
    """A catch-up polls this for each of its DAG runs."""
    api = Api(INCREMENTAL)

    assert INCREMENTAL == api.do(poll())
    assert ["pipeline_status"] == api.asked


@both_ways
def test_a_pipeline_without_runs_takes_one_request(poll: Poll) -> None:
    """The list would be empty, too."""
    api = Api(None)

    assert api.do(poll()) is None
    assert ["pipeline_status"] == api.asked


@pytest.mark.parametrize("latest", [SHORT, FAILED, RUNNING], ids=["short", "failed", "in progress"])
def test_if_the_latest_run_does_not_cover_another_run_may(latest: PipelineRun) -> None:
    """The latest run hides earlier ones, and a failed run does not undo what earlier runs have read."""
    for poll in (find_covering("orders", AT), polled(CoverageLookup("orders", AT))):
        api = Api(latest, pages=([latest, INCREMENTAL],))

        assert INCREMENTAL == api.do(poll)
        assert ["pipeline_status", "pipeline_runs"] == api.asked


def test_runs_are_listed_from_a_month_before_the_instant() -> None:
    """It is not documented whether a logical date is the start or the end of what a run reads."""
    api = Api(SHORT)

    api.do(find_covering("orders", AT))

    listing = api.params[1]
    assert (AT - LONGEST_INTERVAL).strftime("%Y-%m-%dT%H:%M:%SZ") == listing["startDate"]
    assert (1, RUNS_PER_PAGE) == (listing["currentPage"], listing["pageSize"])
    assert "endDate" not in listing


def test_pages_are_read_until_one_run_covers() -> None:
    """An hourly pipeline has eight pages a month."""
    api = Api(FAILED, pages=(page_of(), page_of(INCREMENTAL, first_id=2000), page_of(first_id=3000)))

    assert INCREMENTAL == api.do(find_covering("orders", AT))
    assert [1, 2] == [asked["currentPage"] for asked in api.params[1:]]


@pytest.mark.parametrize("last", [[], [FAILED]], ids=["an empty page", "a page that is not full"])
def test_pages_end_where_the_runs_end(last: list[PipelineRun]) -> None:
    """No run covers the instant, so a run is needed."""
    api = Api(FAILED, pages=(page_of(), last))

    assert api.do(find_covering("orders", AT)) is None
    assert [1, 2] == [asked["currentPage"] for asked in api.params[1:]]


@both_ways
def test_a_server_that_repeats_its_page_for_ever_is_asked_twice(poll: Poll) -> None:
    """A server that does not know ``currentPage`` must not hold a task for ever."""
    api = Api(SHORT, pages=(page_of(),))

    assert api.do(poll()) is None
    assert 2 == api.asked.count("pipeline_runs")


@both_ways
def test_if_runs_cannot_be_listed_only_the_status_is_read(poll: Poll) -> None:
    """The run routes of v2 are assumed."""
    api = Api(SHORT, pages=(MISSING,))

    assert api.do(poll()) is None
    assert ["pipeline_status", "pipeline_runs"] == api.asked


def test_a_status_that_is_not_there_yet_is_replaced_by_the_list() -> None:
    """A pipeline's status answers 404 for about a minute after the pipeline was created."""
    api = Api(MISSING, pages=([FAILED, INCREMENTAL],))

    assert INCREMENTAL == api.do(find_covering("orders", AT))


def test_an_unknown_pipeline_has_no_run_that_covers() -> None:
    """The start finds out whether the pipeline exists."""
    api = Api(MISSING, pages=(MISSING,))

    assert api.do(find_covering("orders", AT)) is None


@both_ways
@pytest.mark.parametrize("error", [ServerError("503"), NoAnswerError("away")], ids=["503", "no answer"])
def test_an_api_that_cannot_be_reached_is_an_error(poll: Poll, error: Exception) -> None:
    """A run that is started only because the runs could not be read would be one too many."""
    for api in (Api(error), Api(SHORT, pages=(error,))):
        with pytest.raises(type(error)):
            api.do(poll())


# Polling


def test_a_lookup_raises_if_the_pipeline_is_not_found() -> None:
    """The wait decides for how long a 404 is accepted."""
    with pytest.raises(NotFoundError):
        Api(MISSING).do(polled(CoverageLookup("orders", AT)))


class Listing:
    """Lists a month of runs in pages, in either order, behind a latest run that never changes."""

    def __init__(self, others: int, latest: PipelineRun | None, *, is_newest_first: bool) -> None:
        self.others = page_of(size=others)
        self.run: PipelineRun | None = None
        self.latest = latest
        self.is_newest_first = is_newest_first

    def send(self, call: Call[Any]) -> Any:
        """Answer one call."""
        if call.route == "pipeline_status":
            if self.latest is None:
                raise MISSING
            return PipelineStatus("orders", latest_pipeline_run=self.latest)
        runs = [*self.others, *([self.run] if self.run else []), *([self.latest] if self.latest else [])]
        ordered = runs[::-1] if self.is_newest_first else runs
        first = (call.params["currentPage"] - 1) * RUNS_PER_PAGE
        return ordered[first : first + RUNS_PER_PAGE]


@given(
    others=st.sampled_from([0, 1, 99, 100, 250]),
    is_newest_first=st.booleans(),
    latest=st.sampled_from([FAILED, RUNNING, SHORT, None]),
    begins=st.integers(0, 25),
    takes=st.integers(0, 25),
)
def test_a_run_that_covers_is_found_wherever_it_is_listed(
    others: int, is_newest_first: bool, latest: PipelineRun | None, begins: int, takes: int
) -> None:
    """A user may start it again for an earlier date, so the latest run does not change when this one ends."""
    mparticle = Listing(others, latest, is_newest_first=is_newest_first)
    lookup = CoverageLookup("orders", AT)
    for number in range(begins + takes + POLLS_OF_ONE_PAGE + 1):
        if number >= begins:
            mparticle.run = INCREMENTAL if number >= begins + takes else replace(RUNNING, pipeline_run_id=7)
        try:
            found = drive(polled(lookup), mparticle.send, lambda _: None)
        except NotFoundError:
            assert (None, 0) == (latest, others)
            assert number < begins
            continue
        if found:
            assert (INCREMENTAL, True) == (found, number >= begins + takes)
            return
    pytest.fail("The run was not found.")


def test_a_run_that_was_seen_in_progress_is_found_when_it_has_ended() -> None:
    """It would cover the instant, so all pages are read until it ends."""
    mparticle = Listing(250, FAILED, is_newest_first=False)
    mparticle.run = replace(RUNNING, pipeline_run_id=7)
    lookup = CoverageLookup("orders", AT)

    for _ in range(3):
        assert drive(polled(lookup), mparticle.send, lambda _: None) is None
    mparticle.run = INCREMENTAL
    assert INCREMENTAL == drive(polled(lookup), mparticle.send, lambda _: None)


def test_one_poll_serves_the_instants_of_all_sources() -> None:
    """The latest run covers one of the instants, and hides the run that covers the other."""
    further = replace(INCREMENTAL, pipeline_run_id=5, range_end=LATER)
    api = Api(INCREMENTAL, pages=([further, INCREMENTAL],))
    near, far = CoverageLookup("orders", AT), CoverageLookup("orders", LATER)

    seen = api.do(near.poll([near, far]))

    assert (INCREMENTAL, further) == (near.select(seen), far.select(seen))


def test_a_lookup_reads_all_pages_only_when_the_latest_run_has_changed() -> None:
    """A month of an hourly pipeline needs eight requests, too many for every poll."""
    api = Api(RUNNING, RUNNING, FAILED, pages=(page_of(first_id=1000), page_of(first_id=2000), []) * 3)
    lookup = CoverageLookup("orders", AT)

    polls = []
    for _ in range(3):
        api.params.clear()
        api.answers["pipeline_runs"] = [page_of(first_id=1000), page_of(first_id=2000), []]
        api.do(polled(lookup))
        polls.append([asked["currentPage"] for asked in api.params[1:]])

    assert [[1, 2, 3], [1], [1, 2, 3]] == polls


def test_a_lookup_finds_a_run_that_sorts_before_the_latest_one() -> None:
    """A scheduled run's logical date may be the start of its day, and then a manual run at noon stays the latest."""
    before = replace(RUNNING, logical_date=AT - timedelta(days=1))
    done = replace(before, state="success", progress=Progress.SUCCEEDED)
    api = Api(SHORT, pages=([SHORT], [SHORT, before], [SHORT, done]))
    lookup = CoverageLookup("orders", AT)

    polls = [api.do(polled(lookup)) for _ in range(3)]

    assert [None, None, done] == polls


def test_the_poll_after_a_failed_one_reads_all_pages() -> None:
    """The change was not read, so the next poll reads all pages again."""
    api = Api(FAILED, pages=(ServerError("503"), page_of(), [INCREMENTAL]))
    lookup = CoverageLookup("orders", AT)
    with pytest.raises(ServerError):
        api.do(polled(lookup))

    assert INCREMENTAL == api.do(polled(lookup))


def test_a_lookup_logs_once_up_to_when_the_latest_run_has_read(caplog: pytest.LogCaptureFixture) -> None:
    """The log reports changes of the runs, not each poll."""
    caplog.set_level(logging.INFO)
    api = Api(SHORT, SHORT, SHORT, FAILED)
    lookup = CoverageLookup("orders", AT)

    for _ in range(4):
        api.do(polled(lookup))

    assert [(6, "success", EARLIER), (8, "failed", AT)] == [record.args[1:4] for record in caplog.records]


@pytest.mark.parametrize(
    ("latest", "said"), [(FAILED, "its latest run is 8, failed"), (None, "it has shown no run")], ids=["a run", "none"]
)
def test_an_overdue_wait_names_the_instant_the_latest_run_and_the_trouble(
    latest: PipelineRun | None, said: str
) -> None:
    """A user must understand what happened from the message alone."""
    lookup = CoverageLookup("orders", AT)
    Api(latest).do(polled(lookup))

    error = lookup.timeout_error(PipelineRun("orders"), ServerError("It is away.", status=503))

    assert f"covers {AT.isoformat()} had succeeded at the deadline; {said}. The last poll failed: It is away." in str(
        error
    )
    assert ("orders", None, 503) == (error.pipeline_id, error.pipeline_run_id, error.status)
    assert f"{said}. Check in mParticle" in str(lookup.timeout_error(PipelineRun("orders"), None))


# Against the simulator


@pytest.fixture
def find() -> Callable[..., PipelineRun | None]:
    """Find a covering run of ``orders`` over real HTTP."""
    return lambda at=AT: drive(find_covering("orders", at), MParticleHook().send, time.sleep)


def id_of(run: PipelineRun | None) -> Any:
    return run and run.pipeline_run_id


@pytest.mark.parametrize("layout", ["v2", "v1"])
def test_the_end_of_a_range_is_read_in_every_layout(
    start_simulator: Callable[..., Simulator], find: Callable[..., PipelineRun | None], layout: str
) -> None:
    """The two versions have different names for it."""
    simulator = start_simulator(layout=layout)
    simulator.add_pipeline("orders")
    run = simulator.add_run("orders", "success", range_end=AT, started_on=LATER)

    assert run["pipeline_run_id"] == id_of(find(AT))
    assert find(AT + timedelta(seconds=1)) is None


@pytest.mark.parametrize("newer", [5, RUNS_PER_PAGE, 2 * RUNS_PER_PAGE + 5])
def test_a_run_on_any_page_is_found(simulator: Simulator, find: Callable[..., PipelineRun | None], newer: int) -> None:
    """The pipeline may have failed for days after that run."""
    run = simulator.add_run("orders", "success", range_end=AT, logical_date=EARLIER)
    for _ in range(newer):
        simulator.add_run("orders", "failed", range_end=LATER, logical_date=LATER)

    assert run["pipeline_run_id"] == id_of(find())
    assert newer // RUNS_PER_PAGE + 1 == simulator.count("GET", "/status/runs")


def test_without_run_routes_only_the_latest_run_is_seen(
    start_simulator: Callable[..., Simulator], find: Callable[..., PipelineRun | None]
) -> None:
    """An earlier run that covers the instant is not seen, so one sync too many may start, but none is missing."""
    simulator = start_simulator(run_routes=False)
    simulator.add_pipeline("orders")
    run = simulator.add_run("orders", "success", range_end=AT, logical_date=AT)
    seen = find()
    simulator.add_run("orders", "failed", range_end=LATER, logical_date=LATER)

    assert run["pipeline_run_id"] == id_of(seen)
    assert find() is None


def test_in_the_first_minute_of_a_pipeline_its_list_of_runs_is_read(
    start_simulator: Callable[..., Simulator], find: Callable[..., PipelineRun | None]
) -> None:
    """Its status answers 404 until then."""
    simulator = start_simulator(status_404_s=60)
    simulator.add_pipeline("orders")
    before = find()
    run = simulator.add_run("orders", "success", range_end=AT)

    assert before is None
    assert run["pipeline_run_id"] == id_of(find())


@given(st.datetimes(timezones=st.just(UTC)) | st.sampled_from([EARLIEST, LATEST]))
def test_any_instant_can_be_covered_or_not(at: datetime) -> None:
    """Also in the first month that a datetime can hold."""
    latest = PipelineRun("orders", 7, progress=Progress.FAILED)

    def send(call: Call[Any]) -> Any:
        return PipelineStatus("orders", latest_pipeline_run=latest) if call.route == "pipeline_status" else []

    assert drive(find_covering("orders", at), send, print) is None
    assert drive(CoverageLookup("orders", at).poll(), send, print) == (latest, [])
