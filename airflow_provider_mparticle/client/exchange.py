"""
How one call is carried out, without sending a byte: a generator that a driver feeds.

It asks for a token or yields a request, is given the token or the response, and returns the decoded answer or
raises an error that says what happened. Sources: Platform API overview, "Authentication" and "Status codes".
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.endpoints import Call, Scope
from airflow_provider_mparticle.client.errors import (
    AuthenticationError,
    ConfigError,
    InvalidRequestError,
    MParticleError,
    NotFoundError,
    PermissionDeniedError,
    PipelineBusyError,
    RateLimitedError,
    RefusedError,
    ServerError,
    UnreadableAnswerError,
    WarehouseUnreachableError,
)
from airflow_provider_mparticle.client.models import SECRET_NAME, Json, error_messages, first_value
from airflow_provider_mparticle.client.routes import fill_path

T = TypeVar("T")

# An error page may be long; its beginning tells what it is.
WORDS_SHOWN = 300

# Warehouse Sync API reference (v1), "Trigger an on-demand pipeline": the answer while a run is in progress.
BUSY = re.compile(r"already in progress", re.IGNORECASE)
BUSY_STATUSES = (400, 409, 422)


_JSON_BACK = {"Accept": "application/json"}
_JSON_BOTH_WAYS = {**_JSON_BACK, "Content-Type": "application/json"}


@dataclass(frozen=True)
class HttpRequest:
    """One request as bytes on the wire will say it; what is secret stays out of its repr."""

    method: str
    url: str
    params: Mapping[str, Any]
    timeout_s: float
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class HttpResponse:
    """One answer; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)

    @property
    def is_good(self) -> bool:
        """Whether mParticle did as asked; in practice any 2xx says so."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Token:
    """An access token and how many seconds it lives from now on."""

    value: str = field(repr=False)
    lifetime_s: float


@dataclass(frozen=True)
class TokenNeeded:
    """The call needs a token; *refused* is one that mParticle has just refused, if any."""

    refused: str | None = field(default=None, repr=False)


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
        raise _unreadable(response, call.title, call.ids, secrets) from error


def login(config: ApiConfig) -> Generator[HttpRequest, HttpResponse, Token]:
    """
    Mint a token: yield the request to send, be sent its response.

    :raises AuthenticationError: The credentials were refused.
    """
    credentials = config.credentials
    response = yield HttpRequest(
        "POST",
        credentials.token_url,
        params={},
        timeout_s=config.timeout_s,
        headers=_JSON_BOTH_WAYS,
        body=json.dumps(
            {
                "client_id": credentials.client_id,
                "client_secret": credentials.client_secret,
                "audience": credentials.audience,
                "grant_type": "client_credentials",
            }
        ).encode(),
    )
    secrets = (credentials.client_secret,)
    if response.status in (400, 401, 403):
        raise AuthenticationError(
            f"mParticle refused the login of {config.origin} with {response.status}{_said(response, secrets)}. "
            f"Check login (the client id), password (the client secret) and audience; "
            f"no request but the login to {credentials.token_url} was sent.",
            status=response.status,
            reasons=_words(response, secrets),
        )
    if not response.is_good:
        raise _refusal(response, f"log in at {credentials.token_url}", {}, secrets)
    try:
        return _minted(response)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        # The answer may hold a token in a shape that we do not know, so none of it is shown.
        raise UnreadableAnswerError(
            f"The login of {config.origin} was answered with {response.status}, but without a readable "
            f"access_token and expires_in. Check token_url: {credentials.token_url}",
            status=response.status,
        ) from error


def _minted(response: HttpResponse) -> Token:
    answer = json.loads(response.body)
    if not (isinstance(answer["access_token"], str) and answer["access_token"]):
        raise TypeError("access_token is not a text")
    return Token(answer["access_token"], float(answer["expires_in"]))


def _unsigned(call: Call[Any], config: ApiConfig) -> HttpRequest:
    params = {**call.params, **_account(call, config)}
    return HttpRequest(
        call.method,
        url_of(call, config),
        params={name: _spelled(value) for name, value in params.items() if value is not None},
        timeout_s=config.timeout_s,
        headers=_JSON_BACK if call.json is None else _JSON_BOTH_WAYS,
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
        raise _refusal(response, title, ids, secrets)
    if not response.body.strip():
        return None
    try:
        return json.loads(response.body)
    except (ValueError, RecursionError) as error:
        raise _unreadable(response, title, ids, secrets) from error


def _unwrapped(answer: Json, response: HttpResponse, call: Call[Any], secrets: tuple[str, ...]) -> Json:
    """Take the Platform API's answer out of its envelope; audiences may come as a bare array."""
    if not isinstance(answer, dict) or "data" not in answer:
        return answer
    if answer["data"] is None and error_messages(answer.get("errors")):
        raise InvalidRequestError(
            f"mParticle answered {response.status} to: {call.title}, without data{_said(response, secrets)}",
            status=response.status,
            reasons=_words(response, secrets),
        )
    return answer["data"]


