"""The routes under /_simulator serve users with curl, and refuse web pages of other origins."""

from __future__ import annotations

import string

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.simulator import Simulator, control_routes
from airflow_provider_mparticle.simulator.http_messages import Request


@pytest.fixture
def control(simulator):
    """Call a control route without a token and without a content type, as curl -d does."""

    def call(method: str, path: str, body: str = "") -> requests.Response:
        return requests.request(method, f"{simulator.url}/_simulator{path}", data=body, timeout=60)

    return call


def test_the_overview_shows_what_is_there_and_what_happened(simulator, caller, control):
    """The overview answers most questions of a user."""
    caller.trigger()
    simulator.fail_next(503, path="/trigger", times=2)

    overview = control("GET", "").json()

    assert {"state": "active", "starts": 1, "latest_run": {"13325": "triggered"}} == overview["pipelines"]["orders"]
    assert 1 == overview["requests"]["POST /platform/v2/workspaces/1234/inputs/data-pipelines/orders/trigger"]
    assert (1, 503, 2) == (
        overview["tokens_minted"],
        overview["faults"][0]["status"],
        overview["faults"][0]["times_left"],
    )


def test_a_fault_can_be_added_and_cleared(caller, control):
    """The fields are those of the Fault class."""
    control("POST", "/faults", '{"path": "/trigger", "status": 503, "times": null}')
    broken = caller.trigger().status_code
    control("DELETE", "/faults")

    assert (503, 200) == (broken, caller.trigger().status_code)


@pytest.mark.parametrize("body", ['{"sttus": 503}', '{"status": "x"}', '{"headers": 5}', "[]", "{"])
def test_an_invalid_fault_is_refused_with_a_reason(control, body):
    """A fault with a typing mistake would never act."""
    answer = control("POST", "/faults", body)

    assert 400 == answer.status_code
    assert answer.json()["errors"][0]["message"]


def test_tokens_can_be_expired(caller, control):
    """A user can try what a client does with an expired token."""
    control("POST", "/tokens/expire")

    assert 401 == caller.status().status_code


def test_credentials_can_be_rotated(simulator, control):
    """The old ones are refused from then on."""
    answer = control("POST", "/credentials", '{"client_secret": "fresh"}')

    assert (200, "fresh") == (answer.status_code, simulator.client_secret)


def test_pipelines_runs_and_scripts_can_be_added(simulator, caller, control):
    """curl can do the same as Python in a test."""
    added = control("POST", "/pipelines", '{"id": "people", "environment": "production"}')
    run = control("POST", "/pipelines/people/runs", '{"state": "failed", "errors": ["broken"]}')
    script = control("POST", "/pipelines/people/script", '{"states": [["odd", null]]}')
    caller.trigger("people")

    assert [200, 200, 200] == [answer.status_code for answer in (added, run, script)]
    assert ["failed", "odd"] == [one["status"] for one in simulator.runs("people")]


def test_runs_can_be_ended(simulator, caller, control):
    """A user does not have to wait."""
    simulator.script_next_run("orders", [("running", None)])
    caller.trigger()

    answer = control("POST", "/runs/end", '{"state": "failed"}')

    assert ({"ended": 1}, "failed") == (answer.json(), simulator.runs("orders")[0]["status"])


def test_rows_can_be_added_and_counted(caller, simulator, control):
    """What a pipeline ingested can be seen from another process."""
    rows = '[{"id": 1, "email": "a@x", "updated_at": "x"}, {"id": 2, "email": "b@x", "updated_at": "y"}]'
    added = control("POST", "/sources", f'{{"table": "shop.public.orders", "rows": {rows}}}').json()
    simulator.script_next_run("orders", [("success", None)])
    caller.trigger()
    caller.put(
        "/data-models/orders-model", {"config": {"sql_query": "SELECT o.id FROM shop.public.orders o WHERE o.id = 2"}}
    )
    simulator.script_next_run("orders", [("success", None)])
    caller.trigger()
    simulator.add_source("shop.public.orders", [{"id": 3}])

    assert {"rows": 2, "never": [1, 2], "once": 0, "more": {}} == added
    assert {"rows": 3, "never": [3], "once": 1, "more": {"2": 2}} == control("GET", "/ingested").json()


