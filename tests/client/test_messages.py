"""Requests, responses and tokens can be logged without showing a secret."""

from __future__ import annotations

import pytest

from airflow_provider_mparticle.client.messages import (
    HttpRequest,
    HttpResponse,
    Token,
    TokenMinted,
    TokenNeeded,
    place,
)


def test_no_repr_shows_a_secret() -> None:
    """A traceback with local variables ends up in a task's log."""
    request = HttpRequest("POST", "https://sso.example/oauth/token", {}, {"Authorization": "s3cret"}, b"s3cret")
    shown = [
        request,
        HttpResponse(200, {}, b"s3cret"),
        Token("s3cret", 60.0),
        TokenMinted("s3cret"),
        TokenNeeded("s3cret"),
    ]

    assert "s3cret" not in repr(shown)
    assert "https://sso.example/oauth/token" in repr(shown)


def test_an_address_is_named_without_its_scheme() -> None:
    """Airflow masks every text that equals the extra token_url, so the whole address would be shown as ***."""
    request = HttpRequest("POST", "https://sso.example/oauth/token", {}, {})

    assert "POST sso.example/oauth/token" == str(request)
    assert "no scheme" == place("no scheme")


def test_the_query_of_an_address_is_not_named() -> None:
    """A gateway in front of the login may want a key there."""
    request = HttpRequest("POST", "https://sso.example/oauth/token?apikey=s3cret", {}, {})

    assert "POST sso.example/oauth/token" == str(request)


@pytest.mark.parametrize(("status", "is_good"), [(199, False), (200, True), (204, True), (299, True), (300, False)])
def test_any_2xx_status_is_a_success(status: int, is_good: bool) -> None:
    """MParticle answers a deletion with 204 and a new resource with 201."""
    assert is_good is HttpResponse(status).is_good