# Status -> error, and what to do next. Platform API overview, "Status codes"; 505 from the v1 reference.
_REFUSALS: Mapping[int, tuple[type[RefusedError], str]] = {
    401: (
        AuthenticationError,
        (
            "Either the token is not accepted (check login and password of the connection), or the call lacks a "
            "valid accountId (check account_id)."
        ),
    ),
    403: (PermissionDeniedError, "Give the API user the role that this call needs, in mParticle."),
    404: (
        NotFoundError,
        (
            "Either it does not exist, or these credentials have no access to it (check workspace_id), or the route "
            "is a different one here: 'python -m airflow_provider_mparticle doctor' tells them apart with GET "
            "requests only; the connection's extra 'routes' corrects a route."
        ),
    ),
    429: (RateLimitedError, "Try again later, or poll less often."),
    505: (
        WarehouseUnreachableError,
        (
            "mParticle could not log in to the warehouse: correct the credentials in the mParticle connection of "
            "this pipeline."
        ),
    ),
}
_INVALID = (InvalidRequestError, "Correct what it names; sending the same again cannot help.")
_SERVER = (ServerError, "If it lasts, ask mParticle's support.")


def _refusal(response: HttpResponse, title: str, ids: Mapping[str, Any], secrets: tuple[str, ...]) -> MParticleError:
    status = 404 if response.status == 405 else response.status
    reasons = _words(response, secrets)
    kind, advice = _REFUSALS.get(status, _SERVER if status >= 500 else _INVALID)
    if status in BUSY_STATUSES and any(map(BUSY.search, reasons)):
        kind, advice = PipelineBusyError, "Wait for the run in progress to end, or attach to it."
    return kind(
        f"mParticle answered {response.status} to: {title}{_said(response, secrets)}. {advice}",
        status=response.status,
        reasons=reasons,
        retry_after_s=_retry_after_s(response),
        may_have_executed=kind is ServerError,
        **_concerned(ids),
    )


def _unreadable(
    response: HttpResponse, title: str, ids: Mapping[str, Any], secrets: tuple[str, ...]
) -> UnreadableAnswerError:
    return UnreadableAnswerError(
        f"mParticle answered {response.status} to: {title}, with a body that is not what it documents"
        f"{_said(response, secrets)}.",
        status=response.status,
        reasons=_words(response, secrets),
        may_have_executed=True,
        **_concerned(ids),
    )


def _concerned(ids: Mapping[str, Any]) -> dict[str, Any]:
    return {name: ids[name] for name in ("pipeline_id", "pipeline_run_id") if name in ids}


def _said(response: HttpResponse, secrets: tuple[str, ...]) -> str:
    return "".join(f", saying: {reason.rstrip('.')}" for reason in _words(response, secrets)[:3])


def _words(response: HttpResponse, secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the answer says, whatever its shape; never raises, never shows a secret."""
    text = response.body.decode("utf-8", "replace")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        found = error_messages(first_value(answer, ("errors", "error_description", "error", "message")))
    else:
        found = error_messages(answer if isinstance(answer, list | str) else " ".join(_TAGS.sub(" ", text).split()))
    for secret in filter(None, secrets):
        found = tuple(word.replace(secret, "***") for word in found)
    return tuple(word[:WORDS_SHOWN] for word in found)


_TAGS = re.compile(r"<(script|style).*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def _retry_after_s(response: HttpResponse) -> float | None:
    """Read ``Retry-After``: whole seconds, may be absent (Platform API overview, "Rate limits")."""
    value = response.headers.get("retry-after", "").strip()
    return float(value) if value.isdecimal() else None


def _secrets_in(body: Json) -> tuple[str, ...]:
    """Return the secrets that a body carries to mParticle, so that an answer which echoes one shows none."""
    if isinstance(body, list | tuple):
        return tuple(secret for part in body for secret in _secrets_in(part))
    if not isinstance(body, Mapping):
        return ()
    found = [str(value) for name, value in body.items() if SECRET_NAME.search(str(name)) and value]
    return (*found, *(secret for value in body.values() for secret in _secrets_in(value)))
