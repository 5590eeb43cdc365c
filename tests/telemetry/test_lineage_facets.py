"""What OpenLineage's own client writes to a file while DAGs run on a real Airflow with the listener of its provider."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.lineage.hook import get_hook_lineage_collector
from airflow.providers.common.compat.sdk import DAG, get_listener_manager
from airflow.providers.openlineage.plugins.listener import OpenLineageListener
from jsonschema import Draft202012Validator
from telemetry import openlineage_schema

from airflow_provider_mparticle.assets import pipeline_asset
from airflow_provider_mparticle.operators import MParticleSyncSliceOperator, MParticleTriggerPipelineOperator
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.tasks.lineage import SOURCE_KEY

SLICE = {"window_start": "2026-01-01", "window_end": "2026-01-02"}
MODES = pytest.mark.parametrize("deferrable", [False, True], ids=["in the worker", "deferred"])
SOURCE = {"namespace": "snowflake://simulated.us-east-1.aws", "name": "SHOP.PUBLIC.ORDERS"}


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Turn OpenLineage on, and return a function that reads the events of tasks, each of which is valid."""
    file = tmp_path / "events.jsonl"
    transport = {"type": "file", "log_file_path": str(file), "append": True}
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
    # Queries that other tests have made in this process would be events of our task, after a minute of parsing.
    for queries in ("_extra", "_extra_counts"):
        getattr(get_hook_lineage_collector(), queries).clear()
    manager = get_listener_manager()
    # Airflow loads its plugins once for each process, and OpenLineage's has a listener only where it is turned on then.
    if not (listeners := [one for one in manager.pm.get_plugins() if isinstance(one, OpenLineageListener)]):
        manager.add_listener(one := OpenLineageListener())
        listeners = [one]

    def read() -> list[dict[str, Any]]:
        found = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        for event in found:
            check(event)
        return found

    yield read
    for one in listeners:
        manager.pm.unregister(one)


def check(event: dict[str, Any]) -> None:
    """Validate an event, and each of its facets by the schema that it names."""
    _validate(openlineage_schema.run_event(), event)
    holders = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
    for kind in ("facets", "inputFacets", "outputFacets"):
        for holder in holders:
            for facet in holder.get(kind, {}).values():
                if facet["_schemaURL"].startswith("https://openlineage.io/spec/"):
                    _validate(openlineage_schema.facet(facet["_schemaURL"]), facet)


def _validate(schema: dict[str, Any], value: Any) -> None:
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(value)


def last(events: list[dict[str, Any]], kind: str = "COMPLETE") -> dict[str, Any]:
    """Return the one event of a kind of the task ``sync``."""
    [found] = [one for one in events if one["eventType"] == kind and one["job"]["name"].endswith(".sync")]
    return found


def add_long_runs(simulator: Simulator) -> None:
    """Let the pipeline's runs look long, so that a deferrable task does not wait for the next one in the worker."""
    for days in (1, 2):
        began = datetime.now(UTC) - timedelta(days=days)
        simulator.add_run("orders", "success", started_on=began, ended_on=began + timedelta(minutes=10))


def in_dag(dag_id: str, operator: Any = MParticleTriggerPipelineOperator, **options: Any) -> DAG:
    """A DAG with one task that is about the pipeline ``orders``."""
    usual = {"task_id": "sync", "pipeline_id": "orders", "poll_interval": 0.2, "timeout": 60}
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        operator(**{**usual, **options})
    return dag


def sync_slice(dag_id: str, **options: Any) -> DAG:
    """A DAG that syncs one slice, with a query that mParticle's connection is needed to read."""
    sql = "SELECT o.at, c.id FROM public.orders o JOIN other.crm.customers c ON c.id = o.customer"
    usual = {"data_model_id": "orders-model", "sql": sql, "time_column": "at", **SLICE}
    return in_dag(dag_id, MParticleSyncSliceOperator, **{**usual, **options})


