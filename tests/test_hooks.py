"""The methods of the hook, over HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import redact

from airflow_provider_mparticle.client import endpoints, resource_kinds
from airflow_provider_mparticle.client.errors import (
    ConfigError,
    InvalidRequestError,
    MParticleError,
    NoAnswerError,
    NotFoundError,
    PermissionDeniedError,
    PipelineBusyError,
)
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.connection.masking import mask_secret
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.operators import MParticleCreatePipelineOperator, MParticleTriggerPipelineOperator
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
PIPELINE = {
    "id": "refunds",
    "name": "Refunds",
    "connection_id": "warehouse",
    "data_model_id": "orders-model",
    "sync_mode": {"type": "full"},
    "schedule": {"type": "on_demand"},
}


@pytest.fixture
def hook(simulator: Simulator) -> MParticleHook:
    """A hook whose connection leads to the simulator."""
    return MParticleHook()


def days(runs: list[PipelineRun]) -> list[int]:
    """Return how many days after FIRST the logical dates of these runs are."""
    return [(run.logical_date - FIRST).days for run in runs if run.logical_date]


# Pipelines


def test_list_pipelines(hook: MParticleHook, simulator: Simulator) -> None:
    """The list contains every pipeline of the workspace."""
    simulator.add_pipeline("refunds")

    listed = hook.list_pipelines()

    assert ["orders", "refunds"] == [pipeline.id for pipeline in listed]


def test_get_pipeline(hook: MParticleHook) -> None:
    """The fields have mParticle's names."""
    pipeline = hook.get_pipeline("orders")

    assert ("orders", "orders-model", {"type": "full"}) == (pipeline.id, pipeline.data_model_id, pipeline.sync_mode)


def test_a_pipeline_that_is_not_there_is_not_found(hook: MParticleHook) -> None:
    """The error names the pipeline, and says what else a 404 may mean."""
    with pytest.raises(NotFoundError) as missing:
        hook.get_pipeline("odrers")

    assert "odrers" == missing.value.pipeline_id
    assert "'odrers'" in str(missing.value)


def test_create_pipeline(hook: MParticleHook) -> None:
    """The created pipeline can be read back."""
    created = hook.create_pipeline(PIPELINE)

    assert hook.get_pipeline("refunds") == created
    assert "Refunds" == created.name


def test_a_pipeline_without_id_is_refused_before_anything_is_sent(hook: MParticleHook, simulator: Simulator) -> None:
    """The caller must choose the id."""
    with pytest.raises(ConfigError):
        hook.create_pipeline({**PIPELINE, "id": ""})

    assert [] == simulator.requests


def test_a_create_is_sent_once(hook: MParticleHook, simulator: Simulator) -> None:
    """A second request would be refused although the first one succeeded."""
    simulator.inject(Fault(method="POST", path="/data-pipelines", lose="after"))

    with pytest.raises(NoAnswerError) as lost:
        hook.create_pipeline(PIPELINE)

    assert lost.value.may_have_executed
    assert 1 == simulator.count("POST", "/data-pipelines")


def test_update_pipeline(hook: MParticleHook) -> None:
    """Only the sent field changes."""
    updated = hook.update_pipeline("orders", {"name": "All orders"})

    assert "All orders" == updated.name
    assert hook.get_pipeline("orders") == updated


def test_a_refusal_has_mparticles_own_words(hook: MParticleHook) -> None:
    """Only mParticle knows the reason."""
    with pytest.raises(InvalidRequestError) as refused:
        hook.update_pipeline("orders", {"connection_id": "nowhere"})

    assert 422 == refused.value.status
    assert ("connection_id: the connection 'nowhere' does not exist.",) == refused.value.reasons


def test_delete_pipeline(hook: MParticleHook) -> None:
    """A deleted pipeline is not listed any more."""
    hook.delete_pipeline("orders")

    assert [] == hook.list_pipelines()


# Runs


