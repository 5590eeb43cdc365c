"""The simulator answers generated requests as docs/openapi.yaml says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from contract.request_check import DESCRIPTION, document, operations
from hypothesis import HealthCheck, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from airflow_provider_mparticle.simulator import Simulator

# The requests are generated while tests are collected, in each process again, and that takes most of the time.
pytestmark = pytest.mark.slow

described = schemathesis.openapi.from_path(str(DESCRIPTION))
described.config.generation.update(deterministic=True, database="none", with_security_parameters=False)
described.config.phases.coverage.unexpected_methods = {"patch"}

# These check one answer. Schemathesis has more, with which its authors compare an API with a good one in general.
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    unsupported_method,
)


@pytest.fixture
def simulated() -> Iterator[Simulator]:
    """A simulator for one operation, with the objects that the examples of the description name."""
    with Simulator(run_s=0.01) as simulator:
        simulator.add_pipeline("orders")
        simulator.add_run("orders", "success")
        names = ("connection_id", "data_model_id", "field_transformation_id")
        simulator.add_pipeline("unneeded", **{name: _example_of(name) for name in names})
        yield simulator


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    """A session for all requests: it keeps its connections, and uses no proxy."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture
def token(simulated: Simulator, session: requests.Session) -> Iterator[str]:
    """A token for that simulator; some answers to it must be successful."""
    body = document()["components"]["requestBodies"]["TokenRequest"]["content"]["application/json"]["example"]
    session.post(simulated.token_url, json=body, timeout=60).raise_for_status()
    token = simulated.token_values[0]
    # No object may refer to one that is deleted.
    unneeded = f"{simulated.url}/platform/v2/workspaces/{simulated.workspace_id}/inputs/data-pipelines/unneeded"
    session.delete(unneeded, headers={"Authorization": f"Bearer {token}"}, timeout=60).raise_for_status()
    before = len(simulated.requests)

    yield token

    statuses = [entry["status"] for entry in simulated.requests[before:]]
    assert any(200 <= status < 300 for status in statuses), "no answer but refusals was tested"


@described.parametrize()
@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_simulator_answers_as_described(case: Any, simulated: Simulator, token: str, session: requests.Session):
    """For any request, valid or not, the answer is one of those described."""
    authorized = {"Authorization": f"Bearer {token}"}
    answer = case.call(base_url=simulated.url, session=session, headers=authorized, timeout=60)

    # The simulator may accept a malformed request, and its answer is then not described.
    fits_or_refused = case.meta.generation.mode is GenerationMode.POSITIVE or answer.status_code >= 400
    checks = [*CHECKS, response_schema_conformance] if fits_or_refused else list(CHECKS)
    case.validate_response(answer, checks=checks)


def test_without_a_token_the_simulator_answers_401(simulated: Simulator, session: requests.Session):
    """Only the login needs no token, in the description and in the simulator."""
    known = operations()
    answers = {(m, path): session.request(m, simulated.url + path, timeout=60).status_code for m, path in known}

    open_to_all = {(m, path) for m, path in known if "security" in document()["paths"][path][m.lower()]}
    assert open_to_all == {operation for operation, status in answers.items() if status != 401}


def _example_of(name: str) -> Any:
    return next(one["example"] for one in document()["components"]["parameters"].values() if one["name"] == name)
