"""A run that is not needed is not started, since another run has already read everything up to the instant."""

from __future__ import annotations

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from task_run import TRIGGER, Instant, facts, our_run

from airflow_provider_mparticle.client.errors import ConfigError, PipelineBusyError, RunFailedError, ServerError
from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator

AT = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = [AT + timedelta(days=day) for day in range(30)]


@pytest.mark.parametrize("kind", ["manual", "scheduled"])
def test_a_covered_task_returns_the_run_that_covers(new_task, simulator, kind):
    """The next tasks of the DAG need that run, even if others started it."""
    run = simulator.add_run("orders", "success", kind, range_end=AT, successful_records=42)
    task = new_task(skip_if_covered=AT)

    result = task.run()

    assert {
        "pipeline_id": "orders",
        "pipeline_run_id": run["pipeline_run_id"],
        "state": "success",
        "range_end": AT.isoformat(),
        "successful_records": 42,
    }.items() <= result.items()
    assert ("success", 0, 0) == (task.state, simulator.starts("orders"), simulator.count("POST", TRIGGER))


def test_a_task_that_is_not_covered_starts_its_run(new_task, simulator):
    """The orders of one second would be missing."""
    simulator.add_run("orders", "success", range_end=AT)

    result = new_task(skip_if_covered=AT + timedelta(seconds=1)).run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_task_that_does_not_ask_starts_its_run(task, simulator):
    """A task that triggers a pipeline starts a run, unless the DAG says otherwise."""
    simulator.add_run("orders", "success", range_end=datetime.now(UTC) + timedelta(hours=1))

    task.run()

    assert 1 == simulator.starts("orders")


def test_a_run_that_failed_covers_nothing(new_task, simulator):
    """It has ingested nothing, whatever its range is."""
    simulator.add_run("orders", "failed", "scheduled", range_end=AT)

    result = new_task(skip_if_covered=AT).run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_catch_up_makes_one_run(new_task, simulator):
    """The first run reads all rows since the last one, so the other 29 would read nothing."""
    results = [new_task(run_id=str(at), skip_if_covered=at).run() for at in DAYS]

    assert {our_run(simulator)["pipeline_run_id"]} == {result["pipeline_run_id"] for result in results}
    assert (1, 1) == (simulator.starts("orders"), simulator.count("POST", TRIGGER))


def test_a_catch_up_of_many_tasks_at_once_makes_one_run(new_task, simulator):
    """All tasks but one find a run in progress, wait for it, and check again."""
    simulator.script_next_run("orders", [("running", None)])
    tasks = [new_task(run_id=str(at), skip_if_covered=at, if_running="wait") for at in DAYS[:6]]
    all_wait = threading.Barrier(len(tasks), simulator.end_runs, timeout=60)
    for task in tasks:
        task.at(Instant.WAITING, all_wait.wait)

    with ThreadPoolExecutor(len(tasks)) as pool:
        results = list(pool.map(lambda task: task.run(), tasks))

    assert {our_run(simulator)["pipeline_run_id"]} == {result["pipeline_run_id"] for result in results}
    assert 1 == simulator.starts("orders")


def test_a_run_in_progress_that_comes_to_cover_is_waited_for_and_nothing_is_started(new_task, simulator):
    """The task checks after the wait, and not only before it."""
    run = simulator.add_run("orders", "running", "scheduled", ends_in_s=0.3, range_end=AT)

    result = new_task(skip_if_covered=AT, if_running="wait").run()

    assert (run["pipeline_run_id"], "success") == (result["pipeline_run_id"], result["state"])
    assert 0 == simulator.count("POST", TRIGGER)


@pytest.mark.parametrize(
    ("ends_as", "range_end"),
    [("failed", AT), ("success", AT - timedelta(hours=1))],
    ids=["it failed", "it ended short"],
)
def test_a_run_in_progress_that_comes_to_cover_nothing_is_followed_by_ours(new_task, simulator, ends_as, range_end):
    """The data must be read."""
    simulator.add_run("orders", "running", "scheduled", ends_in_s=0.3, ends_as=ends_as, range_end=range_end)

    result = new_task(skip_if_covered=AT, if_running="wait").run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_run_in_progress_that_is_not_waited_for_covers_nothing_yet(new_task, simulator):
    """It may still fail."""
    simulator.add_run("orders", "running", "scheduled", range_end=AT)

    with pytest.raises(PipelineBusyError):
        new_task(skip_if_covered=AT).run()

    assert 0 == simulator.count("POST", TRIGGER)


def test_a_covered_task_ignores_a_run_in_progress(new_task, simulator):
    """The task starts nothing, so the other run does not matter."""
    run = simulator.add_run("orders", "success", range_end=AT)
    simulator.add_run("orders", "running")

    result = new_task(skip_if_covered=AT).run()

    assert run["pipeline_run_id"] == result["pipeline_run_id"]


def test_a_covered_task_needs_no_run_to_wait_for(new_task, simulator):
    """With ``wait_for_completion=False`` it returns the run that has already ended."""
    run = simulator.add_run("orders", "success", range_end=AT)

    result = new_task(skip_if_covered=AT, wait_for_completion=False).run()

    assert (run["pipeline_run_id"], "success") == (result["pipeline_run_id"], result["state"])


# Tries


@pytest.mark.parametrize("instant", [Instant.ACCEPTED, Instant.KNOWN, Instant.WAITING])
def test_a_retry_reattaches_to_its_own_run_before_it_asks_for_others(new_task, simulator, instant):
    """Its own run continues, and no task would wait for it otherwise."""
    simulator.script_next_run("orders", [("running", 0.3), ("success", None)])
    task = new_task(skip_if_covered=AT).dies_at(instant)
    task.run_and_die()
    simulator.add_run("orders", "success", "scheduled", range_end=AT + timedelta(days=1))

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert (13325, 1) == (result["pipeline_run_id"], simulator.starts("orders"))