def test_trigger_pipeline(hook: MParticleHook, simulator: Simulator) -> None:
    """The returned id is the one that mParticle gave."""
    run_id = hook.trigger_pipeline("orders")

    assert [run_id] == [run["pipeline_run_id"] for run in simulator.runs("orders")]


@pytest.mark.parametrize("trigger_answer", ["no_id", "empty"])
def test_a_trigger_may_be_answered_without_a_run_id(
    start_simulator: Callable[..., Simulator], trigger_answer: str
) -> None:
    """mParticle does not document the answer."""
    simulator = start_simulator(trigger_answer=trigger_answer)
    simulator.add_pipeline("orders")

    run_id = MParticleHook().trigger_pipeline("orders")

    assert run_id is None
    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize("fault", [Fault(lose="after"), Fault(status=502, after=True)], ids=["lost", "502"])
def test_a_trigger_that_may_have_arrived_is_not_repeated(
    hook: MParticleHook, simulator: Simulator, fault: Fault
) -> None:
    """The request has no idempotency key, so a second one could start a second run."""
    simulator.inject(Fault(method="POST", path="/trigger", lose=fault.lose, status=fault.status, after=fault.after))

    with pytest.raises(MParticleError) as failed:
        hook.trigger_pipeline("orders")

    assert failed.value.may_have_executed
    assert 1 == simulator.count("POST", "/trigger")


def test_a_busy_pipeline_has_an_error_of_its_own(hook: MParticleHook, simulator: Simulator) -> None:
    """A caller reacts to another run in progress differently than to a bad request."""
    simulator.add_run("orders", "running")

    with pytest.raises(PipelineBusyError) as busy:
        hook.trigger_pipeline("orders")

    assert "orders" == busy.value.pipeline_id


def test_get_pipeline_status(hook: MParticleHook, simulator: Simulator) -> None:
    """The status contains the latest run."""
    simulator.add_run("orders", "success", logical_date=FIRST)
    latest = simulator.add_run("orders", "failed", logical_date=FIRST + timedelta(days=1), errors=["No warehouse."])

    status = hook.get_pipeline_status("orders")

    assert "healthy" == status.status
    assert status.latest_pipeline_run
    assert latest["pipeline_run_id"] == status.latest_pipeline_run.pipeline_run_id
    assert Progress.FAILED is status.latest_pipeline_run.progress
    assert ("No warehouse.",) == status.latest_pipeline_run.errors


def test_the_status_of_a_pipeline_without_runs_has_no_latest_run(hook: MParticleHook) -> None:
    """A pipeline without runs is not an error."""
    status = hook.get_pipeline_status("orders")

    assert status.latest_pipeline_run is None


def test_get_pipeline_run(hook: MParticleHook, simulator: Simulator) -> None:
    """The id of a run may be a number, or the text that a template renders to."""
    run_id = simulator.add_run("orders", "success", successful_records=7)["pipeline_run_id"]

    by_number, by_text = hook.get_pipeline_run("orders", run_id), hook.get_pipeline_run("orders", str(run_id))

    assert by_number == by_text
    assert (run_id, 7) == (by_number.pipeline_run_id, by_number.successful_records)


def test_list_pipeline_runs_reads_every_page(hook: MParticleHook, simulator: Simulator) -> None:
    """A year of an hourly pipeline is 88 pages. The oldest run comes first, in whatever order mParticle sorts them."""
    for day in range(250):
        simulator.add_run("orders", "success", logical_date=FIRST + timedelta(days=day))

    runs = hook.list_pipeline_runs("orders")

    assert [*range(250)] == days(runs)
    assert 3 == simulator.count("GET", "/status/runs")


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"since": FIRST + timedelta(days=3)}, [3, 4]),
        ({"until": FIRST + timedelta(days=1)}, [0, 1]),
        ({"since": FIRST + timedelta(days=1), "until": FIRST + timedelta(days=3)}, [1, 2, 3]),
        ({"since": FIRST + timedelta(days=9)}, []),
    ],
)
def test_list_pipeline_runs_within_a_window(
    hook: MParticleHook, simulator: Simulator, window: dict[str, datetime], expected: list[int]
) -> None:
    """Both ends of the window are inclusive."""
    for day in range(5):
        simulator.add_run("orders", "success", logical_date=FIRST + timedelta(days=day))

    runs = hook.list_pipeline_runs("orders", **window)

    assert expected == days(runs)


