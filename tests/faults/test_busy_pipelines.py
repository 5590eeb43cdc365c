"""Another run is in progress, or two tasks start at once: the task does what ``if_running`` says."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException
from task_run import POLL, TRIGGER, Instant, WorkerLost, facts, our_run

from airflow_provider_mparticle.client.errors import PipelineBusyError, RunFailedError
from airflow_provider_mparticle.simulator import Fault

# In progress until the test ends it, on a machine of any speed.
ENDLESS_RUN = [("running", None)]


def outcome_of(make_try):
    """The result of a try: the id of the run, or the kind of exception."""
    try:
        return make_try()["pipeline_run_id"]
    except (PipelineBusyError, AirflowSkipException) as error:
        return type(error)


@pytest.mark.parametrize(
    ("if_running", "outcome", "starts"),
    [
        pytest.param("fail", PipelineBusyError, 0, id="fail"),
        pytest.param("wait", 13326, 1, id="wait"),
        pytest.param("attach", 13325, 0, id="attach"),
        pytest.param("skip", AirflowSkipException, 0, id="skip"),
    ],
)
def test_the_task_handles_a_run_in_progress_as_if_running_says(new_task, simulator, if_running, outcome, starts):
    """A busy pipeline is a normal case, not an error."""
    task = new_task(if_running=if_running).at(Instant.WAITING, simulator.end_runs)
    simulator.add_run("orders", "running")

    came_of_it = outcome_of(task.run)

    assert (outcome, starts) == (came_of_it, simulator.starts("orders"))
    assert starts == simulator.count("POST", TRIGGER)


def test_the_run_in_the_way_is_named(task, simulator):
    """A reader of the error wants to see that run, and to know the options."""
    simulator.add_run("orders", "running")

    with pytest.raises(PipelineBusyError, match=r"run 13325 in progress.*if_running='wait'") as failed:
        task.run()

    assert ("orders", 13325) == (failed.value.pipeline_id, failed.value.pipeline_run_id)


@pytest.mark.parametrize(
    ("if_running", "outcomes", "starts"),
    [
        ("fail", {13325, PipelineBusyError}, 1),
        ("wait", {13325, 13326}, 2),
        ("attach", {13325}, 1),
        ("skip", {13325, AirflowSkipException}, 1),
    ],
    ids=["fail", "wait", "attach", "skip"],
)
def test_two_dag_runs_at_once_do_what_if_running_says(new_task, simulator, if_running, outcomes, starts):
    """Both saw an idle pipeline before they sent their requests, so the second request finds a busy one."""
    simulator.script_next_run("orders", ENDLESS_RUN)
    both_have_looked = threading.Barrier(2, timeout=60)
    tasks = [new_task(if_running=if_running).at(Instant.NOTED, both_have_looked.wait) for _ in range(2)]
    both_wait_or_have_given_up = threading.Barrier(2, simulator.end_runs, timeout=60)

    def outcome_of_one(task):
        came_of_it = outcome_of(task.at(Instant.WAITING, both_wait_or_have_given_up.wait).run)
        if isinstance(came_of_it, type):
            both_wait_or_have_given_up.wait()
        return came_of_it

    with ThreadPoolExecutor() as pool:
        came_of_it = set(pool.map(outcome_of_one, tasks))

    assert outcomes == came_of_it
    assert starts == simulator.starts("orders")


@pytest.mark.parametrize("ends_as", ["success", "failed"])
def test_ours_starts_however_the_other_run_ends(new_task, simulator, ends_as):
    """With ``if_running="wait"`` the task only waits for the end of the other run, not for its success."""
    other = simulator.add_run("orders", "running")

    result = new_task(if_running="wait").at(Instant.WAITING, lambda: simulator.end_runs(ends_as)).run()

    assert our_run(simulator) == facts(result)
    assert other["pipeline_run_id"] != result["pipeline_run_id"]
    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize("ends_as", ["success", "failed"])
@pytest.mark.parametrize("reads", [1, 2, 30])
@pytest.mark.parametrize("others", [1, 2])
def test_a_list_that_is_behind_does_not_hold_up_the_start(new_task, simulator, ends_as, reads, others):
    """The other run has ended, so waiting for its end again would take no time, and would be repeated without end."""
    ids = [simulator.add_run("orders", "running")["pipeline_run_id"] for _ in range(others)]
    behind = [{"pipeline_run_id": run_id, "type": "manual", "status": "running"} for run_id in ids]
    simulator.inject(Fault(path=POLL, times=None))  # the route of one run answers as usual
    simulator.inject(Fault(method="GET", path="/status/runs", times=reads, body=behind))

    result = new_task(if_running="wait").at(Instant.WAITING, lambda: simulator.end_runs(ends_as)).run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")
    assert simulator.count("GET", "/status/runs") < 15


def test_an_attached_run_that_fails_fails_the_task(new_task, simulator):
    """With ``if_running="attach"`` its outcome is that of the task."""
    other = simulator.add_run("orders", "running", errors=["Theirs broke."])
    task = new_task(if_running="attach").at(Instant.WAITING, lambda: simulator.end_runs("failed"))

    with pytest.raises(RunFailedError, match="Theirs broke") as failed:
        task.run()

    assert (other["pipeline_run_id"], 0) == (failed.value.pipeline_run_id, simulator.starts("orders"))


def test_a_start_refused_as_busy_after_a_lost_answer_is_ours(task, simulator):
    """The first request arrived late: the second is refused because of the run that the first one started."""
    simulator.script_next_run("orders", ENDLESS_RUN)
    task.at(Instant.WAITING, simulator.end_runs)
    simulator.inject(Fault(path=TRIGGER, lose="after"))
    simulator.inject(Fault(method="GET", path="/status/runs", skip=1, times=4, body=[]))  # not shown at first

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert (1, 2) == (simulator.starts("orders"), simulator.count("POST", TRIGGER))


@pytest.mark.parametrize("sent", [False, True], ids=["met before the start", "met by the start"])
def test_a_run_waited_for_is_not_taken_for_ours_by_a_retry(new_task, simulator, sent):
    """A worker that dies while it waits for another run has not started one yet."""
    task = new_task(if_running="wait")
    if sent:
        task.at(Instant.NOTED, lambda: simulator.add_run("orders", "running"))
    else:
        simulator.add_run("orders", "running")
    task.dies_at(Instant.WAITING).run_and_die()
    task.at(Instant.WAITING, simulator.end_runs)

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert (13326, 1) == (result["pipeline_run_id"], simulator.starts("orders"))


def test_a_task_resumed_after_the_other_run_starts_ours_without_what_was_deferred(new_task, simulator):
    """Airflow's dag.test() drops all arguments of a deferral but the event."""
    task = new_task(if_running="wait", wait_for_completion=False)
    others = {"pipeline_id": "orders", "pipeline_run_id": 1, "state": "success"}

    result = task.resume("execute_after_other_run", {"status": "success", "run": others})

    assert our_run(simulator)["pipeline_run_id"] == result["pipeline_run_id"]
    assert 1 == simulator.starts("orders")


