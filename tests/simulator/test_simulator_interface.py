"""The Simulator object starts, stops, logs requests, and serves many clients."""

from __future__ import annotations

import ast
import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

import airflow_provider_mparticle.simulator as package
from airflow_provider_mparticle.simulator import Fault, Refusal, Simulator


def test_the_simulator_imports_the_standard_library_and_itself_only():
    """It must not share code with the client: otherwise both could misread mParticle in the same way."""
    ours = package.__name__
    found = set()
    for file in Path(package.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module if not node.level else f"relative import in {file.name}")

    strangers = {name for name in found if name.split(".")[0] not in sys.stdlib_module_names}
    assert set() == {name for name in strangers if name != ours and not name.startswith(ours + ".")}


def test_the_airflow_connection_is_one_json_string(simulator):
    """It is what ``AIRFLOW_CONN_MPARTICLE_DEFAULT`` holds."""
    connection = json.loads(simulator.airflow_connection_json())

    assert simulator.airflow_connection() == connection
    assert ("mparticle", simulator.url) == (connection["conn_type"], connection["host"])
    assert {"workspace_id", "account_id", "token_url"} == connection["extra"].keys()


def test_the_connection_of_the_v1_layout_carries_routes():
    """The provider's defaults are v2, so v1 needs every pipeline route overridden."""
    with Simulator(layout="v1") as simulator:
        routes = simulator.airflow_connection()["extra"]["routes"]

    assert "/data-pipelines/{pipeline_id}" == routes["pipeline"] == routes["trigger_pipeline"]
    assert "/data-pipelines/{pipeline_id}/report" == routes["pipeline_status"]
    assert "/data-pipelines/{pipeline_id}/runs/{pipeline_run_id}" == routes["pipeline_run"]


def test_requests_are_recorded_without_secrets(simulator, caller):
    """A test report may contain the log."""
    caller.get("/connections", serviceProvider="Snowflake")

    login, read = simulator.requests

    assert ("POST", "/oauth/token", 200) == (login["method"], login["path"], login["status"])
    assert "simulator-client" == login["body"]["client_id"]
    assert "/platform/v2/workspaces/1234/connections" == read["path"]
    assert ({"serviceProvider": "Snowflake"}, None) == (read["query"], read["body"])
    assert pytest.approx(time.time(), abs=60) == read["at"]
    token = caller.session.headers["Authorization"].split()[1]
    assert not any(secret in str(simulator.requests) for secret in (simulator.client_secret, token))


def test_requests_are_counted_by_method_and_part_of_the_path(simulator, caller):
    """With counts, a test proves that a call was sent once."""
    caller.trigger()
    caller.status()
    caller.status()

    counts = [
        simulator.count("POST", "/trigger"),
        simulator.count("GET", "/status"),
        simulator.count(None, "orders"),
    ]

    assert [1, 2, 3] == counts


def test_one_session_opens_one_connection(simulator, caller):
    """Keep-alive works, so if a client opens more connections, the client is the cause."""
    for _ in range(20):
        caller.status()

    assert 1 == simulator.connections_opened


def test_a_pipeline_that_mparticle_would_refuse_is_refused_here_too(simulator):
    """A mistake in the setup of a test must be visible."""
    with pytest.raises(Refusal, match="already exists"):
        simulator.add_pipeline("orders")


def test_a_ready_made_pipeline_takes_fields_and_gets_what_it_refers_to(simulator, caller):
    """A test only names the fields that it needs."""
    pipeline = simulator.add_pipeline("people", field_transformation_id="people-map", environment="production")

    assert ("production", "people-map") == (pipeline["environment"], pipeline["field_transformation_id"])
    assert 200 == caller.get("/field-transformations/people-map").status_code


def test_a_stop_and_a_start_are_an_outage_that_keeps_the_state(simulator, caller):
    """The port and the open connections are closed meanwhile, and the state is kept."""
    caller.trigger()
    url = simulator.url
    simulator.stop()
    with pytest.raises(requests.ConnectionError):
        caller.status()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=60)
    simulator.start()

    assert url == simulator.url
    assert 200 == caller.status().status_code
    assert 1 == simulator.starts("orders") == simulator.count("POST", "/trigger")


def test_a_stop_does_not_wait_for_a_delayed_answer(simulator, caller):
    """An outage begins at once."""
    simulator.inject(Fault(latency_s=3600))
    with ThreadPoolExecutor() as pool:
        pending = pool.submit(caller.status)
        while not simulator.count("GET", "/status"):
            time.sleep(0.01)
        began = time.monotonic()
        simulator.stop()
        lasted = time.monotonic() - began
        with pytest.raises(requests.ConnectionError):
            pending.result(timeout=60)

    assert 60 > lasted


def test_it_listens_on_loopback_only(simulator):
    """The credentials are public, so other machines must not reach it."""
    assert simulator.url.startswith("http://127.0.0.1:")
    assert ("127.0.0.1", int(simulator.url.rsplit(":", 1)[1])) == simulator._server.socket.getsockname()


def test_one_of_many_simultaneous_triggers_starts_a_run(simulator, log_in):
    """The check for a run in progress and the start are one atomic step."""
    callers = [log_in(simulator) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda caller: caller.trigger().status_code, callers))

    assert [200, *[400] * 7] == sorted(statuses)
    assert 1 == simulator.starts("orders")


def test_hundreds_of_connections_are_served_at_once(simulator, caller):
    """A test finds leaked connections by their number, and not by a limit of the simulator."""
    request = (
        "GET /platform/v2/workspaces/1234/inputs/data-pipelines/orders HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {caller.session.headers['Authorization']}\r\n\r\n"
    ).encode()
    address = ("127.0.0.1", int(simulator.url.rsplit(":", 1)[1]))
    sockets = [socket.create_connection(address, timeout=60) for _ in range(300)]
    for one in sockets:
        one.sendall(request)
    answers = [one.recv(16) for one in sockets]
    for one in sockets:
        one.close()

    assert {b"HTTP/1.1 200 OK\r"} == {answer[:16] for answer in answers}
    assert 301 == simulator.connections_opened
