"""Asset events of tasks, read back from the database of a real Airflow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, Asset, AssetAlias

from airflow_provider_mparticle.assets import pipeline_asset
from airflow_provider_mparticle.operators import MParticleSyncSliceOperator, MParticleTriggerPipelineOperator
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.simulator import Simulator

PIPELINES = ("customers", "refunds")


def events(dag_id: str) -> list[tuple[str, dict[str, Any]]]:
    """The address and the extra of each event of a DAG's tasks, in order."""
    from airflow.utils.session import create_session

    try:
        from airflow.models.asset import AssetEvent
    except ImportError:
        from airflow.models.dataset import DatasetEvent as AssetEvent  # Airflow 2
    with create_session() as session:
        found = session.query(AssetEvent).filter_by(source_dag_id=dag_id).order_by(AssetEvent.id).all()
        return [(event.uri, event.extra) for event in found]


def dag_of(dag_id: str) -> DAG:
    """An empty DAG."""
    return DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1))


@pytest.fixture
def run_dag(run_dag: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Run a DAG whose assets are in Airflow's database, as the DAG processor stores them."""

    def run(dag: Any) -> Any:
        if hasattr(dag, "bulk_write_to_db"):  # Airflow 2
            type(dag).bulk_write_to_db([dag])
        return run_dag(dag)

    return run


def described(simulator: Simulator, pipeline_id: str) -> dict[str, Any]:
    """The expected event for the last run of a pipeline."""
    run = simulator.runs(pipeline_id)[-1]
    return {
        "pipeline_id": pipeline_id,
        "pipeline_run_id": run["pipeline_run_id"],
        "state": "success",
        "successful_records": run["successful_records"],
        "failed_records": run["failed_records"],
    }


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "in the worker"])
def test_an_event_contains_the_run(run_dag: Callable[[Any], Any], simulator: Simulator, deferrable: bool) -> None:
    """A DAG that it starts knows the range and the counts without a request."""
    orders, other = pipeline_asset(simulator.workspace_id, "orders"), Asset(uri="s3://bucket/orders")
    dag_id = f"outlets_{deferrable}"
    with dag_of(dag_id) as dag:
        MParticleTriggerPipelineOperator(
            task_id="sync",
            pipeline_id="orders",
            deferrable=deferrable,
            poll_interval=0.2,
            timeout=60,
            outlets=[orders, other],
        )

    run_dag(dag)

    emitted = dict(events(dag_id))
    assert {orders.uri, other.uri} == set(emitted)
    for extra in emitted.values():
        assert described(simulator, "orders").items() <= extra.items()
        assert {"range_start", "range_end", "started_on", "ended_on"} <= extra.keys()


@pytest.mark.parametrize("pipeline_id", ["orders.v2", "bücher", "a b"])
def test_an_alias_for_a_pipeline_without_an_address_is_refused(
    run_dag: Callable[[Any], Any], simulator: Simulator, pipeline_id: str
) -> None:
    """After the run, it would fail a task whose run has succeeded, at every retry."""
    told: list[BaseException] = []
    with dag_of(f"outlets_{len(pipeline_id)}") as dag:
        MParticleTriggerPipelineOperator(
            task_id="sync",
            pipeline_id=pipeline_id,
            outlets=[AssetAlias("synced")],
            on_failure_callback=lambda context: told.append(context["exception"]),
        )

    run_dag(dag)

    [error] = told
    assert "cannot have an asset" in str(error)
    assert [] == simulator.requests


@pytest.mark.parametrize("options", [{}, {"deferrable": True}, {"mode": "reschedule"}], ids=str)
def test_the_event_of_a_sensor_contains_its_run(
    run_dag: Callable[[Any], Any], simulator: Simulator, options: dict[str, Any]
) -> None:
    """Each mode of the sensor is tested."""
    simulator.add_run("orders", "success")
    dag_id = f"outlets_sensor_{'_'.join(options)}"
    with dag_of(dag_id) as dag:
        MParticlePipelineRunSensor(
            task_id="wait",
            pipeline_id="orders",
            timeout=60,
            outlets=[pipeline_asset(simulator.workspace_id, "orders")],
            **options,
        )

    run_dag(dag)

    [(_, extra)] = events(dag_id)
    assert described(simulator, "orders").items() <= extra.items()


def test_the_event_of_a_slice_contains_its_bounds(run_dag: Callable[[Any], Any], simulator: Simulator) -> None:
    """The next DAG works on this range."""
    with dag_of("outlets_slice") as dag:
        MParticleSyncSliceOperator(
            task_id="slice",
            pipeline_id="orders",
            data_model_id="orders-model",
            sql="SELECT * FROM orders WHERE at >= '{{ window_start }}' AND at < '{{ window_end }}'",
            window_start="2026-01-01",
            window_end="2026-01-02",
            poll_interval=0.2,
            timeout=60,
            outlets=[pipeline_asset(simulator.workspace_id, "orders")],
        )

    assert "success" == run_dag(dag).state

    [(_, extra)] = events("outlets_slice")
    assert described(simulator, "orders").items() <= extra.items()
    assert {"2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"} <= {*map(str, extra.values())}


def test_an_alias_gets_an_event_of_the_run_s_own_pipeline(
    run_dag: Callable[[Any], Any], start_simulator: Callable[..., Simulator]
) -> None:
    """Mapped tasks share their outlets, so only an alias can distinguish their pipelines."""
    simulator = start_simulator()
    for pipeline_id in PIPELINES:
        simulator.add_pipeline(pipeline_id)
    with dag_of("outlets_alias") as dag:
        MParticleTriggerPipelineOperator.partial(
            task_id="sync", poll_interval=0.2, timeout=60, outlets=[AssetAlias("synced")]
        ).expand(pipeline_id=PIPELINES)

    run_dag(dag)

    expected = {
        pipeline_asset(simulator.workspace_id, pipeline_id).uri: simulator.runs(pipeline_id)[-1]["pipeline_run_id"]
        for pipeline_id in PIPELINES
    }
    assert expected == {uri: extra["pipeline_run_id"] for uri, extra in events("outlets_alias")}


def test_a_task_that_fails_emits_nothing(run_dag: Callable[[Any], Any], simulator: Simulator) -> None:
    """A DAG must not start for data that did not arrive."""
    simulator.script_next_run("orders", errors=["The warehouse is closed."])
    with dag_of("outlets_failed") as dag:
        MParticleTriggerPipelineOperator(
            task_id="sync",
            pipeline_id="orders",
            poll_interval=0.2,
            timeout=60,
            outlets=[pipeline_asset(simulator.workspace_id, "orders")],
        )

    run_dag(dag)

    assert [] == events("outlets_failed")


def test_a_run_that_is_not_waited_for_has_an_event_without_counts(
    run_dag: Callable[[Any], Any], simulator: Simulator
) -> None:
    """Airflow sends the event when the task succeeds, and only the id of the run is known then."""
    with dag_of("outlets_not_waited") as dag:
        MParticleTriggerPipelineOperator(
            task_id="sync",
            pipeline_id="orders",
            wait_for_completion=False,
            outlets=[pipeline_asset(simulator.workspace_id, "orders")],
        )

    run_dag(dag)

    [(_, extra)] = events("outlets_not_waited")
    assert simulator.runs("orders")[-1]["pipeline_run_id"] == extra["pipeline_run_id"]
    assert extra["state"] is extra["successful_records"] is None
