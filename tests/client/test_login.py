"""How a token is obtained: the generators are driven by hand, and nothing is sent."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from exchanges import CONFIG, ODD_BODIES, drive, said, short
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client import errors, token_cache
from airflow_provider_mparticle.client.login import login, obtain_token
from airflow_provider_mparticle.client.messages import Token, TokenMinted

# The login


def test_the_login_sends_the_credentials_as_json() -> None:
    """Platform API overview, "Authentication": client credentials in a JSON body."""
    token, (request,) = drive(login(CONFIG), said(200, {"access_token": "t", "expires_in": 28800}))

    assert Token("t", 28800.0) == token
    assert ("POST", "https://sso.auth.mparticle.com/oauth/token") == (request.method, request.url)
    assert {
        "client_id": "an-id",
        "client_secret": "cl1ent-s3cret",
        "audience": "https://api.mparticle.com",
        "grant_type": "client_credentials",
    } == json.loads(request.body)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_login_says_what_to_check(status: int) -> None:
    """The connection is wrong, and mParticle's own words say which part of it."""
    body = {"error": "access_denied", "error_description": "Unauthorized cl1ent-s3cret."}

    with pytest.raises(errors.AuthenticationError) as caught:
        drive(login(CONFIG), said(status, body))

    assert (status, ("Unauthorized ***.",)) == (caught.value.status, caught.value.reasons)
    for needed in ("the nightly connection", "client id", "client secret", "audience", "Unauthorized ***"):
        assert needed in str(caught.value)


SPACES = st.text(" \t\r\n\xa0", max_size=2)


@given(st.tuples(SPACES, SPACES), st.tuples(SPACES, SPACES), st.sampled_from([400, 401, 403]))
def test_a_refused_login_names_white_space_around_a_credential(
    around_id: tuple[str, str], around_secret: tuple[str, str], status: int
) -> None:
    """It is copied by mistake, and no form shows it. A hint that is wrong would mislead the user."""
    credentials = replace(
        CONFIG.credentials, client_id="an-id".join(around_id), client_secret="cl1ent-s3cret".join(around_secret)
    )

    with pytest.raises(errors.AuthenticationError) as caught:
        drive(login(replace(CONFIG, credentials=credentials)), said(status))

    padded = [
        name for name, around in (("client id", around_id), ("client secret", around_secret)) if around != ("", "")
    ]
    hint = f"There is white space around the {' and the '.join(padded)}: remove it."
    assert (hint in str(caught.value)) is bool(padded)
    assert ("white space" in str(caught.value)) is bool(padded)
    assert "cl1ent-s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        *ODD_BODIES,
        {"token": "t0ken"},
        {"access_token": "t0ken"},
        {"access_token": "t0ken", "expires_in": "soon"},
        {"access_token": None, "expires_in": 1},
        {"access_token": "", "expires_in": 1},
        b"access_token=t0ken&expires_in=28800",
        ["t0ken"],
    ],
    ids=short,
)
def test_a_login_without_a_readable_token_shows_none_of_its_answer(body: Any) -> None:
    """The answer may have a token in an unknown shape."""
    with pytest.raises(errors.UnreadableAnswerError, match=r"Check token_url: sso\.auth") as caught:
        drive(login(CONFIG), said(200, body))

    assert "t0ken" not in f"{caught.value} {caught.value.facts()}"


@pytest.mark.parametrize("status", [404, 405, 410])
def test_a_wrong_token_url_is_a_login_error_that_names_it(status: int) -> None:
    """A 404 of the login says nothing about the pipeline or run that was asked for."""
    with pytest.raises(errors.AuthenticationError, match=r"Check token_url") as caught:
        drive(login(CONFIG), said(status))

    assert "sso.auth.mparticle.com/oauth/token" in str(caught.value)


def test_every_status_but_a_success_is_a_refusal_of_the_login() -> None:
    """A login is refused or fails transiently; it never means a missing run or a busy pipeline."""
    busy = {"errors": [{"message": "Pipeline orders is already in progress."}]}
    kinds = set()

    for status in (*range(100, 200), *range(300, 1000)):
        with pytest.raises(errors.RefusedError, match="the login of the nightly connection") as caught:
            drive(login(CONFIG), said(status, busy))
        kinds.add((type(caught.value), caught.value.may_have_executed))

    expected = (errors.AuthenticationError, errors.RateLimitedError, errors.ServerError)
    assert {(kind, False) for kind in expected} == kinds


@pytest.mark.parametrize("status", [302, 408, 425, 429, 499, 500, 503, 504, 505, 521])
def test_a_login_that_fails_for_a_while_is_transient(status: int) -> None:
    """A wait continues, since a login may succeed a minute later."""
    with pytest.raises(errors.RefusedError) as caught:
        drive(login(CONFIG), said(status, **{"retry-after": "7"}))

    assert (True, 7.0) == (caught.value.is_transient, caught.value.retry_after_s)


# The token of a process

LOGGED_IN = said(200, {"access_token": "t0", "expires_in": 28800})


@pytest.fixture(autouse=True)
def _no_tokens() -> None:
    token_cache.forget()


def test_a_new_token_is_announced_before_it_is_kept() -> None:
    """Airflow masks it in logs from then on, and another thread may use it as soon as it is kept."""
    steps = obtain_token(CONFIG)

    next(steps)
    assert TokenMinted("t0") == steps.send(LOGGED_IN)
    assert None is token_cache.kept(CONFIG.credentials)
    with pytest.raises(StopIteration) as done:
        next(steps)

    assert ("t0", "t0") == (done.value.value, token_cache.kept(CONFIG.credentials))


def test_a_kept_token_needs_no_login() -> None:
    """A login takes seconds, and a token is valid for hours."""
    token_cache.keep(CONFIG.credentials, Token("kept", 1000.0))

    assert ("kept", []) == drive(obtain_token(CONFIG))


def test_a_refused_token_is_replaced() -> None:
    """mParticle answered 401 to it, so it cannot be used, even before it expires."""
    token_cache.keep(CONFIG.credentials, Token("old", 1000.0))

    token, _ = drive(obtain_token(CONFIG, refused="old"), LOGGED_IN)

    assert "t0" == token


def test_a_refused_login_is_raised_again_without_another_request() -> None:
    """A thousand waiting tasks with revoked credentials must not lock the API user."""
    with pytest.raises(errors.AuthenticationError):
        drive(obtain_token(CONFIG), said(401))

    with pytest.raises(errors.AuthenticationError, match="with 401"):
        next(obtain_token(CONFIG))


@pytest.mark.parametrize("kind", [errors.NoAnswerError, errors.UnreadableAnswerError])
def test_whatever_happens_to_a_login_the_call_was_not_sent(kind: type[errors.MParticleError]) -> None:
    """A trigger whose login got no answer started nothing, so it can be sent again safely."""
    steps = obtain_token(CONFIG)
    next(steps)

    with pytest.raises(kind) as caught:
        steps.throw(kind("The login got no answer.", may_have_executed=True))

    assert not caught.value.may_have_executed
    assert None is token_cache.refusal(CONFIG.credentials)