@MODES
def test_a_slice_names_its_tables_its_pipeline_and_its_records(
    run_dag: Callable[[Any], Any], simulator: Simulator, events: Any, deferrable: bool
) -> None:
    """The task has read mParticle's connection for its own work, so the warehouse is known."""
    add_long_runs(simulator)
    simulator.script_next_run("orders", successful_records=90, failed_records=10)

    dag_run = run_dag(sync_slice(f"lineage_slice_{deferrable}", deferrable=deferrable))

    assert "success" == dag_run.state
    event = last(events())
    namespace = "snowflake://simulated.us-east-1.aws"
    assert [(namespace, "OTHER.CRM.CUSTOMERS"), (namespace, "SHOP.PUBLIC.ORDERS")] == [
        (one["namespace"], one["name"]) for one in event["inputs"]
    ]
    [output] = event["outputs"]
    assert ("mparticle://1234", "pipelines/orders") == (output["namespace"], output["name"])
    assert 90 == output["outputFacets"]["outputStatistics"]["rowCount"]
    facets = event["run"]["facets"]
    run = simulator.runs("orders")[-1]
    assert (str(run["pipeline_run_id"]), "mparticle://1234") == (
        facets["externalQuery"]["externalQueryId"],
        facets["externalQuery"]["source"],
    )
    assert ("success", 10) == (
        facets["mparticle_pipelineRun"]["state"].lower(),
        facets["mparticle_pipelineRun"]["failed_records"],
    )
    assert "snowflake" == event["job"]["facets"]["sql"]["dialect"]


@MODES
def test_a_trigger_names_the_tables_of_the_warehouse_that_the_connection_names(
    run_dag: Callable[[Any], Any],
    simulator: Simulator,
    events: Any,
    monkeypatch: pytest.MonkeyPatch,
    deferrable: bool,
) -> None:
    """It reads the data model, but not mParticle's connection to the warehouse."""
    add_long_runs(simulator)
    connection = simulator.airflow_connection()
    connection["extra"] = {**connection["extra"], "warehouse_namespace": SOURCE["namespace"]}
    monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps(connection))

    run_dag(in_dag(f"lineage_trigger_{deferrable}", deferrable=deferrable))

    event = last(events())
    assert [SOURCE] == [{name: one[name] for name in SOURCE} for one in event["inputs"]]
    assert "FROM shop.public.orders" in event["job"]["facets"]["sql"]["query"]


def test_a_trigger_that_does_not_know_the_warehouse_names_what_the_dag_declares(
    run_dag: Callable[[Any], Any], simulator: Simulator, events: Any
) -> None:
    """A guess in a graph of lineage is worse than a gap."""
    upstream = pipeline_asset(1234, "customers")

    run_dag(in_dag("lineage_inlets", inlets=[upstream], outlets=[pipeline_asset(1234, "orders")]))

    event = last(events())
    assert [("mparticle://1234", "pipelines/customers")] == [(one["namespace"], one["name"]) for one in event["inputs"]]
    assert [("mparticle://1234", "pipelines/orders")] == [(one["namespace"], one["name"]) for one in event["outputs"]]
    assert 1000 == event["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"]


@MODES
def test_a_task_that_has_just_begun_names_what_the_dag_declares(
    run_dag: Callable[[Any], Any], simulator: Simulator, events: Any, deferrable: bool
) -> None:
    """A task that is killed sends no other event. A deferred task begins twice, but for older providers."""
    add_long_runs(simulator)

    run_dag(in_dag(f"lineage_start_{deferrable}", outlets=[pipeline_asset(1234, "orders")], deferrable=deferrable))

    begun = [one for one in events() if one["eventType"] == "START" and one["job"]["name"].endswith(".sync")]
    named = [[(output["namespace"], output["name"]) for output in one["outputs"]] for one in begun]
    assert 1 <= len(named) <= (2 if deferrable else 1)
    assert all([("mparticle://1234", "pipelines/orders")] == outputs for outputs in named)


@MODES
def test_a_task_that_fails_says_so(
    run_dag: Callable[[Any], Any], simulator: Simulator, events: Any, deferrable: bool
) -> None:
    """With the reason, the run and what it had ingested."""
    add_long_runs(simulator)
    simulator.script_next_run("orders", errors=["The warehouse is closed."], successful_records=7)

    run_dag(in_dag(f"lineage_failed_{deferrable}", deferrable=deferrable))

    event = last(events(), "FAIL")
    facets = event["run"]["facets"]
    assert "The warehouse is closed." in facets["errorMessage"]["message"]
    assert "failed" == facets["mparticle_pipelineRun"]["state"].lower()
    assert 7 == event["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"]


def test_a_sensor_tells_of_the_run_that_it_has_waited_for(
    run_dag: Callable[[Any], Any], simulator: Simulator, events: Any
) -> None:
    """mParticle has started it by itself, so nothing else in Airflow tells of it."""
    simulator.add_run("orders", "success")

    run_dag(in_dag("lineage_sensor", MParticlePipelineRunSensor))

    event = last(events())
    assert 1000 == event["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"]


