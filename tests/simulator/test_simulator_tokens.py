"""The simulator issues tokens, and refuses calls without a valid one."""

from __future__ import annotations

from datetime import timedelta
from email.utils import parsedate_to_datetime

import pytest
import requests

from airflow_provider_mparticle.simulator import Simulator

GOOD = {
    "client_id": "simulator-client",
    "client_secret": "simulator-secret",
    "audience": "https://api.mparticle.com",
    "grant_type": "client_credentials",
}


def test_a_login_answers_a_bearer_token_and_its_lifetime(simulator):
    """The documented answer has exactly these three fields."""
    answer = requests.post(simulator.token_url, json=GOOD, timeout=60)

    assert 200 == answer.status_code
    assert {"access_token", "expires_in", "token_type"} == answer.json().keys()
    assert (28800, "Bearer") == (answer.json()["expires_in"], answer.json()["token_type"])
    assert 1 == simulator.tokens_minted


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"client_secret": "wrong"}, 401),
        ({"client_id": "wrong"}, 401),
        ({"audience": "https://api.eu1.mparticle.com"}, 403),
        ({"grant_type": "password"}, 400),
    ],
)
def test_a_login_with_a_wrong_field_is_refused_with_error_and_description(simulator, change, status):
    """Each mistake has its own status, so that a client can name it."""
    answer = requests.post(simulator.token_url, json=GOOD | change, timeout=60)

    assert status == answer.status_code
    assert {"error", "error_description"} == answer.json().keys()
    assert 0 == simulator.tokens_minted


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"data": GOOD}, 415),
        ({"data": "{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"data": "[]", "headers": {"Content-Type": "application/json"}}, 400),
    ],
)
def test_a_login_must_be_a_json_object(simulator, options, status):
    """mParticle documents a JSON body. A form, as in other OAuth servers, is refused."""
    answer = requests.post(simulator.token_url, timeout=60, **options)

    assert status == answer.status_code


@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic c2ltdWxhdG9y"])
@pytest.mark.parametrize("path", ["/platform/v2/workspaces/1234/connections", "/v1/apps?accountId=5678", "/nowhere"])
def test_a_call_without_a_valid_token_is_unauthorized(simulator, header, path):
    """A caller without a token must not find out which paths exist."""
    headers = {"Authorization": header} if header else {}

    answer = requests.get(simulator.url + path, headers=headers, timeout=60)

    assert 401 == answer.status_code
    assert answer.json()["errors"][0]["message"]


def test_a_token_expires_after_its_lifetime(log_in):
    """The client's refresh ahead of expiry needs tokens that expire."""
    with Simulator(token_lifetime_s=60) as simulator:
        caller = log_in(simulator)
        fresh = caller.get("/connections").status_code
        simulator.advance(60)
        stale = caller.get("/connections").status_code

    assert (200, 401) == (fresh, stale)


def test_expired_tokens_are_refused_and_a_new_login_works(simulator, caller):
    """A new login replaces an expired token."""
    simulator.expire_tokens()
    refused = caller.get("/connections").status_code
    caller.log_in()

    assert (401, 200) == (refused, caller.get("/connections").status_code)
    assert 2 == simulator.tokens_minted


def test_rotated_credentials_refuse_the_old_ones_for_ever(simulator, caller):
    """A retry cannot help with old credentials."""
    simulator.rotate_credentials()

    statuses = [requests.post(simulator.token_url, json=GOOD, timeout=60).status_code for _ in range(3)]

    assert [401, 401, 401] == statuses
    assert 401 == caller.get("/connections").status_code
    assert "other" == simulator.airflow_connection()["password"]


def test_the_clock_can_be_moved_forward(simulator, caller):
    """A test of an expired token or an ended run does not have to wait."""
    caller.trigger()
    simulator.advance(60)

    assert "success" == simulator.runs("orders")[0]["status"]
    assert 200 == caller.status().status_code
    simulator.advance(28800)
    assert 401 == caller.status().status_code


def test_the_date_header_goes_by_the_same_clock(simulator, caller):
    """A client can measure the difference between mParticle's clock and its own."""
    before = parsedate_to_datetime(caller.status().headers["Date"])
    simulator.advance(3600)

    assert parsedate_to_datetime(caller.status().headers["Date"]) - before >= timedelta(hours=1)
