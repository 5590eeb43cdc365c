"""The doctor, over HTTP, against workspaces that differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.cli.doctor import Finding, Report, Verdict, examine
from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.routes import CANDIDATE_ROUTES, DEFAULT_ROUTES
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator
from airflow_provider_mparticle.simulator import Fault, Simulator

pytestmark = pytest.mark.sends_anything(reason="the doctor looks for routes where none may be")

V1_ROUTES = {
    "pipelines": "/data-pipelines",
    "pipeline": "/data-pipelines/{pipeline_id}",
    "trigger_pipeline": "/data-pipelines/{pipeline_id}",
    "pipeline_status": "/data-pipelines/{pipeline_id}/report",
    "pipeline_runs": "/data-pipelines/{pipeline_id}/runs",
    "pipeline_run": "/data-pipelines/{pipeline_id}/runs/{pipeline_run_id}",
}
Connect = Callable[..., None]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Lead ``mparticle_default`` to a simulator, with these fields of its extra; None leaves one out."""

    def lead_to(simulator: Simulator, **extra: Any) -> None:
        connection = simulator.airflow_connection()
        given = {**connection["extra"], "routes": None, **extra}
        connection["extra"] = {name: value for name, value in given.items() if value is not None}
        monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps(connection))
        token_cache.forget()

    return lead_to


def diagnosis() -> Report:
    """What the doctor finds over the connection ``mparticle_default``."""
    return examine(MParticleHook())


def found(report: Report, subject: str) -> Finding:
    """The one finding about a subject."""
    [finding] = [finding for finding in report.findings if finding.subject == subject]
    return finding


def verdicts(report: Report) -> dict[str, str]:
    """The verdict on every route."""
    return {name: str(found(report, name).verdict) for name in DEFAULT_ROUTES}


def with_runs(simulator: Simulator) -> Simulator:
    """Put in a pipeline that never ran and one that did."""
    simulator.add_pipeline("idle")
    simulator.add_pipeline("orders")
    simulator.add_run("orders", "success")
    return simulator


def assert_only_looked(simulator: Simulator) -> None:
    """Nothing but GET was sent, besides the login, and nothing to the place where a run is started."""
    others = {(entry["method"], entry["path"]) for entry in simulator.requests if entry["method"] != "GET"}

    assert others <= {("POST", "/oauth/token")}
    assert 0 == simulator.count(None, "/trigger")
    assert 0 == simulator.starts("orders")


def test_the_first_candidates_are_the_defaults() -> None:
    """Otherwise a workspace that is as we expect would be told to override our routes."""
    expanded = {name: paths[0] for name, paths in CANDIDATE_ROUTES.items()}
    for plural in ("connections", "data_models", "field_transformations", "pipelines"):
        expanded = {name: path.replace(f"{{{plural}}}", DEFAULT_ROUTES[plural]) for name, path in expanded.items()}

    assert DEFAULT_ROUTES == expanded


