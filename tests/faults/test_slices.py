"""Slices of history with faults: each is synced once, and none reads the rows of another."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import AirflowFailException
from task_run import TRIGGER, Instant, TaskRun

from airflow_provider_mparticle.client.errors import (
    DataModelChangedError,
    DataModelHeldError,
    PipelineBusyError,
    RunFailedError,
    RunLostError,
    RunTimeoutError,
    StartAmbiguousError,
)
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.operators import MParticleSyncSliceOperator
from airflow_provider_mparticle.simulator import Fault

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = "/data-models/orders-model"
DAYS = 3
ROWS_PER_DAY = 4


@pytest.fixture
def simulator(start_simulator):
    """A pipeline ``orders`` that can ingest three days of rows."""
    simulator = start_simulator(run_s=0.1)
    simulator.add_pipeline("orders")
    step = timedelta(days=1) / ROWS_PER_DAY
    rows = [{"id": number, "at": FIRST_DAY + number * step} for number in range(DAYS * ROWS_PER_DAY)]
    simulator.add_source("shop.public.orders", rows)
    return simulator


@pytest.fixture
def siblings():
    """The same task in all DAG runs of a test."""
    return []


@pytest.fixture
def slice_of(deferrable, siblings):
    """Make the task of the DAG run that syncs a day, counted from 0."""

    def make(day, **options):
        usual = {
            "pipeline_id": "orders",
            "data_model_id": "orders-model",
            "sql": "SELECT id, at FROM shop.public.orders",
            "time_column": "at",
            "window_start": (FIRST_DAY + timedelta(days=day)).isoformat(),
            "window_end": (FIRST_DAY + timedelta(days=day + 1)).isoformat(),
            "poll_interval": 0.03,
            "timeout": 20.0,
            "deferrable": deferrable,
        }
        task = TaskRun(
            operator_class=MParticleSyncSliceOperator, run_id=f"day {day}", siblings=siblings, **{**usual, **options}
        )
        siblings.append(task)
        return task

    return make


def ingested(simulator):
    """Return how many rows were ingested how often."""
    return Counter(simulator.ingested("orders").values())


def write_sql(simulator, sql):
    """Replace the SQL like a user in mParticle's UI."""
    name = simulator.stored("data model", "orders-model")["name"]
    body = {"name": name, "type": "sql", "config": {"sql_query": sql}}
    MParticleHook().update_data_model("orders-model", body)


def test_slices_one_after_the_other_ingest_every_row_once(slice_of, simulator):
    """A backfill needs it."""
    results = [slice_of(day).run() for day in range(DAYS)]

    assert {1: DAYS * ROWS_PER_DAY} == ingested(simulator)
    assert [ROWS_PER_DAY] * DAYS == [result["successful_records"] for result in results]
    assert ["2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"] == [
        results[0]["window_start"],
        results[0]["window_end"],
    ]


def test_a_slice_costs_seven_requests_and_its_polls(slice_of, simulator):
    """The cost is documented; the warehouse connection is read twice for the dialect of time_column."""
    slice_of(
        0,
        sql="SELECT id FROM shop.public.orders WHERE at >= '{{ window_start }}' AND at < '{{ window_end }}'",
        time_column=None,
    ).run()

    asked = [(r["method"], r["path"].rpartition("/1234")[2]) for r in simulator.requests if "/oauth" not in r["path"]]
    polls = [path for method, path in asked if "/status/runs/" in path]
    assert [
        ("GET", "/inputs/data-pipelines/orders"),
        ("GET", MODEL),
        ("GET", "/inputs/data-pipelines/orders/status/runs"),
        ("PUT", MODEL),
        ("GET", MODEL),
        ("POST", "/inputs/data-pipelines/orders/trigger"),
        ("GET", MODEL),
    ] == [(method, path) for method, path in asked if path not in polls]


def test_the_warehouse_s_type_is_read_once(slice_of, simulator):
    """It is needed only to write the SQL, and not by the worker that resumes a deferred task."""
    slice_of(0).run()

    assert 1 == simulator.count("GET", "/connections/warehouse")


def test_a_slice_that_gives_way_costs_two_requests(slice_of, simulator):
    """It may wait for hours, and check every few seconds."""
    slice_of(0).dies_at(Instant.NOTED).run_and_die()
    before = len(simulator.requests)

    with pytest.raises(AirflowRescheduleException) as later:
        slice_of(1).run()

    assert ["GET", "GET"] == [request["method"] for request in simulator.requests[before:]]
    assert later.value.reschedule_date >= datetime.now(UTC) + timedelta(seconds=8)  # Airflow may fail it sooner


