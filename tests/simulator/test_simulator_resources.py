"""Connections, data models, field transformations and pipelines are stored, shown and refused as by mParticle."""

from __future__ import annotations

import re

import pytest

CONNECTION = {
    "id": "lake",
    "name": "Lake",
    "service_provider": "Redshift",
    "config": {"database": "d", "host": "h", "user": "u", "password": "p4ss"},
}
DATA_MODEL = {"id": "people", "name": "People", "type": "sql", "config": {"sql_query": "SELECT 1 FROM a.b.c"}}
TRANSFORMATION = {
    "id": "mapping",
    "name": "Mapping",
    "destination_type": "event_batch",
    "mappings": [{"mapping_type": "ignore", "source": "x"}],
}
PIPELINE = {
    "id": "customers",
    "name": "Customers",
    "connection_id": "warehouse",
    "data_model_id": "orders-model",
    "partner_feed_key": "feed-key",
    "sync_mode": {"type": "full"},
    "schedule": {"type": "on_demand"},
}
INCREMENTAL = {"type": "incremental", "iterator_field": "updated_at", "iterator_data_type": "timestamp"}

PATHS = {
    "/connections": CONNECTION,
    "/data-models": DATA_MODEL,
    "/field-transformations": TRANSFORMATION,
    "/inputs/data-pipelines": PIPELINE,
}


@pytest.mark.parametrize(("path", "body"), PATHS.items())
def test_a_resource_lives_from_post_to_delete(caller, path, body):
    """Every kind has the same five calls and the documented status codes."""
    created = caller.post(path, body)
    listed = [one["id"] for one in caller.get(path).json()]
    changed = caller.put(f"{path}/{body['id']}", {"name": "Renamed"})
    read = caller.get(f"{path}/{body['id']}").json()
    deleted = caller.delete(f"{path}/{body['id']}")

    assert (200, 200) == (created.status_code, changed.status_code)
    assert body["id"] in listed
    assert "Renamed" == read["name"]
    assert (202, b"") == (deleted.status_code, deleted.content)
    assert 404 == caller.get(f"{path}/{body['id']}").status_code


@pytest.mark.parametrize(("path", "body"), PATHS.items())
def test_an_answer_carries_status_errors_and_audit_fields(caller, path, body):
    """mParticle sets these fields, and ignores those of the caller."""
    answer = caller.post(path, body | {"status": "broken", "created_by": "me"}).json()

    assert ("healthy", []) == (answer["status"], answer["errors"])
    assert "me" != answer["created_by"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", answer["created_on"])
    assert {"last_modified_on", "last_modified_by"} <= answer.keys()


@pytest.mark.parametrize(("path", "body"), PATHS.items())
def test_a_field_that_is_not_sent_stays_when_a_resource_is_changed(caller, path, body):
    """A PUT changes only the sent fields."""
    before = caller.post(path, body).json()

    after = caller.put(f"{path}/{body['id']}", {"name": "Renamed"}).json()

    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"name", "last_modified_on"}


def test_secrets_never_come_back(simulator, caller):
    """mParticle's answers do not contain passwords, and mask feed keys."""
    google = {
        **CONNECTION,
        "id": "google",
        "service_provider": "BigQuery",
        "config": {"service_account_key": "k3y"},
    }

    answers = [caller.post("/connections", one) for one in (CONNECTION, google)]
    answers += [caller.post("/inputs/data-pipelines", PIPELINE), caller.get("/connections")]
    answers += [caller.put("/connections/lake", {"config": {"host": "h2", "password": "p4ss"}})]

    assert {200} == {answer.status_code for answer in answers}
    assert not any(re.search("p4ss|k3y|feed-key", answer.text) for answer in answers)
    assert "****" == answers[2].json()["partner_feed_key"]
    assert not re.search("p4ss|k3y|feed-key", str(simulator.requests))