@pytest.mark.parametrize("write", [datetime.date, datetime.isoformat, lambda at: at.replace(tzinfo=None), str])
def test_list_pipeline_runs_reads_an_instant_in_every_form(
    hook: MParticleHook, simulator: Simulator, write: Callable[[datetime], Any]
) -> None:
    """Without a time zone it is UTC, as everywhere."""
    first = datetime(2026, 3, 1, tzinfo=UTC)

    hook.list_pipeline_runs("orders", since=write(first), until=write(first))

    [asked] = [one["query"] for one in simulator.requests if one["path"].endswith("/runs")]
    assert ("2026-03-01T00:00:00Z",) * 2 == (asked["startDate"], asked["endDate"])


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("value", ["yesterday", 0, True, 1_772_323_200, ["2026-03-01"]])
def test_list_pipeline_runs_refuses_what_is_not_an_instant(
    hook: MParticleHook, simulator: Simulator, name: str, value: Any
) -> None:
    """Nothing is sent."""
    with pytest.raises(ConfigError, match=f"{name} must be an ISO 8601 instant"):
        hook.list_pipeline_runs("orders", **{name: value})

    assert [] == simulator.requests


def test_a_page_that_comes_again_ends_the_list(start_simulator: Callable[..., Simulator]) -> None:
    """If mParticle ignored currentPage, the hook would read pages for ever."""
    simulator = start_simulator()
    simulator.add_pipeline("orders")
    page = [{"pipeline_run_id": run_id, "status": "success"} for run_id in range(100)]
    simulator.inject(Fault(path="/status/runs", body=page, times=None))

    runs = MParticleHook().list_pipeline_runs("orders")

    assert 100 == len(runs)
    assert 2 == simulator.count("GET", "/status/runs")


# Any other call


def test_platform_request_is_unwrapped_and_carries_the_account(hook: MParticleHook, simulator: Simulator) -> None:
    """Every call of the Platform API needs accountId, and every answer has an envelope."""
    apps = hook.platform_request("GET", "/apps")

    assert ["Shop", "Shop web"] == [app["name"] for app in apps]
    assert {"accountId": "5678"} == simulator.requests[-1]["query"]


def test_platform_request_accepts_a_bare_array(hook: MParticleHook) -> None:
    """The audiences of a workspace have no envelope."""
    audiences = hook.platform_request("get", "/workspace/1234/audiences")

    assert [701, 702] == [audience["id"] for audience in audiences]


def test_platform_request_writes(hook: MParticleHook, simulator: Simulator) -> None:
    """POST and PUT have a body, and the answer to DELETE may be empty."""
    [created] = hook.platform_request("POST", "/apps", json={"name": "New shop"})
    [updated] = hook.platform_request("PUT", f"/apps/{created['id']}", json={"name": "Newer shop"})
    deleted = hook.platform_request("DELETE", f"/apps/{created['id']}")

    assert "Newer shop" == updated["name"]
    assert deleted is None
    assert {"name": "Newer shop"} == simulator.requests[-2]["body"]


def test_platform_request_without_an_account_is_refused(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """mParticle would answer 401, which looks like a wrong password."""
    fields = simulator.airflow_connection()
    del fields["extra"]["account_id"]
    monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps(fields))

    with pytest.raises(ConfigError, match="account_id of Airflow connection 'mparticle_default' is missing"):
        MParticleHook().platform_request("GET", "/apps")

    assert [] == simulator.requests


