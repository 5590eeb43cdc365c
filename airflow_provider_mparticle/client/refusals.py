"""
What an answer other than a success means, and mParticle's own words in it.

One table says for each status which error it is, whether a wait goes on, whether a request that starts something may
have been carried out, and what the user can do. Reading an answer never raises an error of its own.
Sources: Platform API overview, "Status codes"; Warehouse Sync API reference (v1) for 505 and the busy sentence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.errors import (
    AuthenticationError,
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
from airflow_provider_mparticle.client.messages import HttpResponse
from airflow_provider_mparticle.client.models import error_messages, first_value

# An error page may be long; its beginning tells what it is.
SHOWN_CHARACTERS = 300
# So much of a page that is not JSON is searched for words: finding tags takes time that grows with its square.
PAGE_CHARACTERS = 4000

# Warehouse Sync API reference (v1), "Trigger an on-demand pipeline": the answer while a run is in progress.
BUSY = re.compile(r"already in progress", re.IGNORECASE)
BUSY_STATUSES = (400, 409, 422)

_MISSING = (
    NotFoundError,
    (
        "Either it does not exist, or these credentials have no access to it (check workspace_id), or the route is "
        "different here: 'python -m airflow_provider_mparticle doctor' finds out with GET requests only; the "
        "connection's extra 'routes' corrects a route."
    ),
)
_INVALID = (InvalidRequestError, "Correct what it names; sending the same again cannot help.")

# Status -> error, and what to do next: mParticle decided, and certainly did not do what was asked.
_DECIDED: Mapping[int, tuple[type[RefusedError], str]] = {
    400: _INVALID,
    401: (
        AuthenticationError,
        (
            "Either the token is not accepted (check login and password of the connection), or the call lacks a valid "
            "accountId (check account_id)."
        ),
    ),
    402: _INVALID,
    403: (PermissionDeniedError, "Give the API user the role that this call needs, in mParticle."),
    404: _MISSING,
    405: _MISSING,
    406: _INVALID,
    409: _INVALID,
    410: _MISSING,
    411: _INVALID,
    413: _INVALID,
    414: _INVALID,
    415: _INVALID,
    422: _INVALID,
    429: (RateLimitedError, "Try again later, or poll less often."),
    431: _INVALID,
    505: (
        WarehouseUnreachableError,
        (
            "mParticle could not log in to the warehouse: correct the credentials in the mParticle connection of this "
            "pipeline."
        ),
    ),
}
# Any other status decides nothing: a later answer may differ, and the request may have been carried out.
_REDIRECTED = (ServerError, "Redirects are not followed. If it lasts, check host: it may name another server.")
_UNDECIDED = (ServerError, "If it lasts, ask mParticle's support, or whoever runs the proxy in between.")


def refusal(response: HttpResponse, title: str, ids: Mapping[str, Any], secrets: tuple[str, ...]) -> RefusedError:
    """
    Return the error for an answer other than a success.

    :param response: The answer.
    :param title: What was asked for, for the message.
    :param ids: The objects concerned.
    :param secrets: Texts that must not be shown.
    """
    kind, advice = _meaning(response.status)
    reasons = error_texts(response.body, secrets)
    if response.status in BUSY_STATUSES and any(map(BUSY.search, reasons)):
        kind, advice = PipelineBusyError, "Wait for the run in progress to end, or attach to it."
    return kind(
        f"mParticle answered {response.status} to: {title}{quoted(reasons)}. {advice}",
        status=response.status,
        reasons=reasons,
        retry_after_s=_retry_after_s(response),
        may_have_executed=kind is ServerError,
        **_concerned(ids),
    )


def login_refusal(response: HttpResponse, config: ApiConfig) -> RefusedError:
    """
    Return the error for a login that was not granted: one of the login, whatever its status means elsewhere.

    :param response: The answer to the login.
    :param config: The credentials, and where the login was sent.
    """
    url, secrets = config.credentials.token_url, (config.credentials.client_secret,)
    kind, advice = (ServerError, _UNDECIDED[1]) if response.status == 505 else _meaning(response.status)
    reasons = error_texts(response.body, secrets)
    if not kind.is_transient:
        kind = AuthenticationError
        advice = "Check token_url." if response.status in (404, 405, 410) else _CREDENTIALS
    verb = "refused" if kind is AuthenticationError else "could not answer"
    return kind(
        f"mParticle {verb} the login of {config.origin} with {response.status}{quoted(reasons)}. {advice} "
        f"Only the login to {url} was sent.",
        status=response.status,
        reasons=reasons,
        retry_after_s=_retry_after_s(response),
    )


_CREDENTIALS = "Check login (the client id), password (the client secret), audience and token_url."


def unreadable(
    response: HttpResponse, title: str, ids: Mapping[str, Any], secrets: tuple[str, ...]
) -> UnreadableAnswerError:
    """Return the error for a success whose body is not what mParticle documents; parameters as in `refusal`."""
    reasons = error_texts(response.body, secrets)
    return UnreadableAnswerError(
        f"mParticle answered {response.status} to: {title}, with a body that "
        f"{response.flaw or 'is not what it documents'}{quoted(reasons)}.",
        status=response.status,
        reasons=reasons,
        may_have_executed=True,
        **_concerned(ids),
    )


def without_data(
    response: HttpResponse, title: str, ids: Mapping[str, Any], secrets: tuple[str, ...]
) -> MParticleError:
    """Return the error for a success whose envelope holds errors and no data; parameters as in `refusal`."""
    reasons = error_texts(response.body, secrets)
    return InvalidRequestError(
        f"mParticle answered {response.status} to: {title}, without data{quoted(reasons)}",
        status=response.status,
        reasons=reasons,
        **_concerned(ids),
    )


def _meaning(status: int) -> tuple[type[RefusedError], str]:
    return _DECIDED.get(status, _REDIRECTED if 300 <= status < 400 else _UNDECIDED)


def _concerned(ids: Mapping[str, Any]) -> dict[str, Any]:
    return {name: ids[name] for name in ("pipeline_id", "pipeline_run_id") if name in ids}


def quoted(reasons: tuple[str, ...]) -> str:
    """Return mParticle's own words as a part of a sentence."""
    return "".join(f", saying: {reason.rstrip('.')}" for reason in reasons[:3])


def error_texts(body: bytes, secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the body of an error says, whatever its shape, with *secrets* masked."""
    text = body.decode("utf-8", "replace")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        found = error_messages(first_value(answer, ("errors", "error_description", "error", "message")))
    else:
        found = error_messages(
            answer if isinstance(answer, list | str) else " ".join(_TAGS.sub(" ", text[:PAGE_CHARACTERS]).split())
        )
    for secret in filter(None, secrets):
        found = tuple(word.replace(secret, "***") for word in found)
    return tuple(word[:SHOWN_CHARACTERS] for word in found)


_TAGS = re.compile(r"<(script|style).*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)


def _retry_after_s(response: HttpResponse) -> float | None:
    """Read ``Retry-After``: whole seconds, may be absent (Platform API overview, "Rate limits")."""
    value = response.headers.get("retry-after", "").strip()
    return float(value) if value.isdecimal() else None