@pytest.mark.parametrize("instant", [Instant.NOTED, Instant.ACCEPTED, Instant.KNOWN, Instant.WAITING])
def test_another_slice_gives_way_to_one_whose_worker_was_lost(slice_of, simulator, instant):
    """Airflow runs it before the retry is due; the data model still belongs to the slice that will be retried."""
    lost, other = slice_of(0).dies_at(instant), slice_of(1)
    lost.run_and_die()
    writes, starts = simulator.count("PUT", MODEL), simulator.starts("orders")

    with pytest.raises(AirflowRescheduleException):
        other.run()

    assert (writes, starts) == (simulator.count("PUT", MODEL), simulator.starts("orders"))
    lost.run()
    other.run()
    assert {0: ROWS_PER_DAY, 1: 2 * ROWS_PER_DAY} == ingested(simulator)
    assert 2 == simulator.starts("orders")


@pytest.mark.parametrize("deferrable", [True], ids=["deferrable"], indirect=True)
def test_a_worker_lost_on_resuming_starts_no_second_run_of_a_slice(slice_of, simulator):
    """The retry checks the SQL instead."""
    task = slice_of(0).dies_at(Instant.RESUMED)
    task.run_and_die()

    task.run()

    assert 1 == simulator.starts("orders")


def test_a_record_that_cannot_be_stored_has_no_effect(slice_of, simulator):
    """The SQL is written before the record, so the retry finds it and does not write it again."""
    task = slice_of(0)
    task.store.failing.add("set")
    with pytest.raises(ConnectionError):
        task.run()

    task.run()

    assert (1, 1) == (simulator.count("PUT", MODEL), simulator.starts("orders"))


def test_a_slice_whose_worker_is_lost_after_its_end_is_not_synced_again(slice_of, simulator):
    """Airflow repeats a task whose success it does not know."""
    task = slice_of(0)
    task.run()
    task.state = "up_for_retry"

    result = task.run()

    assert 1 == simulator.starts("orders")
    assert "2026-01-01T00:00:00+00:00" == result["window_start"]


def test_a_lost_answer_to_the_trigger_is_resolved_for_a_slice_too(slice_of, simulator):
    """A slice uses the same exactly-once start."""
    simulator.inject(Fault(path=TRIGGER, lose="after"))

    slice_of(0).run()

    assert 1 == simulator.starts("orders")


def test_an_outage_at_the_last_check_does_not_fail_a_run_that_succeeded(slice_of, simulator):
    """The run has succeeded, but mParticle fails for longer than a single call is repeated."""
    simulator.inject(Fault(method="GET", path=MODEL, status=503, skip=2, times=12))

    slice_of(0).run()

    assert (1, 15) == (simulator.starts("orders"), simulator.count("GET", MODEL))


def test_a_slice_whose_task_failed_for_good_does_not_stop_the_others(slice_of, simulator):
    """A backfill continues; the failed slice is synced again later, and no row is lost or doubled."""
    simulator.script_next_run("orders", errors=["The warehouse is asleep."])
    failed, other = slice_of(0), slice_of(1)
    with pytest.raises(RunFailedError):
        failed.run()
    failed.state = "failed"

    other.run()
    failed.clear()

    assert {0: ROWS_PER_DAY, 1: 2 * ROWS_PER_DAY} == ingested(simulator)


def test_a_retry_starts_a_new_run_after_a_failed_one(slice_of, simulator):
    """It ingested nothing, so the slice must still be synced."""
    simulator.script_next_run("orders", errors=["The warehouse is asleep."])
    task = slice_of(0)
    with pytest.raises(RunFailedError):
        task.run()

    task.run()

    assert 2 == simulator.starts("orders")
    assert 1 == simulator.count("PUT", MODEL)


def test_clearing_a_slice_that_timed_out_finds_its_run(slice_of, simulator):
    """The run continued in mParticle; another one would ingest the slice twice."""
    simulator.script_next_run("orders", [("running", None)])
    task = slice_of(0, timeout=0.1)
    with pytest.raises(RunTimeoutError):
        task.run()
    simulator.end_runs()
    task.options["timeout"] = 300.0

    task.clear()

    assert 1 == simulator.starts("orders")


def test_clearing_a_slice_whose_worker_died_for_good_finds_its_run(slice_of, simulator):
    """The run had ended before another slice took the data model, so it has read all its rows."""
    simulator.script_next_run("orders", [("running", None)])
    lost, other = slice_of(0).dies_at(Instant.WAITING), slice_of(1)
    lost.run_and_die()
    lost.state = "failed"
    simulator.end_runs()
    simulator.advance(1.2)  # mParticle may give instants without fractions
    other.run()

    lost.clear()

    assert {0: ROWS_PER_DAY, 1: 2 * ROWS_PER_DAY} == ingested(simulator)
    assert 2 == simulator.starts("orders")


def test_a_retry_looks_for_a_lost_run_again_and_a_clear_starts_another(slice_of, simulator):
    """mParticle may have lost it only for a while; a user who clears the task knows more."""
    simulator.script_next_run("orders", vanish_after_s=0.05)
    task = slice_of(0)
    for _ in range(2):
        with pytest.raises(RunLostError):
            task.run()

    task.clear()

    assert 2 == simulator.starts("orders")