def test_a_skipped_task_that_runs_again_does_not_take_the_other_run_for_its_own(new_task, simulator):
    """Airflow may not know of the skip, and the other run has ended since then."""
    task = new_task(if_running="skip")
    task.at(Instant.NOTED, lambda: simulator.add_run("orders", "running"))
    with pytest.raises(AirflowSkipException):
        task.run()
    simulator.end_runs()

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert (13326, 1) == (result["pipeline_run_id"], simulator.starts("orders"))


def test_a_task_cleared_after_success_starts_a_second_run(task, simulator):
    """A user who clears a task wants its work to be done again."""
    first = task.run()

    second = task.clear()

    assert our_run(simulator) == facts(second)
    assert first["pipeline_run_id"] != second["pipeline_run_id"]
    assert 2 == simulator.starts("orders")


def test_a_retry_after_a_clear_reattaches_to_the_second_run(task, simulator):
    """After the clear, retries reattach to the run of the clear."""
    task.run()
    simulator.script_next_run("orders", ENDLESS_RUN)
    task.dies_at(Instant.KNOWN)
    with pytest.raises(WorkerLost):
        task.clear()
    task.at(Instant.WAITING, simulator.end_runs)

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 2 == simulator.starts("orders")


@pytest.mark.parametrize(
    ("if_running", "outcome", "starts"),
    [("fail", PipelineBusyError, 1), ("wait", 13326, 2), ("attach", 13325, 1), ("skip", AirflowSkipException, 1)],
    ids=["fail", "wait", "attach", "skip"],
)
def test_a_task_cleared_while_its_run_continues_does_what_if_running_says(
    new_task, simulator, if_running, outcome, starts
):
    """The user wants a new run, so the old run counts as any other run in progress."""
    simulator.script_next_run("orders", ENDLESS_RUN)
    task = new_task(if_running=if_running).dies_at(Instant.KNOWN)
    task.run_and_die()
    task.at(Instant.WAITING, simulator.end_runs)

    came_of_it = outcome_of(task.clear)

    assert (outcome, starts) == (came_of_it, simulator.starts("orders"))


def test_a_clear_of_a_running_task_is_a_retry(task, simulator):
    """Airflow 3.3 restarts it with the same ``max_tries``; its run continues, so the task reattaches to it."""
    simulator.script_next_run("orders", ENDLESS_RUN)
    task.dies_at(Instant.WAITING).run_and_die()
    task.clear_number += 1
    task.at(Instant.WAITING, simulator.end_runs)

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")