def test_connections_can_be_listed_by_service_provider(caller):
    """The only documented filter of a list."""
    caller.post("/connections", CONNECTION)

    providers = [one["service_provider"] for one in caller.get("/connections", serviceProvider="Redshift").json()]

    assert ["Redshift"] == providers


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ("/connections", {"id": "a b"}, "id must be text of"),
        ("/connections", {"id": 7}, "id must be text of"),
        ("/connections", {"id": None}, "id is required"),
        ("/connections", {"name": " "}, "name is required"),
        ("/connections", {"config": None}, "config is required"),
        ("/connections", {"config": "x"}, "config must be an object"),
        ("/connections", {"config": {"password": "****"}}, "masked value"),
        ("/connections", {"service_provider": "Oracle"}, "service_provider must be one of"),
        ("/connections", {"state": "asleep"}, "state must be one of"),
        ("/data-models", {"type": "python"}, "type must be one of"),
        ("/data-models", {"config": {}}, "config.sql_query is required"),
        ("/field-transformations", {"destination_type": "x"}, "destination_type must be one of"),
        ("/field-transformations", {"mappings": {}}, "mappings must be a list"),
        (
            "/field-transformations",
            {"mappings": [{"mapping_type": "copy"}]},
            "mappings[0].mapping_type must be",
        ),
        (
            "/field-transformations",
            {"mappings": [{"mapping_type": "column", "source": "a"}]},
            "destination is req",
        ),
        (
            "/field-transformations",
            {"mappings": [{"mapping_type": "static", "destination": "a"}]},
            "value is req",
        ),
        (
            "/field-transformations",
            {"mappings": [{"mapping_type": "ignore"}]},
            "source is required for ignore",
        ),
        ("/inputs/data-pipelines", {"connection_id": "no"}, "the connection 'no' does not exist"),
        ("/inputs/data-pipelines", {"connection_id": {}}, "the connection {} does not exist"),
        ("/inputs/data-pipelines", {"data_model_id": "no"}, "the data model 'no' does not exist"),
        (
            "/inputs/data-pipelines",
            {"field_transformation_id": "no"},
            "the field transformation 'no' does not exist",
        ),
        ("/inputs/data-pipelines", {"environment": "staging"}, "environment must be one of"),
        ("/inputs/data-pipelines", {"state": "running"}, "state must be one of"),
        ("/inputs/data-pipelines", {"partner_feed_key": "****"}, "masked value"),
        (
            "/inputs/data-pipelines",
            {"sync_mode": {"type": "delta"}},
            "sync_mode.type must be full or incremental",
        ),
        ("/inputs/data-pipelines", {"sync_mode": {"type": "incremental"}}, "iterator_field is required"),
        (
            "/inputs/data-pipelines",
            {"sync_mode": INCREMENTAL | {"iterator_data_type": "text"}},
            "iterator_data_type must be one of",
        ),
        (
            "/inputs/data-pipelines",
            {"sync_mode": INCREMENTAL | {"from": "2025-02-01T00:00:00Z", "until": "2025-01-01"}},
            "from must be before sync_mode.until",
        ),
        ("/inputs/data-pipelines", {"sync_mode": INCREMENTAL | {"from": "soon"}}, "from must be an ISO 8601"),
        ("/inputs/data-pipelines", {"schedule": {"type": "sometimes"}}, "schedule.type must be one of"),
        ("/inputs/data-pipelines", {"schedule": {"type": "interval"}}, "schedule.frequency is required"),
        (
            "/inputs/data-pipelines",
            {"schedule": {"type": "interval", "frequency": "yearly"}},
            "schedule.frequency must be one of",
        ),
        (
            "/inputs/data-pipelines",
            {"schedule": {"type": "once", "delay": "a day"}},
            "schedule.delay must be",
        ),
    ],
)
def test_a_broken_rule_is_refused_with_422_and_its_reason(caller, path, change, message):
    """The client's message contains this reason."""
    answer = caller.post(path, PATHS[path] | change)

    assert 422 == answer.status_code
    assert message in " ".join(error["message"] for error in answer.json()["errors"])


def test_all_problems_of_a_resource_come_at_once(caller):
    """The user can correct all problems together."""
    answer = caller.post("/inputs/data-pipelines", {"id": "a b", "connection_id": "no"})

    assert 5 <= len(answer.json()["errors"])


def test_an_id_can_be_used_once(caller):
    """Callers choose ids, so two may choose the same."""
    caller.post("/connections", CONNECTION)

    answer = caller.post("/connections", CONNECTION)

    assert 422 == answer.status_code
    assert "already exists" in answer.text


def test_the_type_of_a_sync_mode_cannot_be_changed(caller):
    """The documentation says so. All other fields can be changed."""
    caller.post("/inputs/data-pipelines", PIPELINE | {"sync_mode": INCREMENTAL})
    path = "/inputs/data-pipelines/customers"

    refused = caller.put(path, {"sync_mode": {"type": "full"}})
    accepted = caller.put(path, {"sync_mode": INCREMENTAL | {"iterator_field": "created_at"}})

    assert 422 == refused.status_code
    assert "sync_mode.type cannot be changed" in refused.text
    assert "created_at" == accepted.json()["sync_mode"]["iterator_field"]


def test_a_resource_in_use_cannot_be_deleted(caller):
    """Assumed: a resource that a pipeline refers to is protected."""
    caller.post("/inputs/data-pipelines", PIPELINE)

    answers = [caller.delete("/connections/warehouse"), caller.delete("/data-models/orders-model")]

    assert [422, 422] == [answer.status_code for answer in answers]


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"data": "{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": "[1]", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": {"id": "x"}}, 400),
        ({"data": '{"name": NaN}', "headers": {"Content-Type": "application/json"}}, 400),  # Python's JSON only
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(caller, options, status):
    """400 means that a body cannot be parsed, 422 that it breaks a rule."""
    assert status == caller.call("POST", "/connections", **options).status_code


def test_a_method_that_a_path_does_not_have_is_not_allowed(caller):
    """405 and its Allow header distinguish a wrong method from a wrong path."""
    answer = caller.call("PATCH", "/connections/warehouse", json={})

    assert (405, "GET, PUT, DELETE") == (answer.status_code, answer.headers["Allow"])


@pytest.mark.parametrize(
    "path", ["/connections/none", "/nothing", "/platform/v2/workspaces/99/connections", "/platform/v2"]
)
def test_what_is_not_there_answers_404(caller, path):
    """A missing resource, a missing route and a workspace without access have the same answer."""
    answer = caller.get(path)

    assert 404 == answer.status_code
    assert answer.json()["errors"][0]["message"]
