"""Workers and triggerers die at any instant; the next try finds the run of the previous one."""

from __future__ import annotations

import json

import pytest
from task_run import TRIGGER, Instant, facts, our_run

from airflow_provider_mparticle.client.errors import MParticleError, PipelineBusyError, StartAmbiguousError
from airflow_provider_mparticle.simulator import Fault

# In progress until the test ends it, on a machine of any speed.
ENDLESS_RUN = [("running", None)]


@pytest.mark.parametrize(
    "instant",
    [
        pytest.param(Instant.ACCEPTED, id="start accepted, id not stored"),
        pytest.param(Instant.KNOWN, id="id stored"),
        pytest.param(Instant.WAITING, id="waiting"),
    ],
)
@pytest.mark.parametrize("ends", [False, True], ids=["run continues", "run ended meanwhile"])
def test_a_retry_reattaches_to_the_run_of_a_lost_worker(task, simulator, instant, ends):
    """A second run would cost money and duplicate data."""
    simulator.script_next_run("orders", ENDLESS_RUN)
    task.dies_at(instant).run_and_die()
    if ends:
        simulator.end_runs()
    else:
        task.at(Instant.WAITING, simulator.end_runs)

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert our_run(simulator)["pipeline_run_id"] == task.xcoms["pipeline_run_id"]
    assert 1 == simulator.starts("orders")


def test_a_worker_lost_before_the_start_leaves_the_start_to_the_retry(task, simulator):
    """The record has no run, and the runs show that none began."""
    task.dies_at(Instant.NOTED).run_and_die()

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert (1, 1) == (simulator.starts("orders"), simulator.count("POST", TRIGGER))


def test_a_worker_lost_several_times_still_makes_one_run(task, simulator):
    """Several workers may die, for example when a node is drained."""
    simulator.script_next_run("orders", ENDLESS_RUN)
    for instant in (Instant.NOTED, Instant.ACCEPTED, Instant.KNOWN, Instant.WAITING):
        task.dies_at(instant).run_and_die()

    result = task.at(Instant.WAITING, simulator.end_runs).run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_worker_lost_after_a_lost_answer_still_makes_one_run(start_simulator, new_task):
    """Two faults at once: mParticle did not give the id, and the worker that looked for the run has died."""
    simulator = start_simulator(run_s=0.1, trigger_answer="empty")
    simulator.add_pipeline("orders")
    simulator.inject(Fault(path=TRIGGER, lose="after"))
    task = new_task().dies_at(Instant.ACCEPTED)
    task.run_and_die()

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_retry_starts_a_new_run_if_the_run_of_the_lost_worker_failed(task, simulator):
    """The run is known to have failed, so reattaching to it does not help."""
    simulator.script_next_run("orders", [("failed", None)])
    task.dies_at(Instant.ACCEPTED).run_and_die()

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 2 == simulator.starts("orders")


@pytest.mark.parametrize("deferrable", [True], ids=["deferrable"], indirect=True)
def test_a_lost_triggerer_is_replaced_by_another(new_task, simulator):
    """Airflow makes the trigger again from the form in which it stored it; nothing else may be needed."""
    simulator.script_next_run("orders", ENDLESS_RUN)
    task = new_task(triggerers_lost=2)

    result = task.at(Instant.WAITING, simulator.end_runs).run()

    assert our_run(simulator) == facts(result)
    assert (1, 1) == (simulator.starts("orders"), len(task.deferrals))


@pytest.mark.parametrize("deferrable", [True], ids=["deferrable"], indirect=True)
def test_a_worker_lost_on_resuming_is_replaced_by_a_retry(task, simulator):
    """The event dies with the worker, and the next try polls mParticle."""
    simulator.script_next_run("orders", ENDLESS_RUN)
    task.at(Instant.WAITING, simulator.end_runs).dies_at(Instant.RESUMED).run_and_die()

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_worker_lost_after_its_work_is_done_makes_no_second_run(task, simulator):
    """Airflow repeats a task whose success it does not know."""
    first = task.run()

    again = task.run()

    assert first == again
    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize("instant", [Instant.ACCEPTED, Instant.KNOWN, None], ids=["before storing", "after it", "done"])
def test_a_task_that_does_not_wait_starts_once_whatever_dies(new_task, simulator, instant):
    """No task waits for the run, so a second one would not be noticed."""
    task = new_task(wait_for_completion=False)
    if instant:
        task.dies_at(instant).run_and_die()
    else:
        task.run()

    result = task.run()

    assert our_run(simulator)["pipeline_run_id"] == result["pipeline_run_id"]
    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize(("method", "calls"), [("get", 1), ("set", 1), ("delete", 0)])