def test_a_retry_whose_own_run_failed_accepts_another(new_task, simulator):
    """mParticle's schedule has read the data meanwhile."""
    simulator.script_next_run("orders", errors=["No such table."])
    task = new_task(skip_if_covered=AT)
    with pytest.raises(RunFailedError):
        task.run()
    other = simulator.add_run("orders", "success", "scheduled", range_end=AT)

    result = task.run()

    assert (other["pipeline_run_id"], 1) == (result["pipeline_run_id"], simulator.starts("orders"))


def test_a_task_cleared_after_success_is_covered_by_its_own_run(new_task, simulator):
    """The clear forgets the run, and only the data matters."""
    task = new_task(skip_if_covered=AT)
    first = task.run()

    again = task.clear()

    assert first == again
    assert 1 == simulator.starts("orders")


def test_an_api_that_cannot_be_reached_starts_nothing(new_task, simulator):
    """It is not known whether a run is needed; a retry checks again."""
    simulator.fail_next(503, path="/status", times=None)
    task = new_task(skip_if_covered=AT)

    with pytest.raises(ServerError):
        task.run()

    assert ("up_for_retry", 0) == (task.state, simulator.count("POST", TRIGGER))


# The values of the argument


def execute(simulator, dates, **options):
    """Execute a task in a DAG run of these dates; return whether an existing run was enough."""
    operator = MParticleTriggerPipelineOperator(
        task_id="sync", pipeline_id="orders", wait_for_completion=False, **options
    )
    ti = SimpleNamespace(max_tries=0, try_number=1, xcom_push=lambda **_: None)
    operator.render_template_fields({"params": {"ask": True, "hold": False}, **dates})
    # Unwrapped, since Airflow protects ``execute`` against callers other than its own task runner.
    execute = inspect.unwrap(MParticleTriggerPipelineOperator.execute)
    store = SimpleNamespace(get=print, set=print, delete=print)
    execute(operator, {"ti": ti, "dag_run": SimpleNamespace(start_date=AT), "task_state_store": store, **dates})
    return simulator.starts("orders") == 0


@pytest.mark.parametrize(
    ("dates", "covered"),
    [
        pytest.param({"data_interval_end": AT}, True, id="the end of the data interval"),
        pytest.param({"data_interval_end": AT + timedelta(seconds=1)}, False, id="a later end"),
        pytest.param({"data_interval_end": AT, "logical_date": AT + timedelta(days=1)}, True, id="the end goes first"),
        pytest.param({"logical_date": AT}, True, id="no interval: the logical date"),
        pytest.param({"data_interval_end": None, "logical_date": AT + timedelta(days=1)}, False, id="a later date"),
    ],
)
@pytest.mark.parametrize("true", [True, "True", "{{ params.ask }}"])
def test_true_means_the_end_of_the_interval_of_the_dag_run(simulator, dates, covered, true):
    """A template turns it into text."""
    simulator.add_run("orders", "success", range_end=AT)

    assert covered is execute(simulator, dates, skip_if_covered=true)


@pytest.mark.parametrize("false", [False, "False", "{{ params.hold }}", None])
def test_false_means_to_start_in_any_case(simulator, false):
    """A template turns it into text, and not every text is true."""
    simulator.add_run("orders", "success", range_end=AT)

    assert not execute(simulator, {"data_interval_end": AT}, skip_if_covered=false)


@pytest.mark.parametrize("given", ["{{ data_interval_end }}", "2026-03-01", AT.replace(tzinfo=None)])
def test_an_instant_may_be_written_in_many_ways(simulator, given):
    """An instant without a zone is UTC, whatever the zone of the machine."""
    simulator.add_run("orders", "success", range_end=AT)

    assert execute(simulator, {"data_interval_end": AT}, skip_if_covered=given)


@pytest.mark.parametrize("dates", [{}, {"data_interval_end": None, "logical_date": None}], ids=["missing", "none"])
def test_true_in_a_dag_run_without_dates_is_refused(simulator, dates):
    """Airflow 3 has DAG runs without a logical date; with the current time, each would start a run."""
    with pytest.raises(AirflowFailException, match="neither a data interval nor a logical date") as refused:
        execute(simulator, dates, skip_if_covered=True)

    assert isinstance(refused.value.__context__, ConfigError)
    assert [] == simulator.requests


@pytest.mark.parametrize("text", ["soon", "", "None", "2026-03-32"])
def test_an_instant_that_cannot_be_read_is_refused_before_anything_is_sent(simulator, text):
    """A run that a typing error has started cannot be undone."""
    with pytest.raises(AirflowFailException, match="skip_if_covered must be an ISO 8601 instant") as refused:
        execute(simulator, {"data_interval_end": AT}, skip_if_covered=text)

    assert isinstance(refused.value.__context__, ConfigError)
    assert [] == simulator.requests


@pytest.mark.parametrize(
    ("gate", "starts"), [({"min_records": 5}, 0), ({"min_records": 6}, 1), ({"on_empty": "fail"}, 0)]
)
def test_a_run_that_would_not_pass_the_gates_does_not_cover(new_task, simulator, gate, starts):
    """Otherwise a clear after a failed gate would succeed with the same run."""
    simulator.add_run("orders", "success", range_end=AT, successful_records=5)

    new_task(skip_if_covered=AT.isoformat(), **gate).run()

    assert starts == simulator.starts("orders")
