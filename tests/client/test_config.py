"""Which values a configuration refuses, and what it does not show."""

from __future__ import annotations

import dataclasses

import pytest

from airflow_provider_mparticle.client.config import ApiConfig, Credentials, is_safe
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.messages import HttpRequest, HttpResponse, Token, TokenNeeded

CREDENTIALS = Credentials("an-id", "a-secret")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.mparticle.com",
        "HTTPS://api.eu1.mparticle.com:8443",
        "http://localhost:8080",
        "http://127.0.0.1:1",
        "http://127.9.9.9",
        "http://[::1]:8080",
    ],
)
def test_tls_or_this_machine_is_safe(url: str) -> None:
    """Credentials may be sent encrypted, or within this machine, as to the simulator."""
    assert is_safe(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.mparticle.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "ftp://localhost",
        "api.mparticle.com",
        "https://",
        "https://[::1",
        "https://api.mparticle.com:abc",
        "https://api.mparticle.com:0",
        "https://someone:word@api.mparticle.com",
        "http://127.0.0.1@example.com",
        "",
    ],
)
def test_anything_else_is_not(url: str) -> None:
    """Without encryption, with an unknown scheme or with a hidden host, others could read the secret."""
    assert not is_safe(url)


def test_an_unsafe_host_is_refused_with_field_and_origin() -> None:
    """A user must see which field of which connection to correct."""
    with pytest.raises(ConfigError, match=r"^host of the nightly one must start with https://.*'http://example.com'"):
        ApiConfig(CREDENTIALS, 1, base_url="http://example.com", origin="the nightly one")


def test_an_unsafe_token_url_is_refused() -> None:
    """The client secret is sent to the token URL."""
    readable = dataclasses.replace(CREDENTIALS, token_url="http://example.com/oauth/token")

    with pytest.raises(ConfigError, match=r"^token_url of this configuration must start with https://"):
        ApiConfig(readable, 1)


def test_a_password_in_a_url_is_refused_without_being_shown() -> None:
    """Errors are logged, so the message must not repeat the value."""
    with pytest.raises(ConfigError, match="must not carry a user name or a password") as caught:
        ApiConfig(CREDENTIALS, 1, base_url="https://someone:s3cret@example.com")

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        CREDENTIALS,
        ApiConfig(CREDENTIALS, 1),
        Token("a-secret", 1.0),
        TokenNeeded("a-secret"),
        HttpRequest("GET", "https://x", {}, {"Authorization": "Bearer a-secret"}, {"password": "a-secret"}),
        HttpResponse(200, {}, b"a-secret"),
    ],
)
def test_no_repr_holds_a_secret(value: object) -> None:
    """Reprs end up in logs and assertion messages."""
    assert "a-secret" not in repr(value)


def test_equal_credentials_are_one_key() -> None:
    """Two Airflow connections of the same API user share one token."""
    assert {CREDENTIALS: 1} == {Credentials("an-id", "a-secret"): 1}
    assert CREDENTIALS != Credentials("an-id", "another-secret")


@pytest.mark.parametrize(
    "url",
    [
        *("https://x/#/y", "https://x..com", f"https://{'a' * 64}.com", "https://x.com/../y", "https://x.com/a b"),
        *(
            "https://-x.com",
            "https://x.com\r\n",
            "https://x\ud800.com",
            "https://",
            "https://x:99999",
            "https://x.com/%2e%2e",
        ),
    ],
)
@pytest.mark.parametrize("name", ["host", "token_url"])
def test_a_malformed_address_names_its_field(name: str, url: str) -> None:
    """With '#' every call would go to one address, and for the others HTTP libraries raise errors of their own."""
    credentials = Credentials("an-id", "a-secret", **({"token_url": url} if name == "token_url" else {}))
    fields = {"base_url": url} if name == "host" else {}

    with pytest.raises(ConfigError, match=f"^{name} of the test must"):
        ApiConfig(credentials, 1, origin="the test", **fields)


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, 1e10, float("nan"), float("inf")])
def test_a_timeout_that_cannot_be_counted_is_refused(timeout_s: float) -> None:
    """Sockets would raise an overflow error at the first call."""
    with pytest.raises(ConfigError, match=r"^timeout of the test must be a number of seconds"):
        ApiConfig(Credentials("an-id", "a-secret"), 1, timeout_s=timeout_s, origin="the test")
