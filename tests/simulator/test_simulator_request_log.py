"""The log of requests has everything that was sent, except secrets."""

from __future__ import annotations

import json

from airflow_provider_mparticle.simulator.http_messages import Request
from airflow_provider_mparticle.simulator.request_log import RequestLog, without_secrets

LOGIN = Request(
    "POST",
    "/oauth/token",
    {"a": "b"},
    {"authorization": "Bearer s3cret", "cookie": "s3cret", "content-type": "application/json"},
    json.dumps({"client_id": "me", "client_secret": "s3cret"}).encode(),
)


def test_a_request_is_recorded_without_its_secrets():
    """Tests print the log, and a user may save it."""
    log = RequestLog()
    log.add(LOGIN, at=7.0)

    [entry] = log.entries()

    assert "s3cret" not in str(entry)
    assert ("POST", "/oauth/token", {"a": "b"}, {"client_id": "me"}, 7.0) == tuple(
        entry[name] for name in ("method", "path", "query", "body", "at")
    )
    assert {"content-type": "application/json"} == entry["headers"]


def test_secrets_are_removed_at_any_depth():
    """A connection has its password inside config."""
    assert {"config": [{"user": "me"}]} == without_secrets({"config": [{"user": "me", "password": "s3cret"}]})


def test_requests_are_counted_by_method_and_part_of_the_path():
    """None stands for every method."""
    log = RequestLog()
    for method, path in (("GET", "/pipelines/a"), ("POST", "/pipelines/a/trigger"), ("GET", "/pipelines/a")):
        log.add(Request(method, path), at=0.0)

    assert (2, 3, 1) == (log.count("GET", "/pipelines"), log.count(None, "/pipelines"), log.count(None, "/trigger"))
    assert {"GET /pipelines/a": 2, "POST /pipelines/a/trigger": 1} == log.by_route()


def test_what_is_filled_in_later_is_in_the_log():
    """The status is known after the answer."""
    log = RequestLog()
    log.add(LOGIN, at=0.0)["status"] = 200

    assert [200] == [entry["status"] for entry in log.entries()]
