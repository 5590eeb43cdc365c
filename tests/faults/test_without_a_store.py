"""Airflow 2.11 to 3.2 keep no record between tries: what is promised there, and where it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from task_run import TRIGGER, Instant, facts, our_run

from airflow_provider_mparticle.client.errors import PipelineBusyError, StartAmbiguousError
from airflow_provider_mparticle.simulator import Fault

LONG_RUN = [("running", 0.5), ("success", None)]


@pytest.fixture
def task(new_task):
    """A task on an Airflow without a task state store."""
    return new_task(store=False)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(path=TRIGGER, status=503), id="answered 503 once"),
        pytest.param(Fault(path=TRIGGER, lose="after"), id="accepted, answer lost"),
    ],
)
def test_an_ambiguous_start_is_resolved_within_the_try(task, simulator, fault):
    """What the try itself noted is enough for that."""
    simulator.inject(fault)

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize("instant", [Instant.KNOWN, Instant.WAITING])
def test_a_retry_reattaches_to_a_manual_run_in_progress_from_this_dag_run(task, simulator, instant):
    """It began after the DAG run did and is still in progress, so it very likely is ours."""
    simulator.script_next_run("orders", LONG_RUN)
    task.dies_at(instant).run_and_die()

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_task_that_does_not_wait_reattaches_as_well(new_task, simulator):
    """Nobody looks at the run afterwards, so a second one would go unnoticed."""
    simulator.script_next_run("orders", LONG_RUN)
    task = new_task(store=False, wait_for_completion=False).dies_at(Instant.KNOWN)
    task.run_and_die()

    result = task.run()

    assert (13325, 1) == (result["pipeline_run_id"], simulator.starts("orders"))


def test_a_retry_does_not_reattach_to_an_older_run(task, simulator):
    """A run from before the DAG run is somebody else's."""
    simulator.add_run("orders", "running", started_on=datetime.now(UTC) - timedelta(minutes=5))
    with pytest.raises(PipelineBusyError):
        task.run()

    with pytest.raises(PipelineBusyError, match="run 13325 in progress"):
        task.run()

    assert 0 == simulator.starts("orders")


def test_a_retry_does_not_reattach_to_a_scheduled_run(task, simulator):
    """The schedule starts no run of ours."""
    task.dag_run_began = datetime.now(UTC) - timedelta(minutes=5)
    simulator.add_run("orders", "running", type="scheduled")
    with pytest.raises(PipelineBusyError):
        task.run()

    with pytest.raises(PipelineBusyError, match="run 13325 in progress"):
        task.run()

    assert 0 == simulator.starts("orders")


def test_a_first_try_does_not_take_somebody_elses_run(task, simulator):
    """Nothing of ours can have begun before the first try."""
    task.dag_run_began = datetime.now(UTC) - timedelta(minutes=5)
    simulator.add_run("orders", "running")

    with pytest.raises(PipelineBusyError, match="run 13325 in progress"):
        task.run()

    assert 0 == simulator.starts("orders")


def test_a_retry_after_the_run_ended_starts_no_second_one(task, simulator):
    """The run began while the earlier try did, so it is the task's own."""
    simulator.script_next_run("orders", [("success", None)])
    task.dies_at(Instant.KNOWN).run_and_die()

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_retry_does_not_adopt_the_run_that_was_in_its_way(task, simulator):
    """No fault at all: the pipeline is busy, the task fails and is retried, and must not be green for another run."""
    task.dag_run_began = datetime.now(UTC) - timedelta(hours=1)
    simulator.add_run("orders", "running", started_on=datetime.now(UTC) - timedelta(minutes=10))
    with pytest.raises(PipelineBusyError):
        task.run()

    with pytest.raises(PipelineBusyError, match="run 13325 in progress"):
        task.run()

    assert 0 == simulator.starts("orders")


def test_a_retry_that_is_told_nothing_of_earlier_tries_says_so(task, simulator):
    """Airflow 3.0 to 3.2: the run in progress may be the task's own, so neither adopting nor refusing is right."""
    task.dag_run_began = datetime.now(UTC) - timedelta(hours=1)
    simulator.add_run("orders", "running", started_on=datetime.now(UTC) - timedelta(minutes=10))
    with pytest.raises(PipelineBusyError):
        task.run()
    task.tells_first_start = False

    with pytest.raises(StartAmbiguousError, match="run 13325 may be the one that this task started"):
        task.run()

    assert 0 == simulator.starts("orders")
