"""docs/openapi.yaml: a valid document, that fits the client and the simulator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from contract.request_check import DESCRIPTION, METHODS, document
from hypothesis import HealthCheck, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from airflow_provider_mparticle.client.resource_kinds import KINDS
from airflow_provider_mparticle.client.routes import DEFAULT_ROUTES
from airflow_provider_mparticle.client.run_fields import RUN_FIELDS
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.habits import Habits
from airflow_provider_mparticle.simulator.platform_v1 import Platform, platform_routes
from airflow_provider_mparticle.simulator.workspace import Workspace
from airflow_provider_mparticle.simulator.workspace_routes import workspace_routes

WORKSPACE = "/platform/v2/workspaces/{workspaceId}"
CONFIDENCES = {"stated", "stated-for-sibling", "assumed"}

# Paths that are literals in `client/endpoints.py`, or that users give to the platform operator.
PLATFORM = {
    f"{WORKSPACE}/calculatedattributes",
    f"{WORKSPACE}/calculatedattributes/{{calculated_attribute_id}}",
    "/v1/accounts",
    "/v1/accounts/{account_id}",
    "/v1/apps",
    "/v1/apps/{app_id}",
    "/v1/apps/{app_id}/platforms",
    "/v1/apps/{app_id}/datapoints",
    "/v1/audiences",
    "/v1/audiences/{audience_id}",
    "/v1/workspace",
    "/v1/workspace/{workspaceId}/audiences",
    "/v1/workspace/{workspaceId}/partnerfeeds",
    "/v1/partnerfeeds/{feed_id}",
    "/v1/services",
    "/v1/services/{service_name}",
    "/v1/users",
    "/v1/users/{email}",
}


def _operations() -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, item in document()["paths"].items() for method in METHODS & item.keys()}


def test_the_description_is_valid_openapi():
    """Any OpenAPI tool can read it."""
    problems = [error.message for error in OpenAPIV31SpecValidator(document()).iter_errors()]

    assert "3.1.0" == document()["openapi"]
    assert [] == problems


def test_the_described_paths_are_those_of_the_client():
    """A route that changes in only one place is a mistake."""
    routes = {WORKSPACE + path for path in DEFAULT_ROUTES.values()}

    assert routes | PLATFORM | {"/oauth/token"} == document()["paths"].keys()


def test_the_described_operations_are_those_of_the_simulator():
    """Everything that is described can be tried out, and nothing else answers."""
    workspace = Workspace(1, Habits(), lambda: 0.0)
    routes = [*workspace_routes(workspace), *platform_routes(Platform(1, 1), workspace)]
    served = {(route.method, _anonymous(route.path)) for route in routes} | {("POST", "/oauth/token")}

    assert served == {(method, _anonymous(path)) for method, path in _operations()}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_field_that_the_client_may_set_is_described(kind):
    """The description and the client know the same fields of a resource."""
    fields = document()["components"]["schemas"][f"{kind.model.__name__.removeprefix('Warehouse')}Fields"]

    assert {"id", *kind.writable} == fields["properties"].keys()


def test_every_name_that_a_field_of_a_run_may_have_is_described():
    """The description shows the names of v2 and those of v1."""
    schemas = document()["components"]["schemas"]
    described = schemas["PipelineRunV2"]["properties"].keys() | schemas["PipelineRunV1"]["properties"].keys()

    assert {name for names in RUN_FIELDS.values() for name in names} <= described


def test_every_path_and_every_schema_says_how_sure_it_is():
    """No account was available, so an assumption must not look like a fact."""
    parts = {**document()["paths"], **document()["components"]["schemas"]}

    assert [] == [name for name, part in parts.items() if part.get("x-confidence") not in CONFIDENCES]


def test_every_word_for_how_sure_it_is_is_explained():
    """A misspelled word would have no meaning."""
    assert set(_confidences(document())) == CONFIDENCES
    assert all(f"`{word}`" in document()["info"]["description"] for word in CONFIDENCES)


# The simulator, compared with the description

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
    session.post(simulated.token_url, json=body, timeout=10).raise_for_status()
    token = simulated.token_values[0]
    # No object may refer to one that is deleted.
    unneeded = f"{simulated.url}/platform/v2/workspaces/{simulated.workspace_id}/inputs/data-pipelines/unneeded"
    session.delete(unneeded, headers={"Authorization": f"Bearer {token}"}, timeout=10).raise_for_status()
    before = len(simulated.requests)

    yield token

    statuses = [entry["status"] for entry in simulated.requests[before:]]
    assert any(200 <= status < 300 for status in statuses), "no answer but refusals was tested"


@described.parametrize()
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_simulator_answers_as_described(case: Any, simulated: Simulator, token: str, session: requests.Session):
    """For any request, valid or not, the answer is one of those described."""
    authorized = {"Authorization": f"Bearer {token}"}
    answer = case.call(base_url=simulated.url, session=session, headers=authorized, timeout=10)

    # The simulator may accept a malformed request, and its answer is then not described.
    fits_or_refused = case.meta.generation.mode is GenerationMode.POSITIVE or answer.status_code >= 400
    checks = [*CHECKS, response_schema_conformance] if fits_or_refused else list(CHECKS)
    case.validate_response(answer, checks=checks)


def test_without_a_token_the_simulator_answers_401(simulated: Simulator, session: requests.Session):
    """Only the login needs no token, in the description and in the simulator."""
    operations = _operations()
    answers = {(m, path): session.request(m, simulated.url + path, timeout=10).status_code for m, path in operations}

    open_to_all = {(m, path) for m, path in operations if "security" in document()["paths"][path][m.lower()]}
    assert open_to_all == {operation for operation, status in answers.items() if status != 401}


def _example_of(name: str) -> Any:
    return next(one["example"] for one in document()["components"]["parameters"].values() if one["name"] == name)


def _anonymous(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def _confidences(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from ([part["x-confidence"]] if "x-confidence" in part else ())
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from _confidences(one)