def test_workspace_request(hook: MParticleHook, simulator: Simulator) -> None:
    """The answer is bare JSON, and accountId is not sent."""
    attributes = hook.workspace_request("GET", "/calculatedattributes")

    assert [{"id": 801, "name": "Lifetime value", "status": "active"}] == attributes
    assert "/platform/v2/workspaces/1234/calculatedattributes" == simulator.requests[-1]["path"]
    assert {} == simulator.requests[-1]["query"]


def test_workspace_request_carries_parameters_and_a_body(hook: MParticleHook, simulator: Simulator) -> None:
    """Users can make calls that this provider does not know."""
    found = hook.workspace_request("GET", "/connections", params={"serviceProvider": "Redshift"})
    renamed = hook.workspace_request("PUT", "/inputs/data-pipelines/orders", json={"name": "All orders"})

    assert [] == found
    assert "All orders" == renamed["name"]
    assert {"serviceProvider": "Redshift"} == simulator.requests[-2]["query"]


def test_platform_request_carries_further_parameters(start_simulator: Callable[..., Simulator]) -> None:
    """The parameters are written as in JSON, and None is omitted."""
    simulator = start_simulator(layout="v1")

    MParticleHook().platform_request("GET", "/audiences", {"pageSize": 5, "archived": False, "name": None})

    assert {"accountId": "5678", "pageSize": "5", "archived": "false"} == simulator.requests[-1]["query"]


@pytest.mark.parametrize(("method", "path"), [("PATCH", "/apps"), ("GET", "apps")])
def test_a_request_that_cannot_work_is_not_sent(
    hook: MParticleHook, simulator: Simulator, method: str, path: str
) -> None:
    """mParticle has four methods, and a path without a slash would become part of another path."""
    with pytest.raises(ConfigError):
        hook.platform_request(method, path)

    assert [] == simulator.requests


# The test button


def test_the_test_logs_in_and_reads(hook: MParticleHook, simulator: Simulator) -> None:
    """A successful login alone does not prove that the workspace is right."""
    ok, message = hook.test_connection()

    assert ok
    assert message == ("Logged in and read workspace 1234: 1 warehouse connection. Account 5678 has this workspace.")
    assert [("POST", 200), ("GET", 200), ("GET", 200)] == [
        (seen["method"], seen["status"]) for seen in simulator.requests
    ]


def test_the_test_says_that_the_login_failed(hook: MParticleHook, simulator: Simulator) -> None:
    """A failed login has other causes than a failed read."""
    simulator.rotate_credentials()

    ok, message = hook.test_connection()

    assert not ok
    assert message.startswith("The login failed.")
    assert "401" in message
    assert 1 == len(simulator.requests)


@pytest.mark.parametrize("status", [403, 404, 503])
def test_the_test_says_that_reading_failed(hook: MParticleHook, simulator: Simulator, status: int) -> None:
    """The form waits for the result, so no request is repeated."""
    simulator.fail_next(status, "/connections")

    ok, message = hook.test_connection()

    assert not ok
    assert message.startswith("The login worked, but reading workspace 1234 failed.")
    assert str(status) in message
    assert 1 == simulator.count("GET", "/connections")


def test_the_test_survives_a_host_that_does_not_answer(hook: MParticleHook, simulator: Simulator) -> None:
    """Airflow's API server runs the test, and would show a stack trace to the user."""
    simulator.stop()

    ok, message = hook.test_connection()

    assert not ok
    assert message.startswith("The login failed. No answer from POST")


@pytest.mark.parametrize(
    "fault", [None, {"status": 401}, {"status": 404}, {"status": 503}, {"body": "<html>"}], ids=str
)
def test_a_failed_login_names_its_host_though_airflow_masks_token_url(
    hook: MParticleHook, simulator: Simulator, fault: dict[str, Any] | None
) -> None:
    """Airflow masks extras whose name contains "token", so it would mask the whole address."""
    mask_secret({"token_url": simulator.token_url})  # Airflow 3.1 tells another masker than that of tasks
    if fault is None:
        simulator.stop()
    else:
        simulator.inject(Fault(path="/oauth/token", **fault))

    _, message = hook.test_connection()

    assert "***" == redact(simulator.token_url)
    assert simulator.token_url.removeprefix("http://") in str(redact(message))


