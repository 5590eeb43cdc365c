"""
What an answer other than a success means, and mParticle's own words in it.

One table says for each status which error it is, whether a wait goes on, whether a request that starts something may
have been carried out, and what the user can do. Reading an answer never raises an error of its own.
Sources: Platform API overview, "Status codes"; Warehouse Sync API reference (v1) for 505 and the busy sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.errors import (
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    PipelineBusyError,
    RateLimitedError,
    RefusedError,
    ServerError,
    UnreadableAnswerError,
    WarehouseUnreachableError,
)
from airflow_provider_mparticle.client.messages import HttpResponse, place
from airflow_provider_mparticle.client.models import RunId, error_messages, first_value
from airflow_provider_mparticle.client.secrets import Mask
from airflow_provider_mparticle.client.storable import read_json

# How much of one message is shown, and of how many.
SHOWN_CHARACTERS = 300
MOST_TEXTS = 10
# How much is read of an error: bytes of one that is JSON, and of a page, whose beginning says what it is. Errors are
# read in the triggerer's event loop, so this has to be quick for any text.
LONGEST_JSON = 65_536
PAGE_READ = 4096

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
_UNDECIDED = (ServerError, "If it lasts, ask mParticle's support, or the administrator of the proxy in between.")


@dataclass(frozen=True)
class Asked:
    """
    What was asked for, for an error about its answer.

    :param title: The call, for the message.
    :param ids: The objects concerned.
    :param mask: Hides what must not be shown of the answer.
    """

    title: str
    ids: Mapping[str, RunId]
    mask: Mask

    @property
    def concerned(self) -> dict[str, Any]:
        """The ids that errors carry."""
        return {name: self.ids[name] for name in ("pipeline_id", "pipeline_run_id") if name in self.ids}


def refusal(response: HttpResponse, asked: Asked) -> RefusedError:
    """Return the error for an answer other than a success."""
    kind, advice = _meaning(response.status)
    reasons = error_texts(response.body, asked.mask)
    if response.status in BUSY_STATUSES and any(map(BUSY.search, reasons)):
        kind, advice = PipelineBusyError, "Wait for the run in progress to end, or attach to it."
    return kind(
        f"mParticle answered {response.status} to: {asked.title}{quoted(reasons)}. {advice}",
        status=response.status,
        reasons=reasons,
        retry_after_s=_retry_after_s(response),
        may_have_executed=kind is ServerError,
        **asked.concerned,
    )


def login_refusal(response: HttpResponse, config: ApiConfig) -> RefusedError:
    """
    Return the error for a login that was not granted: one of the login, whatever its status means elsewhere.

    :param response: The answer to the login.
    :param config: The credentials, and where the login was sent.
    """
    at, mask = place(config.credentials.token_url), Mask([config.credentials.client_secret])
    kind, advice = (ServerError, _UNDECIDED[1]) if response.status == 505 else _meaning(response.status)
    reasons = error_texts(response.body, mask)
    if not kind.is_transient:
        kind = AuthenticationError
        advice = "Check token_url." if response.status in (404, 405, 410) else _CREDENTIALS
    verb = "refused" if kind is AuthenticationError else "could not answer"
    return kind(
        f"mParticle {verb} the login of {config.origin} with {response.status}{quoted(reasons)}. {advice} "
        f"Only the login to {at} was sent.",
        status=response.status,
        reasons=reasons,
        retry_after_s=_retry_after_s(response),
    )


_CREDENTIALS = "Check login (the client id), password (the client secret), audience and token_url."


def unreadable(response: HttpResponse, asked: Asked, flaw: str = "is not what it documents") -> UnreadableAnswerError:
    """
    Return the error for a success whose body cannot be used.

    :param flaw: Completes "with a body that ...".
    """
    reasons = error_texts(response.body, asked.mask)
    return UnreadableAnswerError(
        f"mParticle answered {response.status} to: {asked.title}, with a body that {asked.mask(flaw)}"
        f"{quoted(reasons)}.",
        status=response.status,
        reasons=reasons,
        may_have_executed=True,
        **asked.concerned,
    )


def without_data(response: HttpResponse, asked: Asked) -> InvalidRequestError:
    """Return the error for a success whose envelope holds errors and no data."""
    reasons = error_texts(response.body, asked.mask)
    return InvalidRequestError(
        f"mParticle answered {response.status} to: {asked.title}, without data{quoted(reasons)}",
        status=response.status,
        reasons=reasons,
        **asked.concerned,
    )


def _meaning(status: int) -> tuple[type[RefusedError], str]:
    return _DECIDED.get(status, _REDIRECTED if 300 <= status < 400 else _UNDECIDED)


def quoted(reasons: tuple[str, ...]) -> str:
    """Return mParticle's own words as a part of a sentence."""
    return "".join(f", saying: {reason.rstrip('.')}" for reason in reasons[:3])


def error_texts(body: bytes, mask: Mask) -> tuple[str, ...]:
    """Return what the body of an error says, whatever its shape, masked and cut."""
    try:
        answer = read_json(body) if len(body) <= LONGEST_JSON else None
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        found = error_messages(first_value(answer, ("errors", "error_description", "error", "message")))
    elif isinstance(answer, list | str):
        found = error_messages(answer)
    else:
        found = (_page_text(body, mask),)
    return tuple(said for text in found[:MOST_TEXTS] if (said := mask(text, SHOWN_CHARACTERS * 2)[:SHOWN_CHARACTERS]))


def _page_text(body: bytes, mask: Mask) -> str:
    """Return the beginning of a page as a reader sees it. Secrets are masked first: they may look like tags."""
    text = mask(body[:PAGE_READ].decode("utf-8", "replace"), PAGE_READ)
    return " ".join(_TAGS.sub(" ", text).split())


# Both alternatives take linear time: a script without an end reaches to the end, and a tag ends at the next one.
_TAGS = re.compile(r"<(script|style)\b.*?(?:</\1>|\Z)|<[^<>]*>", re.DOTALL | re.IGNORECASE)


# A day: a longer pause says nothing, and some clocks cannot count it.
LONGEST_RETRY_AFTER_S = 86_400.0


def _retry_after_s(response: HttpResponse) -> float | None:
    """Read ``Retry-After``: whole seconds, may be absent (Platform API overview, "Rate limits")."""
    value = response.headers.get("retry-after", "").strip()
    return min(float(value), LONGEST_RETRY_AFTER_S) if value.isascii() and value.isdecimal() else None
