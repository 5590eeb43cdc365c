"""A request needs a token, and a refusal has the form of its family of paths."""

from __future__ import annotations

import json

import pytest

from airflow_provider_mparticle.simulator.http_messages import Answer, Request
from airflow_provider_mparticle.simulator.router import Route, Router
from airflow_provider_mparticle.simulator.service import TOKEN_PATH, Service
from airflow_provider_mparticle.simulator.tokens import Tokens

JSON = {"content-type": "application/json"}
CREDENTIALS = {
    "client_id": "me",
    "client_secret": "s3cret",
    "audience": "https://api.mparticle.com",
    "grant_type": "client_credentials",
}


@pytest.fixture
def service():
    """A service with one route, which answers 204."""
    tokens = Tokens("me", "s3cret", 60.0, lambda: 0.0)
    return Service(tokens, Router([Route("GET", "/v1/apps", lambda _: Answer(204))]))


def log_in(service):
    """Return the headers of a client that has logged in."""
    answer = service.answer(Request("POST", TOKEN_PATH, {}, JSON, json.dumps(CREDENTIALS).encode()))
    return {"authorization": f"Bearer {json.loads(answer.body)['access_token']}"}


def test_a_request_with_a_token_reaches_its_route(service):
    """The router knows nothing of tokens."""
    assert 204 == service.answer(Request("GET", "/v1/apps", {}, log_in(service))).status


def test_a_request_without_a_token_is_refused_before_its_path_is_read(service):
    """It must not find out which paths exist."""
    assert [401, 401] == [service.answer(Request("GET", path)).status for path in ("/v1/apps", "/v1/nothing")]


def test_a_login_is_a_post(service):
    """RFC 6749, section 3.2."""
    answer = service.answer(Request("GET", TOKEN_PATH))

    assert (405, "POST") == (answer.status, answer.headers["Allow"])


@pytest.mark.parametrize(("path", "wrapped_in"), [("/v1/nothing", "code"), ("/platform/v2/nothing", "message")])
def test_a_refusal_has_the_form_of_its_family(service, path, wrapped_in):
    """The Platform API gives a code and a message, Warehouse Sync only a message."""
    answer = service.answer(Request("GET", path, {}, log_in(service)))

    [error] = json.loads(answer.body)["errors"]
    assert 404 == answer.status
    assert wrapped_in in error