def test_rows_can_be_counted_for_one_pipeline(simulator, control):
    """Two pipelines may read the same table, with a key of another name."""
    simulator.add_source("shop.public.orders", [{"order_id": 7}], key="order_id")

    counted = control("GET", "/ingested?pipeline_id=orders")

    assert {"rows": 1, "never": [7], "once": 0, "more": {}} == counted.json()
    assert 404 == control("GET", "/ingested?pipeline_id=none").status_code


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/pipelines", "{}", 400),
        ("/pipelines", '{"id": "a b"}', 422),
        ("/pipelines/none/runs", "{}", 404),
        ("/pipelines/orders/runs", '{"colour": 1}', 400),
        ("/pipelines/orders/script", '{"states": []}', 400),
        ("/pipelines/orders/script", '{"states": [1]}', 400),
        ("/pipelines/orders/script", '{"colour": 1}', 400),
        ("/runs/end", '{"state": "running"}', 400),
        ("/runs/end", '{"state": 5}', 400),
        ("/credentials", '{"colour": 1}', 400),
        ("/sources", "{}", 400),
        ("/sources", '{"table": "t", "rows": 5}', 400),
        ("/sources", '{"table": "t", "rows": ["x"]}', 400),
        ("/sources", '{"table": 5, "rows": [{"id": 1}]}', 400),
        ("/sources", '{"table": "t", "rows": [{"id": 1}], "key": 5}', 400),
        ("/sources", '{"table": "t", "rows": [{"id": [1]}]}', 400),
        ("/nothing", "{}", 404),
    ],
)
def test_a_mistake_is_answered_with_a_reason(control, path, body, status):
    """The message says what to correct."""
    assert status == control("POST", path, body).status_code


def test_control_requests_are_neither_recorded_nor_broken(simulator, control):
    """Control requests are not part of the observed API."""
    simulator.fail_next(503, times=None)

    assert [] == control("GET", "/requests").json()
    assert 0 == simulator.count(None, "/_simulator")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "evil.example#@127.0.0.1"},
        {"Host": "0.0.0.0:80"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/tokens/expire"), ("DELETE", "/faults")])
def test_a_web_page_of_another_origin_is_refused(simulator, method, path, headers):
    """A web page in a browser on this machine can reach loopback, and the routes need no token."""
    answer = requests.request(method, f"{simulator.url}/_simulator{path}", headers=headers, timeout=60)

    assert 403 == answer.status_code
    assert (headers.get("Origin") or headers["Host"]).lower() in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:8090", "[::1]:8090"])
@pytest.mark.parametrize("has_origin", [True, False])
def test_this_machine_is_served_under_each_of_its_names(simulator, host, has_origin):
    """Curl and a page of the simulator itself may use each name."""
    headers = {"Host": host} | ({"Origin": f"http://{host}"} if has_origin else {})

    assert 200 == requests.get(f"{simulator.url}/_simulator", headers=headers, timeout=60).status_code


_NAMES = st.text(string.ascii_letters + string.digits + ".-:@[]/#, ", max_size=40)


@given(host=_NAMES, origin=_NAMES | st.sampled_from(["http://127.0.0.1", "http://localhost"]))
@settings(max_examples=300)
def test_what_is_served_has_the_host_and_the_origin_of_this_machine(host, origin):
    """Only this machine's own names are accepted, whatever a browser sends."""
    router = control_routes.build_router(Simulator())
    status = control_routes.answer(router, Request("GET", "/_simulator/requests", {}, {"host": host, "origin": origin}))
    own = host.lower().rsplit(":", 1)[0] if host[-1:].isdigit() and ":" in host else host.lower()

    assert (200 == status.status) <= (own in ("127.0.0.1", "localhost", "[::1]"))
    assert (200 == status.status) <= (origin.lower() in ("", f"http://{host.lower()}"))
