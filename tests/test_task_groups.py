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
        ([{"min_records": 1}], 5, "mappings with a slug as pipeline_id"),
        (["orders", {"pipeline_id": "orders"}], 5, "'orders' twice"),
        (["orders", " orders\n"], 5, "'orders' twice"),
        (["orders"], 0, "at least 1"),
        *((["orders"], odd, "a whole number of at least 1") for odd in ("5", True, 2.5, None)),
        *((odd, 5, "must be a list of slugs or mappings") for odd in ("orders", b"ab", {"orders": {}}, None, 7)),
        # The order of a set differs in each process, so a worker would sync another pipeline than the planned one.
        *((odd, 5, r"not a set.* Pass sorted") for odd in ({"orders", "refunds"}, frozenset({"orders"}))),
        *(([odd], 5, "must have slugs, or mappings") for odd in (7, None, "", " ", ["orders"], {"pipeline_id": 7})),
        ([{"pipeline_id": "orders", "poll_intervall": 5}], 5, "'orders' has poll_intervall. It can have deferrable,"),
        ([{"pipeline_id": "orders", "retries": 5}], 5, "'orders' has retries. .* for all pipelines"),
        ([{"pipeline_id": "orders", "task_id": "a"}], 5, "'orders' has task_id"),
    ],
)
def test_malformed_arguments_are_refused_while_the_dag_is_parsed(
    pipelines: list[Any], max_active: int, words: str
) -> None:
    """Two tasks for one pipeline would compete for one run."""
    with DAG("sync_group_malformed", schedule=None), pytest.raises(ValueError, match=words):
        mparticle_sync_group(pipelines, max_active=max_active)


def test_a_list_that_a_task_returns_is_refused_with_the_operator_to_use() -> None:
    """It is not known while the DAG file is parsed."""
    with DAG("sync_group_of_a_task", schedule=None), pytest.raises(ValueError, match=r"expand\(pipeline_id=...\)"):
        mparticle_sync_group(MParticleTriggerPipelineOperator(task_id="list", pipeline_id="orders").output)


def test_the_pipelines_are_named_once() -> None:
    """The argument would be the same for all of them."""
    with DAG("sync_group_named_twice", schedule=None), pytest.raises(ValueError, match="Leave pipeline_id out"):
        mparticle_sync_group(["orders"], pipeline_id="orders")


def test_an_argument_of_one_pipeline_takes_precedence(run_dag: Callable[[Any], Any], many: Simulator) -> None:
    """Airflow refuses an argument that is given for all tasks and for each, when the task runs and at every retry."""
    customers = {"pipeline_id": "customers", "min_records": 10**9}
    with DAG("sync_group_precedence", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        mparticle_sync_group([customers, *PIPELINES[1:]], min_records=0, poll_interval=0.2)

    run = run_dag(dag)

    assert dict.fromkeys(PIPELINES, 1) == starts(many)
    assert {0: "failed", 1: "success", 2: "success", 3: "success"} == states(run)
