"""docs/openapi.yaml: a valid document, that fits the client and the routes of the simulator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from contract.request_check import document, operations
from openapi_spec_validator import OpenAPIV31SpecValidator

from airflow_provider_mparticle.client.resource_kinds import KINDS
from airflow_provider_mparticle.client.routes import DEFAULT_ROUTES
from airflow_provider_mparticle.client.run_fields import RUN_FIELDS
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

    assert served == {(method, _anonymous(path)) for method, path in operations()}


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


def _anonymous(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


def _confidences(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        yield from ([part["x-confidence"]] if "x-confidence" in part else ())
        part = list(part.values())
    if isinstance(part, list):
        for one in part:
            yield from _confidences(one)
