"""The check of the client's requests can fail, and does not fail for fields that it cannot see."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from contract.request_check import REMOVED, description, document

from airflow_provider_mparticle.simulator.request_log import without_secrets

TESTS = Path(__file__).parents[1]
BASE = "/platform/v2/workspaces/1234"
ORDERS = f"{BASE}/inputs/data-pipelines/orders"
JSON_TYPE = {"content-type": "application/json"}


def entry(method: str, path: str, body: Any = None, **query: str) -> dict[str, Any]:
    """A request as the simulator records it."""
    return {"method": method, "path": path, "query": query, "headers": JSON_TYPE if body else {}, "body": body}


def bodies() -> list[tuple[str, str, Any]]:
    """Every operation with a body, with the body of its example."""
    examples = document()["components"]["requestBodies"]
    parameters = {one["name"]: one["example"] for one in document()["components"]["parameters"].values()}
    return [
        (
            method.upper(),
            path.format(**parameters),
            examples[item[method]["requestBody"]["$ref"].rpartition("/")[2]]["content"]["application/json"]["example"],
        )
        for path, item in document()["paths"].items()
        for method in ("post", "put")
        if "requestBody" in item.get(method, {})
    ]


@pytest.mark.parametrize(("method", "path", "body"), bodies())
def test_the_examples_fit_as_the_simulator_records_them(method: str, path: str, body: Any):
    """Secrets are not recorded, so a missing one is not a problem."""
    query = {"accountId": "5678"} if path.startswith("/v1") else {}

    assert [] == description().problems(entry(method, path, without_secrets(body), **query))


def test_what_is_removed_is_what_the_request_log_removes():
    """The check requires all other fields."""
    assert {} == without_secrets(dict.fromkeys(REMOVED, "x"))


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (entry("GET", f"{BASE}/pipelines"), "the description has no such operation"),
        (entry("DELETE", f"{ORDERS}/trigger"), "the description has no such operation"),
        (entry("GET", f"{BASE}/connections/a%20b"), "connection_id: 'a b' does not match"),
        (entry("GET", "/platform/v2/workspaces/mine/connections"), "workspaceId: 'mine' is not of type 'integer'"),
        (entry("GET", f"{BASE}/connections", accountId="5678"), "unknown parameter accountId"),
        (entry("GET", f"{BASE}/connections", serviceProvider="Oracle"), "serviceProvider: 'Oracle' is not one of"),
        (entry("GET", f"{ORDERS}/status/runs", currentPage="0"), "currentPage: 0 is less than the minimum"),
        (entry("GET", f"{ORDERS}/status/runs", startDate="yesterday"), "startDate: 'yesterday' does not match"),
        (entry("GET", "/v1/apps"), "accountId is missing"),
        (entry("POST", f"{ORDERS}/trigger", {"full": True}), "it has a body"),
        (entry("PUT", ORDERS), "the content type '' is not described"),
        (entry("PUT", ORDERS, {"state": "stopped"}), "body.state: 'stopped' is not one of"),
        (entry("PUT", ORDERS, {"stat": "paused"}), "'stat' was unexpected"),
        (entry("PUT", ORDERS, {"sync_mode": {"type": "incremental"}}), "body.sync_mode"),
        (entry("POST", f"{BASE}/data-models", {"id": "m"}), "'name' is a required property"),
        (entry("POST", "/oauth/token", {"client_id": "x"}), "'audience' is a required property"),
    ],
)
def test_a_request_that_does_not_fit_is_named(request_: dict[str, Any], problem: str):
    """One rule for each problem that a request can have."""
    found = description().problems(request_)

    assert any(problem in one for one in found), found
    assert all(one.startswith(f"{request_['method']} {request_['path']}: ") for one in found)


SUITE = """
import pytest, requests

def ask(simulator, path):
    requests.get(simulator.url + path, timeout=60)

def test_described(simulator):
    ask(simulator, "/platform/v2/workspaces/1234/connections")

def test_undescribed(simulator):
    ask(simulator, "/platform/v2/workspaces/1234/connectoins")

@pytest.mark.sends_anything(reason="it tries out what happens")
def test_on_purpose(simulator):
    ask(simulator, "/platform/v2/workspaces/1234/connectoins")

@pytest.mark.sends_anything
def test_without_a_reason(simulator):
    pass

def test_other_layout(start_simulator):
    ask(start_simulator(layout="v1"), "/platform/v2/workspaces/1234/data-pipelines")
"""


@pytest.mark.interpreter
def test_a_test_that_sends_what_is_not_described_fails(tmp_path: Path):
    """The fixtures of this suite check at the end of each test, unless the test says why they should not."""
    (tmp_path / "test_suite.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-q", "-rE", "-p", "conftest", "-p", "no:cacheprovider", "test_suite.py"]

    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert "5 passed" in done.stdout
    assert "2 errors" in done.stdout
    assert "ERROR test_suite.py::test_undescribed" in done.stdout
    assert "GET /platform/v2/workspaces/1234/connectoins: the description has no such operation" in done.stdout
    assert "ERROR test_suite.py::test_without_a_reason" in done.stdout
