"""Complete DAGs on a real Airflow, in one process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from main_job import main_job

from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault
from airflow_provider_mparticle.tasks.task_context import first_start


@pytest.fixture(params=["v2", "v1", "v2 without run routes"])
def mparticle(request: pytest.FixtureRequest, start_simulator: Callable[..., Simulator]) -> Simulator:
    """An mParticle with everything that the main job's pipeline refers to, in each layout."""
    layout, _, restriction = request.param.partition(" ")
    simulator = start_simulator(layout=layout, run_routes=not restriction)
    simulator.add_pipeline("orders")
    return simulator


def states(dag_run: Any) -> dict[str, str]:
    """The final state of each task."""
    return {task.task_id: str(task.state) for task in dag_run.get_task_instances()}


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "in the worker"])
def test_the_main_job(run_dag: Callable[[Any], Any], mparticle: Simulator, deferrable: bool) -> None:
    """It works with any routes and field names that the connection has."""
    run = run_dag(main_job("main_job", deferrable=deferrable))

    assert {"create": "success", "trigger": "success", "sense": "success"} == states(run)
    assert 1 == mparticle.starts("refunds")
    assert ["success"] == [one["status"] for one in mparticle.runs("refunds")]


def test_the_main_job_can_be_run_again(run_dag: Callable[[Any], Any], simulator: Simulator) -> None:
    """The pipeline is reused, and each DAG run starts its own run."""
    first = run_dag(main_job("main_job_again", deferrable=True))
    second = run_dag(main_job("main_job_again", deferrable=True))

    assert ["success", "success"] == [first.state, second.state]
    assert 2 == simulator.starts("refunds")
    assert 1 == simulator.count("POST", "/inputs/data-pipelines") - simulator.count("POST", "/trigger")
    assert 1 == simulator.tokens_minted


def test_a_deferred_trigger_succeeds(run_dag: Callable[[Any], Any], simulator: Simulator) -> None:
    """The main job in one task, without a worker slot."""
    with DAG("deferred_trigger", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        MParticleTriggerPipelineOperator(
            task_id="sync", pipeline_id="orders", deferrable=True, poll_interval=0.2, timeout=60
        )

    run = run_dag(dag)

    assert "success" == run.state
    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "in the worker"])
def test_a_failed_run_fails_the_dag(run_dag: Callable[[Any], Any], simulator: Simulator, deferrable: bool) -> None:
    """The next tasks must not run without their data."""
    simulator.add_pipeline("refunds")
    simulator.script_next_run("refunds", errors=["The warehouse is closed."])

    run = run_dag(main_job("main_job_fails", deferrable=deferrable))

    assert {"create": "success", "trigger": "success", "sense": "failed"} == states(run)
    assert "failed" == run.state


def test_a_lost_answer_starts_no_second_run(run_dag: Callable[[Any], Any], simulator: Simulator) -> None:
    """The pipeline and its run exist once, although both answers were lost."""
    simulator.inject(Fault(method="POST", path="/inputs/data-pipelines", lose="after"))
    simulator.inject(Fault(method="POST", path="/trigger", lose="after"))

    run = run_dag(main_job("main_job_lost", deferrable=True))

    assert "success" == run.state
    assert 1 == simulator.starts("refunds")


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "in the worker"])
def test_the_trigger_waits_for_another_run(
    run_dag: Callable[[Any], Any], simulator: Simulator, deferrable: bool
) -> None:
    """With if_running='wait' it then starts its own run, also in ``dag.test()``, which drops some arguments."""
    with DAG("wait_for_other", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        MParticleTriggerPipelineOperator(
            task_id="sync",
            pipeline_id="orders",
            deferrable=deferrable,
            if_running="wait",
            poll_interval=0.2,
            timeout=60,
        )
    run_dag(dag)  # the first DAG run of a process takes its time
    theirs = simulator.add_run("orders", "running", ends_in_s=2)

    run = run_dag(dag)

    assert "success" == run.state
    assert 2 == simulator.starts("orders")
    other, ours = simulator.runs("orders")[-2:]
    assert theirs["pipeline_run_id"] == other["pipeline_run_id"]
    assert datetime.fromisoformat(other["ended_on"]) <= datetime.fromisoformat(ours["started_on"])


def test_the_status_of_a_new_pipeline_may_be_missing(
    run_dag: Callable[[Any], Any], start_simulator: Callable[..., Simulator]
) -> None:
    """For about a minute after its creation the status answers 404, although the run has started."""
    simulator = start_simulator(status_404_s=3600)
    simulator.add_pipeline("orders")

    run = run_dag(main_job("main_job_new", deferrable=True))

    assert "success" == run.state
    assert 1 == simulator.starts("refunds")


def test_a_first_start_that_is_told_as_a_text_is_read() -> None:
    """``dag.test()`` of Airflow 3.0 and 3.1 tells it so for a rescheduled task."""
    context: Any = {"ti": SimpleNamespace(get_first_reschedule_date=lambda _: "2026-11-27T11:53:32.690273Z")}

    assert datetime(2026, 11, 27, 11, 53, 32, 690273, tzinfo=UTC) == first_start(context)
