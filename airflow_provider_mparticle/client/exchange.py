"""
Carries out one call without I/O: a generator that a driver drives.

It yields `TokenNeeded` or a request, receives the token or the response, and returns the decoded answer or raises an
error that says what happened. Must not know any HTTP library.
Sources: Platform API overview, "Authentication" and "Status codes".
"""

from __future__ import annotations

import json
import math
from collections.abc import Generator
from dataclasses import replace
from decimal import Decimal
from typing import Any, TypeVar

from airflow_provider_mparticle.client.answer_fields import UnexpectedAnswerError, error_messages, first_value
from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.endpoints import Call, Scope
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.login import JSON_ANSWER, JSON_BOTH_WAYS
from airflow_provider_mparticle.client.messages import HttpRequest, HttpResponse, TokenNeeded
from airflow_provider_mparticle.client.paths import fill_path
from airflow_provider_mparticle.client.refusals import Asked, refusal, unreadable, without_data
from airflow_provider_mparticle.client.secrets import Mask, hidden_values
from airflow_provider_mparticle.client.storable import Json, exact_text, read_json

T = TypeVar("T")


def exchange(call: Call[T], config: ApiConfig) -> Generator[TokenNeeded | HttpRequest, Any, T]:
    """
    Carry out *call*: yield `TokenNeeded` and each request, receive the token and each response, return the answer.

    :raises MParticleError: The error whose class names the cause.
    """
    unsigned = _unsigned(call, config)  # first, so that an invalid call does not log in
    token: str = yield TokenNeeded()
    secrets = [config.credentials.client_secret, token, *hidden_values(call.json)]
    response: HttpResponse = yield _signed(unsigned, token)
    if response.status == 401:  # the token was revoked or expired early: log in again, but only once
        token = yield TokenNeeded(refused=token)
        secrets.append(token)
        response = yield _signed(unsigned, token)
    asked = Asked(call.title, call.ids, Mask(secrets))
    answer = _read(response, asked)
    if call.scope is Scope.ACCOUNT:
        answer = _unwrapped(answer, response, asked)
    if _holds_only_errors(answer):
        raise unreadable(response, asked, "holds only errors")
    try:
        return call.decode(answer, config)
    except UnexpectedAnswerError as error:
        failure = unreadable(response, asked, str(error))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        failure = unreadable(response, asked)
    raise failure  # outside the except block, so that a logged traceback does not show the cause with the answer


def _unsigned(call: Call[Any], config: ApiConfig) -> HttpRequest:
    return HttpRequest(
        call.method,
        url_of(call, config),
        params=_params(call, config),
        headers=JSON_ANSWER if call.json is None else JSON_BOTH_WAYS,
        body=None if call.json is None else _encoded(call),
    )


def _params(call: Call[Any], config: ApiConfig) -> dict[str, str | list[str]]:
    params = {**call.params, **_account(call, config)}
    spelled: dict[str, str | list[str]] = {}
    for name, value in params.items():
        if value is None:
            continue
        try:
            spelled[_spelled(name)] = [*map(_spelled, value)] if isinstance(value, list | tuple) else _spelled(value)
        except ValueError as error:
            raise ConfigError(
                f"Cannot {call.title}: the parameter {name!r} {error}. Nothing was sent to mParticle."
            ) from None
    return spelled


def _encoded(call: Call[Any]) -> bytes:
    try:
        text = json.dumps(call.json, allow_nan=False)
        if "\\ud" in text:  # raises a ValueError for half of a surrogate pair, which mParticle would store as U+FFFD
            json.dumps(call.json, ensure_ascii=False).encode()
        return text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"Cannot {call.title}: its body is not JSON, {error}. Nothing was sent to mParticle."
        ) from error


def _signed(request: HttpRequest, token: str) -> HttpRequest:
    return replace(request, headers={**request.headers, "Authorization": f"Bearer {token}"})


def _spelled(value: object) -> str:
    """
    Return a value of a query as text, as JSON writes it. HTTP libraries differ in this.

    :raises ValueError: JSON and text have no such value, or it has half of a character.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | Decimal) and math.isfinite(value):
        return str(value)
    if not isinstance(value, str | int):
        what = "nan or infinity" if isinstance(value, float | Decimal) else f"a value of type {type(value).__name__}"
        raise ValueError(f"has {what}; write it as text, a number, a boolean, or a list of these")
    try:
        return exact_text(value).encode().decode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a character") from None


def url_of(call: Call[Any], config: ApiConfig) -> str:
    """Return the address to which *call* is sent, without its query."""
    path = call.route if call.route.startswith("/") else fill_path(config.routes[call.route], call.ids)
    family = "/v1" if call.scope is Scope.ACCOUNT else f"/platform/v2/workspaces/{config.workspace_id}"
    return f"{config.base_url}{family}{path}"


def _account(call: Call[Any], config: ApiConfig) -> dict[str, int]:
    if call.scope is Scope.WORKSPACE:
        return {}
    if config.account_id is None:
        raise ConfigError(
            f"Cannot {call.title}: the field account_id of {config.origin} is missing, "
            "and every call of the Platform API needs it. Nothing was sent to mParticle."
        )
    return {"accountId": config.account_id}


def _read(response: HttpResponse, asked: Asked) -> Json:
    """Return the JSON of a success, or None if its body is empty."""
    if not response.is_good:
        raise refusal(response, asked)
    if response.flaw:
        raise unreadable(response, asked, response.flaw)
    if not response.body.strip():
        return None
    try:
        return read_json(response.body)
    except ValueError:
        failure = unreadable(response, asked)
    raise failure  # outside the except block, as in `exchange`


# The fields of mParticle's error bodies, and the fields of its envelope beside the data.
_ERROR_FIELDS = {"errors", "error", "error_description", "message", "code", "statusCode", "dataType"}


def _holds_only_errors(answer: Json) -> bool:
    """Return whether the answer is the body of an error, although its status is a success."""
    if not isinstance(answer, dict) or not _ERROR_FIELDS.issuperset(
        name for name in answer if answer[name] is not None
    ):
        return False
    return bool(error_messages(first_value(answer, ("errors", "error"))))


def _unwrapped(answer: Json, response: HttpResponse, asked: Asked) -> Json:
    """Return the data in the envelope of the Platform API. An answer may come without it: audiences as a bare array."""
    if not isinstance(answer, dict) or "data" not in answer:
        return answer
    if answer["data"] is None and error_messages(answer.get("errors")):
        raise without_data(response, asked)
    return answer["data"]