def test_a_clear_does_not_look_for_a_failed_run(slice_of, start_simulator):
    """If only the latest run is shown, the run of another slice hides it by then."""
    simulator = start_simulator(run_s=0.1, run_routes=False)
    simulator.add_pipeline("orders")
    simulator.script_next_run("orders", errors=["The warehouse is asleep."])
    failed, other = slice_of(0), slice_of(1)
    with pytest.raises(RunFailedError):
        failed.run()
    failed.state = "failed"
    other.run()

    failed.clear()

    assert 3 == simulator.starts("orders")


@pytest.mark.parametrize("instant", [Instant.ACCEPTED, Instant.KNOWN, Instant.WAITING])
@pytest.mark.parametrize("next_try", ["run", "clear"])
def test_a_dag_whose_sql_is_edited_meanwhile_starts_no_second_run(slice_of, simulator, instant, next_try):
    """The run has read the SQL that the earlier try wrote, which has not changed."""
    task = slice_of(0).dies_at(instant)
    task.run_and_die()
    task.options["sql"] += " WHERE 1 = 1"

    getattr(task, next_try)()

    assert (1, 1) == (simulator.starts("orders"), simulator.count("PUT", MODEL))


def test_clearing_a_slice_that_succeeded_syncs_it_again(slice_of, simulator):
    """A user clears a task for that."""
    task = slice_of(0)
    task.run()

    task.clear()

    assert 2 == simulator.starts("orders")


def test_sql_that_changes_while_the_run_is_in_progress_fails_the_slice(slice_of, simulator):
    """It is not known which rows the run has read, so the task must not succeed."""
    task = slice_of(0).at(Instant.WAITING, lambda: write_sql(simulator, "SELECT 1"))

    with pytest.raises(AirflowFailException) as failed:
        task.run()

    assert isinstance(failed.value.__context__, DataModelChangedError)
    assert "It was changed outside of Airflow" in str(failed.value)
    task.clear()
    assert 2 == simulator.starts("orders")


def test_sql_that_changes_before_the_start_starts_nothing(slice_of, simulator):
    """The task is run again later and writes its own SQL again."""
    task = slice_of(0).at(Instant.NOTED, lambda: write_sql(simulator, "SELECT 1"))

    with pytest.raises(AirflowRescheduleException):
        task.run()

    assert 0 == simulator.starts("orders")
    task.run()
    assert {0: 2 * ROWS_PER_DAY, 1: ROWS_PER_DAY} == ingested(simulator)


def test_a_retry_that_finds_other_sql_does_not_guess(slice_of, simulator):
    """A run may have been started, and runs of others look the same."""
    task = slice_of(0).dies_at(Instant.NOTED)
    task.run_and_die()
    write_sql(simulator, "SELECT 1")

    with pytest.raises(StartAmbiguousError):
        task.run()

    assert 0 == simulator.starts("orders")
    task.clear()
    assert 1 == simulator.starts("orders")


def test_a_slice_waits_for_its_turn_no_longer_than_its_timeout(slice_of, simulator):
    """A task that never ends must not hold up the others without an error."""
    slice_of(0).dies_at(Instant.NOTED).run_and_die()
    other = slice_of(1)
    other.first_start = datetime.now(UTC) - timedelta(seconds=60)

    with pytest.raises(DataModelHeldError, match="run 'day 0'"):
        other.run()

    assert 0 == simulator.starts("orders")


@pytest.mark.parametrize("instant", [Instant.NOTED, Instant.ACCEPTED, Instant.KNOWN, Instant.WAITING])
def test_a_slice_without_a_task_state_store_is_read_once(slice_of, simulator, instant):
    """Its record is a variable."""
    task = slice_of(0, state_store=False).dies_at(instant)
    task.run_and_die()

    task.run()

    assert 1 == simulator.starts("orders")


def test_a_retry_stays_with_its_slice_whatever_its_templates_say_now(slice_of, simulator):
    """If a bound depends on the time, the retry would sync another slice, and start a second run."""
    task = slice_of(0).dies_at(Instant.ACCEPTED)
    task.run_and_die()
    task.options["window_end"] = (FIRST_DAY + timedelta(hours=30)).isoformat()

    result = task.run()

    assert "2026-01-02T00:00:00+00:00" == result["window_end"]
    assert 1 == simulator.starts("orders")


def test_another_run_in_progress_fails_the_slice_and_nothing_is_changed(slice_of, simulator):
    """Its run may still read the current SQL."""
    simulator.add_run("orders", "running")

    with pytest.raises(PipelineBusyError):
        slice_of(0).run()

    assert (0, 0) == (simulator.count("PUT", MODEL), simulator.starts("orders"))


def test_another_run_in_progress_is_waited_for_with_if_running_wait(slice_of, simulator):
    """The SQL is written only after it has ended."""
    simulator.add_run("orders", "running", ends_in_s=0.3)

    slice_of(0, if_running="wait").run()

    assert 1 == simulator.starts("orders")
    assert {0: 2 * ROWS_PER_DAY, 1: ROWS_PER_DAY} == ingested(simulator)
