"""The doctor reports the state of a workspace, over HTTP, for workspaces of many kinds."""

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

pytestmark = pytest.mark.sends_anything(reason="the doctor tries paths that may not exist")

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
    """Point ``mparticle_default`` to a simulator, with these fields in its extra. None removes a field."""

    def point_to(simulator: Simulator, **extra: Any) -> None:
        connection = simulator.airflow_connection()
        given = {**connection["extra"], "routes": None, **extra}
        connection["extra"] = {name: value for name, value in given.items() if value is not None}
        monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps(connection))
        token_cache.forget()

    return point_to


def diagnosis() -> Report:
    """The report of the doctor for the connection ``mparticle_default``."""
    return examine(MParticleHook())


def found(report: Report, subject: str) -> Finding:
    """The only finding about a subject."""
    [finding] = [finding for finding in report.findings if finding.subject == subject]
    return finding


def verdicts(report: Report) -> dict[str, str]:
    """The verdict of every route."""
    return {name: str(found(report, name).verdict) for name in DEFAULT_ROUTES}


def with_runs(simulator: Simulator) -> Simulator:
    """Add a pipeline without runs and one with a run."""
    simulator.add_pipeline("idle")
    simulator.add_pipeline("orders")
    simulator.add_run("orders", "success")
    return simulator


def assert_nothing_was_changed(simulator: Simulator) -> None:
    """Only the login and GET requests were sent, and none to the trigger route."""
    others = {(entry["method"], entry["path"]) for entry in simulator.requests if entry["method"] != "GET"}

    assert others <= {("POST", "/oauth/token")}
    assert 0 == simulator.count(None, "/trigger")
    assert 0 == simulator.starts("orders")


def test_the_first_candidates_are_the_defaults() -> None:
    """Otherwise the doctor would tell users of a normal workspace to override our routes."""
    expanded = {name: paths[0] for name, paths in CANDIDATE_ROUTES.items()}
    for plural in ("connections", "data_models", "field_transformations", "pipelines"):
        expanded = {name: path.replace(f"{{{plural}}}", DEFAULT_ROUTES[plural]) for name, path in expanded.items()}

    assert DEFAULT_ROUTES == expanded


