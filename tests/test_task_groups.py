"""Many pipelines in one DAG on a real Airflow: each has its own run and its own record."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault
from airflow_provider_mparticle.task_groups import mparticle_sync_group

PIPELINES = ("customers", "invoices", "products", "refunds")
EXAMPLE = Path(__file__).parents[1] / "example_dags" / "sync_many_pipelines.py"


@pytest.fixture
def many(start_simulator: Callable[..., Simulator], request: pytest.FixtureRequest) -> Simulator:
    """A simulator with four pipelines, whose runs take half a second or the time that a test sets."""
    simulator = start_simulator(run_s=getattr(request, "param", 0.5))
    for pipeline_id in PIPELINES:
        simulator.add_pipeline(pipeline_id)
    return simulator


def states(dag_run: Any) -> dict[int, str]:
    """The final state of each mapped task."""
    return {task.map_index: str(task.state) for task in dag_run.get_task_instances()}


def starts(simulator: Simulator) -> dict[str, int]:
    """The number of starts of each pipeline."""
    return {pipeline_id: simulator.starts(pipeline_id) for pipeline_id in PIPELINES}


@pytest.mark.parametrize(
    "many",
    [
        pytest.param(0.0, id="runs end at once"),
        # The example has the poll interval of real life.
        pytest.param(0.5, id="tasks defer", marks=pytest.mark.slow),
    ],
    indirect=True,
)
def test_the_example_syncs_each_pipeline_once(run_dag: Callable[[Any], Any], many: Simulator) -> None:
    """Each pipeline has one task, whatever the form of its arguments."""
    run = run_dag(runpy.run_path(str(EXAMPLE))["dag"])

    assert "success" == run.state
    assert dict.fromkeys(PIPELINES, 1) == starts(many)


def test_a_pipeline_that_fails_does_not_stop_the_others(run_dag: Callable[[Any], Any], many: Simulator) -> None:
    """The DAG run fails, so that users notice it."""
    many.script_next_run("invoices", errors=["The warehouse is closed."])
    with DAG("sync_group_with_a_failure", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        mparticle_sync_group(PIPELINES, max_active=2, deferrable=True, poll_interval=0.2, timeout=60)

    run = run_dag(dag)

    assert {0: "success", 1: "failed", 2: "success", 3: "success"} == states(run)
    assert "failed" == run.state
    assert dict.fromkeys(PIPELINES, 1) == starts(many)


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "in the worker"])
def test_a_mapped_task_finds_its_own_run_again(
    run_dag: Callable[[Any], Any], many: Simulator, deferrable: bool
) -> None:
    """Each map index has its own record: after lost answers it starts no second run, and uses no other run."""
    many.inject(Fault(method="POST", path="/trigger", lose="after", times=len(PIPELINES)))
    with DAG(f"mapped_triggers_{deferrable}", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        MParticleTriggerPipelineOperator.partial(
            task_id="sync", deferrable=deferrable, poll_interval=0.2, timeout=60
        ).expand(pipeline_id=PIPELINES)

    run = run_dag(dag)

    assert dict.fromkeys(range(len(PIPELINES)), "success") == states(run)
    assert dict.fromkeys(PIPELINES, 1) == starts(many)


@pytest.mark.parametrize("options", [{"deferrable": True}, {}, {"mode": "reschedule"}], ids=str)
def test_a_mapped_sensor_waits_for_its_own_run(
    run_dag: Callable[[Any], Any], many: Simulator, options: dict[str, Any]
) -> None:
    """Each mode of the sensor is tested."""
    for pipeline_id in PIPELINES:
        many.add_run(pipeline_id, "failed" if pipeline_id == "products" else "success")
    dag_id = f"mapped_sensors_{'_'.join(map(str, options.values()))}"
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        MParticlePipelineRunSensor.partial(task_id="wait", poll_interval=1, timeout=60, **options).expand(
            pipeline_id=PIPELINES
        )

    assert {0: "success", 1: "success", 2: "failed", 3: "success"} == states(run_dag(dag))


def test_the_limit_reaches_airflow() -> None:
    """Airflow enforces the limit for all runs of the DAG, and since 3.2.2 also for deferred tasks."""
    with DAG("sync_group_limit", schedule=None) as dag:
        mparticle_sync_group(["orders"], max_active=3)

    assert 3 == dag.get_task("mparticle_sync.sync").partial_kwargs["max_active_tis_per_dag"]


@pytest.mark.parametrize(
    ("pipelines", "max_active", "words"),
    [
        ([], 5, "at least one pipeline"),
        ([{"min_records": 1}], 5, "each a pipeline_id"),
        (["orders", {"pipeline_id": "orders"}], 5, "'orders' twice"),
        (["orders"], 0, "at least 1"),
    ],
)
def test_malformed_arguments_are_refused_while_the_dag_is_parsed(
    pipelines: list[Any], max_active: int, words: str
) -> None:
    """Two tasks for one pipeline would compete for one run."""
    with DAG("sync_group_malformed", schedule=None), pytest.raises(ValueError, match=words):
        mparticle_sync_group(pipelines, max_active=max_active)