def test_a_store_that_fails_costs_a_try_and_no_run(task, simulator, method, calls):
    """Airflow's API server may fail as well; without a record nothing is started."""
    task.store.failing.add(method)
    if calls:
        with pytest.raises(ConnectionError):
            task.run()
    before = simulator.starts("orders")

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert (0, 1) == (before, simulator.starts("orders"))


def test_a_store_that_fails_after_the_start_makes_no_second_run(task, simulator):
    """The run has begun, and only the record from before the start shows it."""
    task.at(Instant.NOTED, lambda: task.store.failing.add("set"))
    with pytest.raises(ConnectionError):
        task.run()

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize(
    "damage", [{"max_tries": "0"}, {"pipeline_id": ["orders"]}, {"sent_at": "now"}, {"slice_id": 7}]
)
def test_a_damaged_record_starts_nothing_and_is_named(task, simulator, damage):
    """A second run might be the result; so the task says which record to delete."""
    task.dies_at(Instant.KNOWN).run_and_die()
    [(key, record)] = task.store.kept.items()
    task.store.kept[key] = json.dumps({**json.loads(record), **damage})

    with pytest.raises(StartAmbiguousError, match=f"cannot be read: {next(iter(damage))} is .* delete .*, then clear"):
        task.run()

    assert 1 == simulator.starts("orders")


def test_a_store_that_fails_at_the_end_makes_no_second_run(task, simulator):
    """The run has succeeded; a retry finds that."""
    task.at(Instant.KNOWN, lambda: task.store.failing.add("set"))
    with pytest.raises(ConnectionError):
        task.run()

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize("method", ["execute_complete", "execute_after_other_run"])
@pytest.mark.parametrize(
    "event",
    [
        pytest.param(None, id="None"),
        pytest.param({}, id="empty"),
        pytest.param({"status": "running", "run": {}}, id="unknown status"),
        pytest.param({"status": "success"}, id="no run"),
        pytest.param({"status": "success", "run": {"pipeline_id": "orders", "state": "success"}}, id="no run id"),
        pytest.param({"status": "error", "run": {}, "error": {"kind": "Surprise", "message": ""}}, id="unknown error"),
    ],
)
def test_a_resume_event_of_another_shape_fails_the_task(task, simulator, method, event):
    """Otherwise a task could succeed without knowing how its run ended."""
    with pytest.raises(MParticleError, match="does not say how the run ended"):
        task.resume(method, event)

    assert [] == simulator.requests


@pytest.mark.parametrize("event_gone", [None, {"status": "error"}], ids=["None", "missing keys"])
def test_a_retry_after_a_bad_event_reattaches(task, simulator, event_gone):
    """The message of the error says so."""
    task.dies_at(Instant.KNOWN).run_and_die()
    with pytest.raises(MParticleError, match="the retry reattaches to the run"):
        task.resume("execute_complete", event_gone)

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_record_for_another_pipeline_does_not_count(task, simulator):
    """The author of the DAG may have changed the pipeline of the task between two tries."""
    simulator.add_pipeline("customers")
    task.dies_at(Instant.KNOWN).run_and_die()
    task.options["pipeline_id"] = "customers"

    result = task.run()

    assert ("customers", 1, 1) == (result["pipeline_id"], simulator.starts("orders"), simulator.starts("customers"))


def test_a_record_survives_a_retry_that_cannot_read_the_runs(new_task, simulator):
    """If the API fails during the retry, the run of the first try must not be forgotten."""
    task = new_task(if_running="fail").dies_at(Instant.ACCEPTED)
    task.run_and_die()
    simulator.fail_next(503, path="/status", times=None)
    with pytest.raises(MParticleError):
        task.run()
    simulator.clear_faults()

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert (1, 1) == (simulator.starts("orders"), simulator.count("POST", TRIGGER))


def test_a_lost_worker_and_a_busy_pipeline_do_not_mix_up_runs(task, simulator):
    """A worker dies before its start, while the schedule starts a run: that run is not ours."""
    task.dies_at(Instant.NOTED).run_and_die()
    simulator.add_run("orders", "running", type="scheduled")

    with pytest.raises(PipelineBusyError, match="run 13325 in progress"):
        task.run()

    assert 0 == simulator.starts("orders")
