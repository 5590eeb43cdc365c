"""Airflow 2.11 to 3.2 have no task state store, so the record of a start is an Airflow variable there."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowSkipException
from task_run import TRIGGER, Instant, Variables, facts, our_run

from airflow_provider_mparticle.client.errors import PipelineBusyError, RunFailedError
from airflow_provider_mparticle.simulator import Fault


@pytest.fixture
def task(new_task):
    """A task on an Airflow without a task state store."""
    return new_task(state_store=False)


@pytest.mark.parametrize("instant", [*Instant])
def test_a_worker_that_dies_makes_no_second_run(task, simulator, instant):
    """The retry has only the variable."""
    if instant is Instant.RESUMED and not task.options["deferrable"]:
        instant = Instant.WAITING
    task.dies_at(instant).run_and_die()

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_lost_answer_makes_no_second_run(task, simulator):
    """The try's own record is enough."""
    simulator.inject(Fault(path=TRIGGER, lose="after"))

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_retry_does_not_adopt_the_run_that_was_in_its_way(task, simulator):
    """Without any fault: the pipeline is busy, the task fails and is retried, and must not succeed with another run."""
    simulator.add_run("orders", "running")
    for _ in range(2):
        with pytest.raises(PipelineBusyError, match="run 13325 in progress"):
            task.run()

    assert 0 == simulator.starts("orders")
    assert task.kept is None


def test_the_variable_of_a_task_that_succeeded_is_deleted(task, simulator):
    """Only then does Airflow know of the success; until then a retry finds that the run has ended."""
    task.at(Instant.KNOWN, lambda: seen.append(task.kept["pipeline_run_id"]))
    seen = []

    task.run()

    assert [13325] == seen
    assert task.kept is None


def test_the_variable_of_a_task_that_was_skipped_is_deleted(new_task, simulator):
    """A run that read nothing may skip the task."""
    task = new_task(state_store=False, on_empty="skip")
    simulator.script_next_run("orders", [("success", None)], successful_records=0)

    with pytest.raises(AirflowSkipException):
        task.run()

    assert task.kept is None


def test_a_callback_of_the_dag_is_called_as_well(new_task, simulator):
    """The task adds its own callback after those of the DAG."""
    called = []
    task = new_task(state_store=False, on_success_callback=lambda context: called.append(context["ti"].task_id))

    task.run()

    assert ["sync"] == called
    assert task.kept is None


def test_a_task_that_failed_is_retried_and_cleared_as_usual(task, simulator):
    """Its variable stays, since the task may be run again."""
    for _ in range(3):
        simulator.script_next_run("orders", [("failed", None)])
    for _ in range(2):
        with pytest.raises(RunFailedError):
            task.run()
    assert 2 == simulator.starts("orders")

    with pytest.raises(RunFailedError):
        task.clear()

    assert 3 == simulator.starts("orders")


def test_a_first_try_does_not_read_what_a_deleted_dag_run_left(task, simulator):
    """A DAG run with the same id may have existed before, with tasks that failed."""
    task.dies_at(Instant.KNOWN).run_and_die()
    simulator.end_runs()
    task.try_number = 0

    task.run()

    assert 2 == simulator.starts("orders")


def test_nothing_is_started_while_airflow_does_not_store_the_variable(task, simulator):
    """Airflow 3 only logs that a variable was not stored."""
    task.store.failing.add("set")

    with pytest.raises(AirflowException, match="did not store the variable"):
        task.run()

    assert 0 == simulator.starts("orders")
    task.run()
    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize("instant", [*Instant])
def test_a_variable_that_could_not_be_read_makes_no_second_run(task, simulator, monkeypatch, instant):
    """Airflow only logs that the database or its API did not answer, and says that there is no such variable."""
    if instant is Instant.RESUMED and not task.options["deferrable"]:
        instant = Instant.WAITING
    task.dies_at(instant).run_and_die()
    simulator.end_runs()
    lost = iter([True])
    get = Variables.get
    monkeypatch.setattr(Variables, "get", lambda key, default: default if next(lost, False) else get(key, default))

    with pytest.raises(AirflowException, match=r"could not read the variable .* Retry the task"):
        task.run()
    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_tasks_of_other_dag_runs_have_other_variables(new_task, simulator):
    """The name of the variable has everything that identifies a task instance."""
    ids = [{}, {"run_id": "manual__2"}]
    tasks = [new_task(state_store=False, **given).dies_at(Instant.KNOWN) for given in ids]
    for task in tasks:
        task.run_and_die()
        simulator.end_runs()

    assert 2 == len({key for task in tasks for key in task.store.kept})
