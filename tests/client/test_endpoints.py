"""The calls as values: what each refuses before anything is sent."""

from __future__ import annotations

import pytest
from exchanges import SECRET_BODY

from airflow_provider_mparticle.client import endpoints, errors
from airflow_provider_mparticle.client.endpoints import Scope

# Requests of the user's own


@pytest.mark.parametrize("method", ["PATCH", "HEAD", ""])
def test_a_method_that_mparticle_does_not_know_is_refused(method: str) -> None:
    """Platform API overview: GET, POST, PUT and DELETE."""
    with pytest.raises(errors.ConfigError, match="GET, POST, PUT and DELETE"):
        endpoints.request(method, "/apps", Scope.ACCOUNT)


@pytest.mark.parametrize("path", ["apps", "", "https://example.com/apps", "@example.com/"])
def test_a_path_must_start_with_a_slash(path: str) -> None:
    """Glued to the host, anything else would lead to another host, with our token."""
    with pytest.raises(errors.ConfigError, match="must start with '/'"):
        endpoints.request("GET", path, Scope.ACCOUNT)


@pytest.mark.parametrize(("method", "idempotent"), [("get", True), ("PUT", True), ("DELETE", True), ("post", False)])
def test_only_a_post_is_not_idempotent(method: str, idempotent: bool) -> None:
    """There is no idempotency key, so a repeated POST may do its work twice."""
    assert idempotent is endpoints.request(method, "/apps", Scope.ACCOUNT).idempotent


def test_a_call_keeps_its_body_out_of_its_repr() -> None:
    """Calls are values and get logged; bodies carry passwords."""
    assert "pa55word" not in repr(endpoints.request("POST", "/x", Scope.WORKSPACE, json=SECRET_BODY))