def test_a_workspace_as_expected_has_no_fault(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """Then there is nothing to put into the connection."""
    simulator = with_runs(start_simulator())
    connect(simulator)

    report = diagnosis()

    assert [] == report.faults
    assert {} == report.extra
    inferred = {"trigger_pipeline": "inferred", "field_transformation": "inferred"}
    assert dict.fromkeys(DEFAULT_ROUTES, "answers") | inferred == verdicts(report)
    assert "2 pipelines" in found(report, "workspace").text
    assert "Met: success." == found(report, "run_states").text
    assert_only_looked(simulator)


def test_in_the_v1_layout_it_finds_every_route(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """The routes of pipelines are assumed, and this is the other place where they may be."""
    simulator = with_runs(start_simulator(layout="v1"))
    connect(simulator)

    report = diagnosis()

    assert {"routes": V1_ROUTES} == report.extra
    assert set(V1_ROUTES) == {finding.subject for finding in report.faults}
    assert Verdict.INFERRED is found(report, "trigger_pipeline").verdict
    assert Verdict.MOVED is found(report, "pipeline_run").verdict
    assert "The connection says /inputs/data-pipelines." in found(report, "pipelines").text
    assert_only_looked(simulator)


def test_what_it_prints_makes_a_trigger_work(
    start_simulator: Callable[..., Simulator], connect: Connect, run_dag: Callable[[Any], Any]
) -> None:
    """A user pastes the JSON and goes on with the day."""
    simulator = with_runs(start_simulator(layout="v1"))
    connect(simulator)
    pasted = json.loads(json.dumps(diagnosis().as_dict()["extra"]))

    connect(simulator, **pasted)
    with DAG("pasted_routes", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        MParticleTriggerPipelineOperator(task_id="sync", pipeline_id="orders", poll_interval=0.2)
    run = run_dag(dag)

    assert "success" == run.state
    assert 1 == simulator.starts("orders")
    assert [] == diagnosis().faults
    assert {"routes": V1_ROUTES} == diagnosis().extra


def test_without_run_routes_it_says_where_it_looked(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """Not found is only worth something with the list of what was tried."""
    simulator = with_runs(start_simulator(run_routes=False))
    connect(simulator)

    report = diagnosis()

    assert ["pipeline_runs", "pipeline_run"] == [finding.subject for finding in report.faults]
    runs = found(report, "pipeline_runs")
    assert Verdict.NOT_FOUND is runs.verdict
    assert (
        "404 at /inputs/data-pipelines/{pipeline_id}/status/runs, /inputs/data-pipelines/{pipeline_id}/runs."
        == runs.text
    )
    assert {} == report.extra
    assert_only_looked(simulator)


def test_a_wrong_workspace_is_told_from_wrong_routes(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """404 says the same for both; the account's list of workspaces says more."""
    simulator = with_runs(start_simulator())
    connect(simulator, workspace_id=4321)

    report = diagnosis()

    workspace = found(report, "workspace")
    assert Verdict.NOT_FOUND is workspace.verdict
    assert "workspace_id or host is wrong, or these credentials have no access" in workspace.text
    assert "1234 (Simulated workspace); 4321 is none of them" in found(report, "account").text
    assert {} == report.extra
    assert_only_looked(simulator)


def test_after_a_refused_login_nothing_is_tried(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """A second refusal could lock the credentials."""
    simulator = with_runs(start_simulator())
    connect(simulator)
    simulator.rotate_credentials(client_secret="another")

    report = diagnosis()

    assert Verdict.FAILED is found(report, "login").verdict
    assert "client secret" in found(report, "login").text
    assert dict.fromkeys(DEFAULT_ROUTES, "not tried") == verdicts(report)
    assert 1 == len(simulator.requests)
    assert "simulator-secret" not in str(report)


def test_a_forbidden_route_is_no_missing_route(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """A role cures the one, an override the other."""
    simulator = with_runs(start_simulator())
    connect(simulator)
    simulator.fail_next(403, path="/data-models", times=None)

    report = diagnosis()

    forbidden = found(report, "data_models")
    assert (Verdict.FORBIDDEN, "/data-models") == (forbidden.verdict, forbidden.path)
    assert "403: Injected by the simulator" in forbidden.text
    assert Verdict.NOT_TRIED is found(report, "data_model").verdict
    assert ["data_models"] == [finding.subject for finding in report.faults]
    assert_only_looked(simulator)


def test_a_workspace_that_is_forbidden_throughout_says_so(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """One sentence about the workspace, before the routes."""
    simulator = with_runs(start_simulator())
    connect(simulator)
    simulator.fail_next(403, path="/platform/v2", times=None)

    report = diagnosis()

    assert Verdict.FORBIDDEN is found(report, "workspace").verdict


def test_a_silent_mparticle_ends_the_looking(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """Ten more requests that run into the time-out would tell nothing new."""
    simulator = with_runs(start_simulator())
    connect(simulator)
    simulator.inject(Fault(path="/data-models", lose="before", times=None))

    report = diagnosis()

    assert Verdict.FAILED is found(report, "workspace").verdict
    assert "No answer from GET" in found(report, "workspace").text
    assert "answers" == verdicts(report)["connections"]
    assert Verdict.NOT_TRIED is found(report, "pipelines").verdict
    assert 0 == simulator.count(None, "pipelines")


def test_an_answer_of_another_shape_is_no_answer(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """A proxy or a sign-in page answers 200 to everything."""
    simulator = with_runs(start_simulator())
    connect(simulator)
    simulator.inject(Fault(path="/connections", body="<html>Sign in</html>", times=None))
    simulator.inject(Fault(path="/field-transformations", body={"items": []}, times=None))

    report = diagnosis()

    assert Verdict.FAILED is found(report, "connections").verdict
    assert Verdict.FAILED is found(report, "field_transformations").verdict


def test_without_a_pipeline_nothing_is_made_up(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """A list that answers tells where one pipeline is, and nothing about what is below it."""
    connect(start_simulator(layout="v1"))

    report = diagnosis()

    assert {"routes": {name: V1_ROUTES[name] for name in ("pipelines", "pipeline")}} == report.extra
    assert Verdict.NOT_TRIED is found(report, "trigger_pipeline").verdict
    assert "There is no pipeline to try it with." == found(report, "pipeline_status").text


def test_what_the_connection_says_stands_where_nothing_else_is_known(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """Pasting what the doctor prints must not undo what somebody knew."""
    connect(start_simulator(layout="v1"), routes=V1_ROUTES)

    report = diagnosis()

    assert {"routes": V1_ROUTES} == report.extra
    assert [] == report.faults


def test_a_pipeline_too_young_for_a_status_is_passed_over(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """For a minute after its creation the status answers 404, wherever the route is."""
    simulator = with_runs(start_simulator())
    connect(simulator)
    simulator.fail_next(404, path="/idle/", times=None)

    assert [] == diagnosis().faults


def test_a_route_that_answered_once_is_found(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """Whatever a later pipeline has to say."""
    simulator = start_simulator()
    simulator.add_pipeline("idle")
    simulator.add_pipeline("young")
    connect(simulator)
    simulator.fail_next(404, path="/young/", times=None)

    assert [] == diagnosis().faults


def test_an_unknown_state_word_is_a_fault_until_somebody_explains_it(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """A task would wait for it until its timeout."""
    simulator = with_runs(start_simulator())
    simulator.add_run("orders", "Completed")
    connect(simulator)

    report = diagnosis()

    assert ["run_states"] == [finding.subject for finding in report.faults]
    assert '{"run_states": {"completed": "succeeded"}}' in found(report, "run_states").text
    connect(simulator, run_states={"completed": "succeeded"})
    assert [] == diagnosis().faults


def test_run_fields_under_unknown_names_are_named(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """A run whose state nobody finds is under way for ever."""
    simulator = with_runs(start_simulator())
    connect(simulator)
    run = {"pipeline_run_id": 7, "runStatus": "success", "rows": 3}
    simulator.inject(Fault(path="/orders/status", body={"latest_pipeline_run": run}))
    simulator.inject(Fault(path="/orders/status/runs", body=[run]))

    report = diagnosis()

    fields = found(report, "run_fields")
    assert Verdict.UNKNOWN is fields.verdict
    assert "No run has state" in fields.text
    assert "runStatus" in fields.text


def test_without_an_account_its_scope_is_not_tried(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """Warehouse Sync needs no account."""
    simulator = with_runs(start_simulator())
    connect(simulator, account_id=None)

    report = diagnosis()

    assert Verdict.NOT_TRIED is found(report, "account").verdict
    assert [] == report.faults
    assert 0 == simulator.count(None, "/v1/")


def test_a_wrong_account_is_a_fault(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """The calls of the Platform API would fail."""
    simulator = with_runs(start_simulator())
    connect(simulator, account_id=1)

    assert ["account"] == [finding.subject for finding in diagnosis().faults]


def test_a_bad_connection_is_refused_before_anything_is_sent(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """The doctor examines mParticle; the connection's own check names its bad field."""
    simulator = start_simulator()
    connect(simulator, workspace_id="x")

    with pytest.raises(ConfigError, match="workspace_id"):
        diagnosis()

    assert [] == simulator.requests
