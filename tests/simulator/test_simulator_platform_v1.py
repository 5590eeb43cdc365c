"""The Platform API v1 needs accountId, answers in the envelope, and has each group of calls."""

from __future__ import annotations

import pytest

READABLE = {
    "/v1/accounts": "account",
    "/v1/accounts/5678": "account",
    "/v1/apps": "app",
    "/v1/apps/501": "app",
    "/v1/apps/501/platforms": "platform",
    "/v1/apps/501/datapoints": "datapoint",
    "/v1/audiences": "audience",
    "/v1/workspace/1234/partnerfeeds": "partnerfeed",
    "/v1/partnerfeeds/11": "partnerfeed",
    "/v1/services": "service",
    "/v1/services/Snowflake": "service",
    "/v1/users": "user",
    "/v1/users/ada%40example.com": "user",
    "/v1/workspace": "workspace",
}


@pytest.mark.parametrize(("path", "data_type"), READABLE.items())
def test_v1_answers_come_in_the_envelope(caller, path, data_type):
    """``data``, ``dataType`` and ``errors``, as the Platform API overview says."""
    answer = caller.get(path, accountId=5678)

    assert 200 == answer.status_code
    assert {"data", "dataType", "errors"} == answer.json().keys()
    assert (data_type, None) == (answer.json()["dataType"], answer.json()["errors"])
    assert answer.json()["data"]


@pytest.mark.parametrize(("query", "status"), [({}, 401), ({"accountId": ""}, 401), ({"accountId": "1"}, 404)])
def test_v1_needs_the_account(caller, query, status):
    """A 401 has two causes in v1: no token, or no ``accountId``."""
    answer = caller.get("/v1/apps", **query)

    assert status == answer.status_code
    assert {"code", "message"} == answer.json()["errors"][0].keys()


@pytest.mark.parametrize("path", ["/v1/apps/1", "/v1/nothing", "/v1/workspace/99/audiences", "/v1/users/nobody"])
def test_what_is_missing_in_v1_answers_404_in_the_envelope(caller, path):
    """A client must read the errors of both families of paths."""
    answer = caller.get(path, accountId=5678)

    assert 404 == answer.status_code
    assert answer.json()["data"] is None


def test_the_audiences_of_a_workspace_are_a_bare_array(caller):
    """mParticle's documentation shows both shapes, so a client must read both."""
    bare = caller.get("/v1/workspace/1234/audiences", accountId=5678).json()

    assert caller.get("/v1/audiences", accountId=5678).json()["data"] == bare


def test_an_app_lives_from_post_to_delete(caller):
    """The documented codes are 201 for POST, 202 for PUT and DELETE."""
    created = caller.call("POST", "/v1/apps", params={"accountId": 5678}, json={"name": "Till"})
    path = f"/v1/apps/{created.json()['data'][0]['id']}"
    changed = caller.call("PUT", path, params={"accountId": 5678}, json={"name": "Tills"})
    deleted = caller.call("DELETE", path, params={"accountId": 5678})

    assert [201, 202, 202] == [answer.status_code for answer in (created, changed, deleted)]
    assert "Tills" == changed.json()["data"][0]["name"]
    assert 404 == caller.get(path, accountId=5678).status_code


def test_a_feed_can_be_created_and_read(caller):
    """Pipelines need a feed, so a set-up begins with one."""
    query = {"accountId": 5678}
    created = caller.call("POST", "/v1/workspace/1234/partnerfeeds", params=query, json={"name": "Returns"})
    feed_id = created.json()["data"][0]["id"]

    assert 201 == created.status_code
    assert "Returns" == caller.get(f"/v1/partnerfeeds/{feed_id}", **query).json()["data"][0]["name"]


def test_data_points_can_be_replaced(caller):
    """They are the only list that is written as a whole."""
    points = [{"id": 9, "name": "Purchase", "enabled": False}]

    changed = caller.call("PUT", "/v1/apps/501/datapoints", params={"accountId": 5678}, json=points)

    assert 202 == changed.status_code
    assert points == caller.get("/v1/apps/501/datapoints", accountId=5678).json()["data"]


def test_calculated_attributes_are_below_the_v2_base_and_bare(caller):
    """They are the only group of the Platform API without ``accountId``."""
    listed = caller.get("/calculatedattributes").json()

    assert listed[0] == caller.get(f"/calculatedattributes/{listed[0]['id']}").json()
