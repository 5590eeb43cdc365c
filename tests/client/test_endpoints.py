"""The calls as values: which arguments each refuses before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from exchanges import SECRET_BODY
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client import endpoints, errors
from airflow_provider_mparticle.client.endpoints import Call, Scope

# Requests from the user


@pytest.mark.parametrize("method", ["PATCH", "HEAD", ""])
def test_a_method_that_mparticle_does_not_know_is_refused(method: str) -> None:
    """Platform API overview: GET, POST, PUT and DELETE."""
    with pytest.raises(errors.ConfigError, match="GET, POST, PUT and DELETE"):
        endpoints.request(method, "/apps", Scope.ACCOUNT)


@pytest.mark.parametrize("path", ["apps", "", "https://example.com/apps", "@example.com/"])
def test_a_path_must_start_with_a_slash(path: str) -> None:
    """Any other text, appended to the host, could send our token to another host."""
    with pytest.raises(errors.ConfigError, match="must start with '/'"):
        endpoints.request("GET", path, Scope.ACCOUNT)


@pytest.mark.parametrize(("method", "idempotent"), [("get", True), ("PUT", True), ("DELETE", True), ("post", False)])
def test_only_a_post_is_not_idempotent(method: str, idempotent: bool) -> None:
    """mParticle has no idempotency key, so a repeated POST may be executed twice. An endpoint need not say that."""
    assert idempotent is endpoints.request(method, "/apps", Scope.ACCOUNT).idempotent
    assert idempotent is Call("any new endpoint", method.upper(), "/apps", lambda answer, _: answer).idempotent


def test_a_call_keeps_its_body_out_of_its_repr() -> None:
    """Calls are logged, and bodies have passwords."""
    assert "pa55word" not in repr(endpoints.request("POST", "/x", Scope.WORKSPACE, json=SECRET_BODY))


ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.text()))


@settings(max_examples=200)
@given(ANYTHING, ANYTHING, ANYTHING | st.dictionaries(ANYTHING.filter(lambda it: not isinstance(it, list)), ANYTHING))
def test_a_request_of_any_arguments_is_a_call_or_refused(method: Any, path: Any, params: Any) -> None:
    """They are templated, so they may render to anything."""
    for arguments in ((method, path, params), ("GET", path, params), ("GET", "/apps", params), (method, "/apps", {})):
        try:
            call = endpoints.request(*arguments[:2], Scope.ACCOUNT, arguments[2])
        except errors.ConfigError:
            continue
        else:
            assert (call.method, call.route) == (str(arguments[0]).upper(), arguments[1])