def test_a_task_that_starts_nothing_counts_no_records(
    run_dag: Callable[[Any], Any], simulator: Simulator, events: Any
) -> None:
    """Another task has counted them."""
    began = datetime.now(UTC) - timedelta(hours=1)
    simulator.add_run("orders", "success", range_end=datetime.now(UTC), started_on=began)

    run_dag(in_dag("lineage_covered", skip_if_covered="2026-01-01"))

    event = last(events())
    assert 0 == simulator.starts("orders")
    assert {} == event["outputs"][0].get("outputFacets", {})
    assert "mparticle_pipelineRun" not in event["run"]["facets"]


def test_a_task_that_does_not_wait_tells_of_its_run(
    run_dag: Callable[[Any], Any], simulator: Simulator, events: Any
) -> None:
    """The sensor that waits for it counts the records."""
    run_dag(in_dag("lineage_not_waited", wait_for_completion=False))

    event = last(events())
    [run] = simulator.runs("orders")
    assert str(run["pipeline_run_id"]) == event["run"]["facets"]["externalQuery"]["externalQueryId"]
    assert {} == event["outputs"][0].get("outputFacets", {})


def test_a_task_whose_connection_is_missing_fails_with_its_own_error(
    run_dag: Callable[[Any], Any], events: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """OpenLineage does not add another failure."""
    run_dag(in_dag("lineage_no_connection", mparticle_conn_id="missing"))

    event = last(events(), "FAIL")
    assert "connection 'missing'" in event["run"]["facets"]["errorMessage"]["message"]
    assert "failed to extract" not in caplog.text


@MODES
def test_openlineage_costs_no_request(
    run_dag: Callable[[Any], Any],
    simulator: Simulator,
    request: pytest.FixtureRequest,
    deferrable: bool,
) -> None:
    """What is read is read for the task's own work."""
    add_long_runs(simulator)

    def requests_of(dag_id: str) -> list[tuple[str, str]]:
        before = len(simulator.requests)
        run_dag(sync_slice(dag_id, deferrable=deferrable))
        made = [(one["method"], one["path"].partition("?")[0]) for one in simulator.requests[before:]]
        return sorted(one for one in made if "/status" not in one[1] and "/token" not in one[1])

    without = requests_of(f"lineage_off_{deferrable}")
    request.getfixturevalue("events")

    assert without == requests_of(f"lineage_on_{deferrable}")
    assert 6 <= len(without)


def test_no_event_holds_a_secret(
    run_dag: Callable[[Any], Any], simulator: Simulator, events: Any, tmp_path: Path
) -> None:
    """The credentials of mParticle, its token, and what its connection says of the warehouse's account."""
    run_dag(sync_slice("lineage_secrets"))

    written = (tmp_path / "events.jsonl").read_text()
    connection = simulator.airflow_connection()
    tokens = [one["headers"].get("Authorization", "Bearer ?")[7:] for one in simulator.requests]
    secrets = {connection["password"], *tokens, "MPARTICLE_USER", "MPARTICLE_ROLE"} - {"?"}
    assert len(events()) >= 2
    assert [] == [one for one in secrets if one in written]


def test_nothing_is_kept_where_openlineage_is_off(run_dag: Callable[[Any], Any], simulator: Simulator) -> None:
    """The XCom is for the part of the task after a wait in the triggerer."""
    add_long_runs(simulator)

    dag_run = run_dag(sync_slice("lineage_nothing", deferrable=True))

    [ti] = dag_run.get_task_instances()
    assert ti.xcom_pull(task_ids="sync", key=SOURCE_KEY) is None


def test_the_page_names_every_facet_and_namespace(
    run_dag: Callable[[Any], Any], simulator: Simulator, events: Any
) -> None:
    """And how a file receives events."""
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "openlineage.md").read_text()

    run_dag(sync_slice("lineage_page"))

    event = last(events())
    of_ours = {"externalQuery", "mparticle_pipelineRun"} & event["run"]["facets"].keys()
    names = [*of_ours, "sql", *event["outputs"][0]["outputFacets"], "snowflake://", "mparticle://{workspace_id}"]
    assert 2 == len(of_ours)
    assert [] == [name for name in names if f"`{name}" not in page]
