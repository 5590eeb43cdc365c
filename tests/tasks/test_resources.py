"""The operators that configure a workspace, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_mparticle.operators import (
    MParticleCreateConnectionOperator,
    MParticleCreateDataModelOperator,
    MParticleCreateFieldTransformationOperator,
    MParticleDeleteResourceOperator,
    MParticlePausePipelineOperator,
    MParticleResumePipelineOperator,
    MParticleUpdatePipelineOperator,
)
from airflow_provider_mparticle.simulator import Fault, Simulator

Execute = Callable[[Any], Any]

SNOWFLAKE = {
    "account_identifier": "xy12345",
    "warehouse": "SYNC",
    "database": "SALES",
    "user": "mparticle",
    "password": "warehouse-password",
}
CONNECTION = {"connection_id": "sales", "name": "Sales", "service_provider": "Snowflake", "config": SNOWFLAKE}
MODEL = {"data_model_id": "customers", "name": "Customers", "sql_query": "SELECT id, email FROM sales.public.customers"}
MAPPINGS = [
    {"mapping_type": "column", "source": "email", "destination": "user_identities.email"},
    {"mapping_type": "static", "destination": "events.event_type", "value": "custom_event"},
    {"mapping_type": "ignore", "source": "internal_note"},
]
TRANSFORMATION = {"field_transformation_id": "people", "name": "People", "mappings": MAPPINGS}


def writes(simulator: Simulator) -> list[tuple[str, Any]]:
    """Method and body of every request that changed something, without the login."""
    return [
        (request["method"], request["body"])
        for request in simulator.requests
        if request["method"] != "GET" and request["path"] != "/oauth/token"
    ]


CREATIONS = [
    pytest.param(MParticleCreateConnectionOperator, CONNECTION, "connection", id="connection"),
    pytest.param(MParticleCreateDataModelOperator, MODEL, "data_model", id="data model"),
    pytest.param(
        MParticleCreateFieldTransformationOperator, TRANSFORMATION, "field_transformation", id="transformation"
    ),
]


@pytest.mark.parametrize(("operator", "options", "kind"), CREATIONS)
def test_a_missing_resource_is_created(
    execute: Execute, simulator: Simulator, operator: Any, options: dict[str, Any], kind: str
) -> None:
    """All fields are new, and the result contains no secret."""
    result = execute(operator(task_id="create", **options))

    assert "name" in result["changed"]
    assert "id" in result["changed"]
    assert options["name"] == result[kind]["name"]
    assert "warehouse-password" not in json.dumps(result)
    assert ["POST"] == [method for method, _ in writes(simulator)]


@pytest.mark.parametrize(("operator", "options", "kind"), CREATIONS)
def test_a_resource_that_is_as_described_is_left_alone(
    execute: Execute, simulator: Simulator, operator: Any, options: dict[str, Any], kind: str
) -> None:
    """Applying a configuration again sends one request and changes nothing."""
    execute(operator(task_id="create", **options))

    result = execute(operator(task_id="again", if_exists="update", **options))

    assert [] == result["changed"]
    assert 1 == len(writes(simulator))


@pytest.mark.parametrize(("operator", "options", "kind"), CREATIONS)
def test_what_differs_is_changed_with_one_request(
    execute: Execute, simulator: Simulator, operator: Any, options: dict[str, Any], kind: str
) -> None:
    """The result names the changed fields. Other fields stay unchanged."""
    execute(operator(task_id="create", **options))

    result = execute(operator(task_id="rename", if_exists="update", **{**options, "name": "Renamed"}))

    assert ["name"] == result["changed"]
    assert "Renamed" == result[kind]["name"]
    assert ["POST", "PUT"] == [method for method, _ in writes(simulator)]


@pytest.mark.parametrize(("operator", "options", "kind"), CREATIONS)
def test_an_existing_resource_fails_the_task_unless_told_otherwise(
    execute: Execute, simulator: Simulator, operator: Any, options: dict[str, Any], kind: str
) -> None:
    """By default, the task does not change a resource that it has not created."""
    execute(operator(task_id="create", **options))

    with pytest.raises(AirflowFailException, match="already exists"):
        execute(operator(task_id="again", **options))

    assert 1 == len(writes(simulator))


def test_a_connection_is_never_written_from_what_was_read(execute: Execute, simulator: Simulator) -> None:
    """mParticle's answers contain no secrets, so a PUT sends what the task describes, with the password."""
    execute(MParticleCreateConnectionOperator(task_id="create", **CONNECTION))
    config = {**SNOWFLAKE, "warehouse": "OTHER"}

    execute(MParticleCreateConnectionOperator(task_id="update", if_exists="update", **{**CONNECTION, "config": config}))

    method, body = writes(simulator)[-1]
    assert "PUT" == method
    assert {"name", "service_provider", "config", "state"} == set(body)
    assert "warehouse-password" == simulator.stored("connection", "sales")["config"]["password"]


def test_a_changed_password_is_written_when_asked_for(execute: Execute, simulator: Simulator) -> None:
    """A changed password cannot be detected, so the user requests the write."""
    execute(MParticleCreateConnectionOperator(task_id="create", **CONNECTION))
    options = {**CONNECTION, "config": {**SNOWFLAKE, "password": "new-password"}, "if_exists": "update"}

    unasked = execute(MParticleCreateConnectionOperator(task_id="unasked", **options))
    asked = execute(MParticleCreateConnectionOperator(task_id="asked", write_secrets=True, **options))

    assert [] == unasked["changed"]
    assert ["config"] == asked["changed"]
    assert "new-password" == simulator.stored("connection", "sales")["config"]["password"]


