"""
How one call is carried out, without sending a byte: a generator that a driver feeds.

It asks for a token or yields a request, is given the token or the response, and returns the decoded answer or
raises an error that says what happened. Sources: Platform API overview, "Authentication" and "Status codes".
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import Any, TypeVar

from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.endpoints import Call, Scope
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.login import JSON_ANSWER, JSON_BOTH_WAYS
from airflow_provider_mparticle.client.messages import HttpRequest, HttpResponse, TokenNeeded
from airflow_provider_mparticle.client.models import SECRET_NAME, Json, error_messages
from airflow_provider_mparticle.client.refusals import refusal, unreadable, without_data
from airflow_provider_mparticle.client.routes import fill_path

T = TypeVar("T")


def exchange(call: Call[T], config: ApiConfig) -> Generator[TokenNeeded | HttpRequest, Any, T]:
    """
    Carry out *call*: ask for a token, yield each request to send, be sent its response, return the answer.

    :raises MParticleError: The error whose class names the cause.
    """
    unsigned = _unsigned(call, config)  # first, since what is wrong with the call itself is no reason to log in
    token: str = yield TokenNeeded()
    response: HttpResponse = yield _signed(unsigned, token)
    secrets = (config.credentials.client_secret, token, *_secrets_in(call.json))
    if response.status == 401:  # the token died before its time: log in again, once
        token = yield TokenNeeded(refused=token)
        response = yield _signed(unsigned, token)
        secrets = (*secrets, token)
    answer = _read(response, call.title, call.ids, secrets)
    if call.scope is Scope.ACCOUNT:
        answer = _unwrapped(answer, response, call, secrets)
    try:
        return call.decode(answer, config)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise unreadable(response, call.title, call.ids, secrets) from error


def _unsigned(call: Call[Any], config: ApiConfig) -> HttpRequest:
    params = {**call.params, **_account(call, config)}
    return HttpRequest(
        call.method,
        url_of(call, config),
        params={name: _spelled(value) for name, value in params.items() if value is not None},
        timeout_s=config.timeout_s,
        headers=JSON_ANSWER if call.json is None else JSON_BOTH_WAYS,
        body=None if call.json is None else _encoded(call),
    )


def _encoded(call: Call[Any]) -> bytes:
    try:
        return json.dumps(call.json, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ConfigError(f"Cannot {call.title}: its body is no JSON, {error}. Nothing was sent.") from error


def _signed(request: HttpRequest, token: str) -> HttpRequest:
    headers = {**request.headers, "Authorization": f"Bearer {token}"}
    return HttpRequest(request.method, request.url, request.params, request.timeout_s, headers, request.body)


def _spelled(value: object) -> str | list[str]:
    """Spell a query parameter as JSON would: the libraries below disagree, or refuse."""
    if isinstance(value, list | tuple):
        return [str(_spelled(one)) for one in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def url_of(call: Call[Any], config: ApiConfig) -> str:
    """Return the address that *call* goes to, without its query."""
    path = call.route if call.route.startswith("/") else fill_path(config.routes[call.route], call.ids)
    family = "/v1" if call.scope is Scope.ACCOUNT else f"/platform/v2/workspaces/{config.workspace_id}"
    return f"{config.base_url}{family}{path}"


def _account(call: Call[Any], config: ApiConfig) -> dict[str, int]:
    if call.scope is Scope.WORKSPACE:
        return {}
    if config.account_id is None:
        raise ConfigError(
            f"Cannot {call.title}: the field account_id of {config.origin} is missing, "
            "and every call of the Platform API needs it. Nothing was sent."
        )
    return {"accountId": config.account_id}


def _read(response: HttpResponse, title: str, ids: Mapping[str, Any], secrets: tuple[str, ...]) -> Json:
    """Return the JSON of a good answer, None where it is empty."""
    if not response.is_good:
        raise refusal(response, title, ids, secrets)
    if response.flaw:
        raise unreadable(response, title, ids, secrets)
    if not response.body.strip():
        return None
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError) as error:
        raise unreadable(response, title, ids, secrets) from error


def _unwrapped(answer: Json, response: HttpResponse, call: Call[Any], secrets: tuple[str, ...]) -> Json:
    """Take the Platform API's answer out of its envelope; audiences may come as a bare array."""
    if not isinstance(answer, dict) or "data" not in answer:
        return answer
    if answer["data"] is None and error_messages(answer.get("errors")):
        raise without_data(response, call.title, call.ids, secrets)
    return answer["data"]


def _secrets_in(body: Json) -> tuple[str, ...]:
    """Return the secrets that a body carries to mParticle, so that an answer which echoes one shows none."""
    if isinstance(body, list | tuple):
        return tuple(secret for part in body for secret in _secrets_in(part))
    if not isinstance(body, Mapping):
        return ()
    found = [str(value) for name, value in body.items() if SECRET_NAME.search(str(name)) and value]
    return (*found, *(secret for value in body.values() for secret in _secrets_in(value)))