@pytest.mark.parametrize("body", ["<html>Sign in to the proxy</html>", "[]", "null", "7", '{"data": 1}'])
def test_the_test_survives_an_answer_from_something_else(hook: MParticleHook, simulator: Simulator, body: str) -> None:
    """A proxy or a wrong host may answer 200 with any body."""
    simulator.inject(Fault(path="/oauth/token", body=body))

    ok, message = hook.test_connection()

    assert not ok
    assert message.startswith("The login failed.")


@pytest.mark.parametrize("body", ["<html>", "7", "true"])
def test_the_test_survives_a_workspace_that_is_none(hook: MParticleHook, simulator: Simulator, body: str) -> None:
    """The login may work although the answer for the workspace is from another server."""
    simulator.inject(Fault(path="/connections", body=body))

    ok, message = hook.test_connection()

    assert not ok
    assert message.startswith("The login worked, but reading")


def test_the_test_names_a_missing_field(hook: MParticleHook, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user can correct the field in the form."""
    monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps({"conn_type": "mparticle", "login": "id"}))

    ok, message = hook.test_connection()

    assert not ok
    assert "has no password (the client secret)" in message


# Where the credentials come from


def test_nothing_is_touched_before_the_first_call(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """DAG files are parsed every 30 seconds, also where the connection does not exist."""
    monkeypatch.delenv("AIRFLOW_CONN_MPARTICLE_DEFAULT")

    made: list[Any] = [
        MParticleHook("missing"),
        MParticleTriggerPipelineOperator(task_id="a", pipeline_id="orders", mparticle_conn_id="missing"),
        MParticlePipelineRunSensor(task_id="b", pipeline_id="orders", mparticle_conn_id="missing"),
        MParticleCreatePipelineOperator(
            task_id="c",
            pipeline_id="orders",
            name="Orders",
            connection_id="warehouse",
            data_model_id="orders-model",
            sync_mode={"type": "full"},
            schedule={"type": "on_demand"},
            mparticle_conn_id="missing",
        ),
    ]

    assert ["missing"] * 4 == [one.mparticle_conn_id for one in made]
    assert [] == simulator.requests


def test_a_missing_airflow_connection_is_named(airflow_db: None, simulator: Simulator) -> None:
    """The message says what to do, unlike Airflow's own error."""
    with pytest.raises(ConfigError, match="Airflow connection 'missing' does not exist"):
        MParticleHook("missing").list_pipelines()

    assert [] == simulator.requests


def test_a_missing_airflow_connection_is_named_in_the_triggerer_too(airflow_db: None, simulator: Simulator) -> None:
    """The asynchronous lookup is different code."""

    async def poll() -> None:
        async with MParticleHook("missing").async_client() as client:
            await client.send(endpoints.list_resources(resource_kinds.PIPELINE))

    with pytest.raises(ConfigError, match="Airflow connection 'missing' does not exist"):
        asyncio.run(poll())

    assert [] == simulator.requests


def test_two_hooks_of_one_connection_share_a_token(simulator: Simulator) -> None:
    """A login takes up to three seconds, and a task may create several hooks."""
    MParticleHook().list_pipelines()

    MParticleHook().list_pipelines()

    assert 1 == simulator.tokens_minted


def test_a_hook_reads_its_connection_once(hook: MParticleHook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup may need a request to a secrets backend."""
    hook.list_pipelines()
    monkeypatch.delenv("AIRFLOW_CONN_MPARTICLE_DEFAULT")

    pipelines = hook.list_pipelines()

    assert ["orders"] == [pipeline.id for pipeline in pipelines]


def test_both_clients_share_the_token(simulator: Simulator) -> None:
    """A process that uses both clients logs in once."""

    async def use() -> None:
        async with MParticleHook().async_client() as client:
            await client.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))

    MParticleHook().list_pipelines()

    asyncio.run(use())

    assert 1 == simulator.tokens_minted


def test_an_api_user_without_the_role_is_told_so(hook: MParticleHook, simulator: Simulator) -> None:
    """The message names the missing role, because the password and the network are right."""
    simulator.fail_next(403, "/data-pipelines")

    with pytest.raises(PermissionDeniedError, match="role"):
        hook.list_pipelines()

    assert 1 == simulator.count("GET", "/data-pipelines")


KINDS = {
    "warehouse_connection": {
        "id": "k",
        "name": "K",
        "service_provider": "Snowflake",
        "config": {
            "account_identifier": "a",
            "region": "r",
            "warehouse": "w",
            "database": "d",
            "role": "r",
            "user": "u",
            "password": "p4ssw0rd-of-k",
        },
    },
    "data_model": {"id": "k", "name": "K", "type": "sql", "config": {"sql_query": "SELECT a.id FROM b.c.a a"}},
    "field_transformation": {
        "id": "k",
        "name": "K",
        "destination_type": "event_batch",
        "mappings": [
            {"mapping_type": "ignore", "source": "a"},
        ],
    },
    "pipeline": {
        "id": "k",
        "name": "K",
        "connection_id": "warehouse",
        "data_model_id": "orders-model",
        "sync_mode": {"type": "full"},
        "schedule": {"type": "on_demand"},
        "environment": "development",
    },
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_hook_lists_reads_creates_updates_and_deletes_every_kind(simulator: Simulator, kind: str) -> None:
    """All kinds have the same methods: a written resource can be read back, and a deleted one is gone."""
    hook, fields = MParticleHook(), KINDS[kind]
    listed = getattr(hook, f"list_{kind}s")

    created = getattr(hook, f"create_{kind}")(fields)
    assert ("k", "K") == (created.id, created.name)
    assert "k" in [one.id for one in listed()]
    changed = {name: value for name, value in fields.items() if name != "id"} | {"name": "Other"}
    getattr(hook, f"update_{kind}")("k", changed)
    assert "Other" == getattr(hook, f"get_{kind}")("k").name
    getattr(hook, f"delete_{kind}")("k")
    assert "k" not in [one.id for one in listed()]
    with pytest.raises(NotFoundError):
        getattr(hook, f"get_{kind}")("k")


@pytest.mark.parametrize("kind", KINDS)
def test_the_hook_creates_nothing_without_an_id(simulator: Simulator, kind: str) -> None:
    """The caller must choose the slug, because other resources refer to it."""
    with pytest.raises(ConfigError, match="needs an id"):
        getattr(MParticleHook(), f"create_{kind}")({"name": "K"})
    assert [] == simulator.requests


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fields", [None, '{"id": "k", "password": "k33p-this"}', ["id"], 7, [("id", "k")]])
def test_the_hook_writes_only_dicts(simulator: Simulator, kind: str, fields: Any) -> None:
    """A text may be the JSON of the fields, so it is not shown."""
    hook = MParticleHook()
    for write in (getattr(hook, f"create_{kind}"), lambda given: getattr(hook, f"update_{kind}")("k", given)):
        with pytest.raises(ConfigError, match="fields of a resource must be a dict, not a") as refused:
            write(fields)
        assert "k33p-this" not in str(refused.value)

    assert [] == simulator.requests


def test_the_hook_lists_the_connections_of_one_provider(simulator: Simulator) -> None:
    """``serviceProvider`` is the only documented filter."""
    hook = MParticleHook()

    assert 1 == len(hook.list_warehouse_connections("Snowflake"))
    assert [] == hook.list_warehouse_connections("BigQuery")