def test_a_workspace_as_expected_has_no_fault(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """The connection needs no additional fields."""
    simulator = with_runs(start_simulator())
    connect(simulator)

    report = diagnosis()

    assert [] == report.faults
    assert {} == report.extra
    inferred = {"trigger_pipeline": "inferred", "field_transformation": "inferred"}
    assert dict.fromkeys(DEFAULT_ROUTES, "answers") | inferred == verdicts(report)
    counts = "1 connection, 2 data models, 0 field transformations, 2 pipelines."
    assert counts in found(report, "workspace").text
    assert "Found: success." == found(report, "run_states").text
    assert_nothing_was_changed(simulator)


def test_in_the_v1_layout_it_finds_every_route(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """The routes of pipelines are an assumption, and the v1 layout is the alternative."""
    simulator = with_runs(start_simulator(layout="v1"))
    connect(simulator)

    report = diagnosis()

    assert {"routes": V1_ROUTES} == report.extra
    assert set(V1_ROUTES) == {finding.subject for finding in report.faults}
    assert Verdict.INFERRED is found(report, "trigger_pipeline").verdict
    assert Verdict.MOVED is found(report, "pipeline_run").verdict
    assert "The connection has /inputs/data-pipelines." in found(report, "pipelines").text
    assert_nothing_was_changed(simulator)


def test_with_the_printed_routes_a_trigger_works(
    start_simulator: Callable[..., Simulator], connect: Connect, run_dag: Callable[[Any], Any]
) -> None:
    """A user pastes the JSON into the connection, and the DAG works."""
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


def test_without_run_routes_it_names_the_paths_that_it_tried(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """A route that was not found is useful only with the list of the paths."""
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
    assert_nothing_was_changed(simulator)


def test_a_wrong_workspace_is_distinguished_from_wrong_routes(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """Both answer 404. The list of the workspaces of the account shows the difference."""
    simulator = with_runs(start_simulator())
    connect(simulator, workspace_id=4321)

    report = diagnosis()

    workspace = found(report, "workspace")
    assert Verdict.NOT_FOUND is workspace.verdict
    assert "workspace_id or host is wrong, or these credentials have no access" in workspace.text
    assert "1234 (Simulated workspace), but not 4321." in found(report, "account").text
    assert {} == report.extra
    assert_nothing_was_changed(simulator)


def test_after_a_refused_login_nothing_is_tried(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """A second refused login could lock the credentials."""
    simulator = with_runs(start_simulator())
    connect(simulator)
    simulator.rotate_credentials(client_secret="another")

    report = diagnosis()

    [login] = report.findings
    assert ("login", Verdict.FAILED) == (login.subject, login.verdict)
    assert "client secret" in login.text
    assert login.text.endswith("Nothing else was tried.")
    assert {} == report.extra
    assert 1 == len(simulator.requests)
    assert "simulator-secret" not in str(report)


def test_a_forbidden_route_is_not_a_missing_route(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """A forbidden route needs a role, a missing route needs an override."""
    simulator = with_runs(start_simulator())
    connect(simulator)
    simulator.fail_next(403, path="/data-models", times=None)

    report = diagnosis()

    forbidden = found(report, "data_models")
    assert (Verdict.FORBIDDEN, "/data-models") == (forbidden.verdict, forbidden.path)
    assert "403: Injected by the simulator" in forbidden.text
    assert Verdict.NOT_TRIED is found(report, "data_model").verdict
    assert ["data_models"] == [finding.subject for finding in report.faults]
    assert_nothing_was_changed(simulator)


def test_a_workspace_whose_lists_are_all_forbidden_is_forbidden(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """The report says so once, before the findings about the routes."""
    simulator = with_runs(start_simulator())
    connect(simulator)
    simulator.fail_next(403, path="/platform/v2", times=None)

    report = diagnosis()

    assert Verdict.FORBIDDEN is found(report, "workspace").verdict


def test_an_unanswered_request_is_the_last_one(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """Ten more requests that time out would give no new information."""
    simulator = with_runs(start_simulator())
    connect(simulator)
    simulator.inject(Fault(path="/data-models", lose="before", times=None))

    report = diagnosis()

    assert Verdict.FAILED is found(report, "workspace").verdict
    assert "No answer from GET" in found(report, "workspace").text
    assert "answers" == verdicts(report)["connections"]
    assert Verdict.NOT_TRIED is found(report, "pipelines").verdict
    assert 0 == simulator.count(None, "pipelines")


def test_an_answer_of_another_shape_is_a_failure(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """A proxy or a login page answers 200 to every request."""
    simulator = with_runs(start_simulator())
    connect(simulator)
    simulator.inject(Fault(path="/connections", body="<html>Sign in</html>", times=None))
    simulator.inject(Fault(path="/field-transformations", body={"links": []}, times=None))

    report = diagnosis()

    assert Verdict.FAILED is found(report, "connections").verdict
    assert Verdict.FAILED is found(report, "field_transformations").verdict


def test_without_a_pipeline_the_routes_below_it_are_not_tried(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """A list that answers shows the route of a pipeline, but not the routes below it."""
    connect(start_simulator(layout="v1"))

    report = diagnosis()

    assert {"routes": {name: V1_ROUTES[name] for name in ("pipelines", "pipeline")}} == report.extra
    assert Verdict.NOT_TRIED is found(report, "trigger_pipeline").verdict
    for subject in ("pipeline_status", "run_states", "run_fields"):
        assert "The workspace has no pipeline to try it with." == found(report, subject).text


def test_a_route_that_was_not_found_keeps_the_path_of_the_connection(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """Pasting the printed routes must not remove routes that a user has configured."""
    connect(start_simulator(layout="v1"), routes=V1_ROUTES)

    report = diagnosis()

    assert {"routes": V1_ROUTES} == report.extra
    assert [] == report.faults


def test_a_pipeline_without_a_status_is_skipped(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """For a minute after the creation of a pipeline, its status answers 404 on the right route too."""
    simulator = with_runs(start_simulator())
    connect(simulator)
    simulator.fail_next(404, path="/idle/", times=None)

    assert [] == diagnosis().faults


def test_a_route_that_answered_for_one_pipeline_is_found(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """A 404 for a later pipeline does not change that."""
    simulator = start_simulator()
    simulator.add_pipeline("idle")
    simulator.add_pipeline("young")
    connect(simulator)
    simulator.fail_next(404, path="/young/", times=None)

    assert [] == diagnosis().faults


def test_an_unknown_state_word_is_a_fault_until_the_connection_explains_it(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """A task would wait for a run in this state until its timeout."""
    simulator = with_runs(start_simulator())
    simulator.add_run("orders", "Completed")
    connect(simulator)

    report = diagnosis()

    assert ["run_states"] == [finding.subject for finding in report.faults]
    assert '{"run_states": {"completed": "succeeded"}}' in found(report, "run_states").text
    connect(simulator, run_states={"completed": "succeeded"})
    assert [] == diagnosis().faults


def test_unknown_names_of_run_fields_are_listed(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """A run whose state has an unknown name would be in progress for ever."""
    simulator = with_runs(start_simulator())
    connect(simulator)
    run = {"pipeline_run_id": 7, "runStatus": "success", "rows": 3}
    simulator.inject(Fault(path="/orders/status", body={"latest_pipeline_run": run}))
    simulator.inject(Fault(path="/orders/status/runs", body=[run]))

    report = diagnosis()

    fields = found(report, "run_fields")
    assert Verdict.UNKNOWN is fields.verdict
    assert "No run has a known name for state." in fields.text
    assert "runStatus" in fields.text


def test_without_an_account_id_the_account_is_not_tried(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """Warehouse Sync does not need the account id."""
    simulator = with_runs(start_simulator())
    connect(simulator, account_id=None)

    report = diagnosis()

    assert Verdict.NOT_TRIED is found(report, "account").verdict
    assert [] == report.faults
    assert 0 == simulator.count(None, "/v1/")


def test_a_wrong_account_is_a_fault(start_simulator: Callable[..., Simulator], connect: Connect) -> None:
    """Calls of the Platform API would fail."""
    simulator = with_runs(start_simulator())
    connect(simulator, account_id=1)

    assert ["account"] == [finding.subject for finding in diagnosis().faults]


def test_a_bad_connection_is_refused_before_anything_is_sent(
    start_simulator: Callable[..., Simulator], connect: Connect
) -> None:
    """The error names the wrong field of the connection."""
    simulator = start_simulator()
    connect(simulator, workspace_id="x")

    with pytest.raises(ConfigError, match="workspace_id"):
        diagnosis()

    assert [] == simulator.requests