BAD = [
    pytest.param(MParticleCreateConnectionOperator, {**CONNECTION, "connection_id": "a b"}, "id may hold", id="slug"),
    pytest.param(
        MParticleCreateConnectionOperator,
        {**CONNECTION, "config": {**SNOWFLAKE, "password": "****"}},
        "config.password is masked",
        id="masked",
    ),
    pytest.param(
        MParticleCreateDataModelOperator, {**MODEL, "sql_query": " "}, "config.sql_query is missing", id="no sql"
    ),
    pytest.param(
        MParticleCreateDataModelOperator,
        {**MODEL, "sql_query": f"SELECT {', '.join(f'c{n}' for n in range(101))} FROM a.b.c"},
        "selects 101 columns",
        id="101 columns",
    ),
    pytest.param(
        MParticleCreateFieldTransformationOperator,
        {**TRANSFORMATION, "mappings": [{"mapping_type": "column", "source": "email"}]},
        r"mappings\[0\].destination is missing",
        id="mapping",
    ),
    pytest.param(
        MParticleCreateFieldTransformationOperator,
        {**TRANSFORMATION, "mappings": [{"mapping_type": "copy"}]},
        r"mappings\[0\].mapping_type must be one of column, static, ignore",
        id="mapping type",
    ),
]


@pytest.mark.parametrize(("operator", "options", "said"), BAD)
def test_a_wrong_description_is_named_and_nothing_is_sent(
    execute: Execute, simulator: Simulator, operator: Any, options: dict[str, Any], said: str
) -> None:
    """The mistake is found before any request."""
    with pytest.raises(AirflowFailException, match=said):
        execute(operator(task_id="create", **options))

    assert [] == simulator.requests


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("WITH x AS (SELECT 1 AS a) SELECT a FROM x", "begins with WITH"),
        ("DELETE FROM a.b.c", "is not a SELECT, but DELETE"),
        ("SELECT a FROM a.b.c;", "ends with ';'"),
        ("SELECT a FROM customers", "names customers without a schema"),
    ],
)
def test_sql_that_only_old_documentation_speaks_against_is_sent_with_a_warning(
    execute: Execute, simulator: Simulator, caplog: pytest.LogCaptureFixture, sql: str, said: str
) -> None:
    """A query that may work is not refused."""
    execute(MParticleCreateDataModelOperator(task_id="create", **{**MODEL, "sql_query": sql}))

    assert said in caplog.text
    assert 1 == len(writes(simulator))


def test_a_pipeline_is_updated_field_by_field(execute: Execute, simulator: Simulator) -> None:
    """Other fields stay unchanged, also inside a dict."""
    simulator.add_pipeline("hourly", schedule={"type": "interval", "frequency": "hourly", "delay": "1d"})

    result = execute(
        MParticleUpdatePipelineOperator(
            task_id="update", pipeline_id="hourly", fields={"schedule": {"frequency": "daily"}}
        )
    )

    assert ["schedule"] == result["changed"]
    assert {"type": "interval", "frequency": "daily", "delay": "1d"} == result["pipeline"]["schedule"]


def test_the_type_of_a_sync_mode_is_never_changed(execute: Execute, simulator: Simulator) -> None:
    """mParticle does not allow it, and the message says so before anything is sent."""
    fields = {"sync_mode": {"type": "incremental", "iterator_field": "ts", "iterator_data_type": "timestamp"}}

    with pytest.raises(AirflowFailException, match="does not allow"):
        execute(MParticleUpdatePipelineOperator(task_id="update", pipeline_id="orders", fields=fields))

    assert [] == writes(simulator)


def test_a_pipeline_is_paused_and_resumed(execute: Execute, simulator: Simulator) -> None:
    """mParticle documents only the field state for this. A second pause writes nothing."""
    paused = execute(MParticlePausePipelineOperator(task_id="pause", pipeline_id="orders"))
    again = execute(MParticlePausePipelineOperator(task_id="again", pipeline_id="orders"))
    resumed = execute(MParticleResumePipelineOperator(task_id="resume", pipeline_id="orders"))

    assert ["paused", "paused", "active"] == [r["pipeline"]["state"] for r in (paused, again, resumed)]
    assert [["state"], [], ["state"]] == [r["changed"] for r in (paused, again, resumed)]


def test_a_resource_is_deleted_and_a_missing_one_is_fine(execute: Execute, simulator: Simulator) -> None:
    """Deleting a resource twice is a success, unless the user wants a failure."""
    deleted = execute(MParticleDeleteResourceOperator(task_id="a", kind="pipeline", resource_id="orders"))
    missing = execute(MParticleDeleteResourceOperator(task_id="b", kind="pipeline", resource_id="orders"))

    assert (True, False) == (deleted, missing)
    with pytest.raises(AirflowFailException, match="NotFoundError"):
        execute(MParticleDeleteResourceOperator(task_id="c", kind="pipeline", resource_id="orders", missing_ok=False))


def test_a_create_whose_answer_is_lost_ends_well(execute: Execute, simulator: Simulator) -> None:
    """The data model exists once, and the task succeeds."""
    simulator.inject(Fault(method="POST", path="/data-models", lose="after"))

    result = execute(MParticleCreateDataModelOperator(task_id="create", **MODEL))

    assert "customers" == result["data_model"]["id"]
    assert 1 == len(writes(simulator))
