"""
Makes the error for an answer other than a success, with mParticle's own words.

One table has the error class for each status, and what the user can do. The class says whether the error is transient
and whether the request may have been executed. An answer that cannot be read never raises another error here.
Sources: Platform API overview, "Status codes"; Warehouse Sync API reference (v1) for 505 and for a busy pipeline.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_mparticle.client.answer_fields import error_messages, first_value
from airflow_provider_mparticle.client.clocks import http_date
from airflow_provider_mparticle.client.config import ApiConfig, Credentials
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
from airflow_provider_mparticle.client.models import RunId
from airflow_provider_mparticle.client.secrets import Mask
from airflow_provider_mparticle.client.storable import read_json, readable_text

# How many characters of one message are shown, and how many messages.
SHOWN_CHARACTERS = 300
MAX_TEXTS = 10
# How many bytes of an error are read: of JSON, and of a page, which says at its beginning what it is. Errors are read
# in the triggerer's event loop, so this must be fast for any text.
LONGEST_JSON = 65_536
PAGE_READ = 4096
# A page in another encoding has single characters that cannot be read. If there are more, it is not text.
LARGEST_UNREADABLE_SHARE = 0.1

# Warehouse Sync API reference (v1), "Trigger an on-demand pipeline": the answer while a run is in progress.
BUSY = re.compile(r"already in progress", re.IGNORECASE)
BUSY_STATUSES = (400, 409, 422)

_MISSING = (
    NotFoundError,
    (
        "Either it does not exist, or these credentials have no access to it (check workspace_id), or the route is "
        "different here: 'python -m airflow_provider_mparticle doctor' checks the routes with GET requests only, and "
        "the connection's extra 'routes' corrects a route."
    ),
)
_INVALID = (InvalidRequestError, "Correct what it names; the same request will fail again.")

# Status -> error, and what to do next. With these statuses mParticle has certainly not executed the request.
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
# With any other status a later answer may differ, and the request may have been executed.
_REDIRECTED = (ServerError, "Redirects are not followed. If it lasts, check host: it may name another server.")
_UNDECIDED = (ServerError, "If it lasts, ask mParticle's support, or the administrator of the proxy in between.")


@dataclass(frozen=True)
class Asked:
    """
    What an error about an answer must know of the call.

    :param title: The call, for the message.
    :param ids: The ids of the objects that the call is about.
    :param mask: Hides secrets in the answer.
    """

    title: str
    ids: Mapping[str, RunId]
    mask: Mask

    @property
    def concerned(self) -> dict[str, Any]:
        """The ids that an error carries."""
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
    Return the error for a refused login.

    A status that is not transient means `AuthenticationError` here, whatever it means for a call.

    :param response: The answer to the login.
    :param config: The credentials, and the address of the login.
    """
    at, mask = place(config.credentials.token_url), Mask([config.credentials.client_secret])
    kind, advice = (ServerError, _UNDECIDED[1]) if response.status == 505 else _meaning(response.status)
    reasons = error_texts(response.body, mask)
    if not kind.is_transient:
        kind = AuthenticationError
        advice = "Check token_url." if response.status in (404, 405, 410) else _check(config.credentials)
    verb = "refused" if kind is AuthenticationError else "could not answer"
    return kind(
        f"mParticle {verb} the login of {config.origin} with {response.status}{quoted(reasons)}. {advice} "
        f"Only the login to {at} was sent.",
        status=response.status,
        reasons=reasons,
        retry_after_s=_retry_after_s(response),
    )


def _check(credentials: Credentials) -> str:
    """Return what to check after a refused login. White space is named, because no form shows it."""
    given = {"client id": credentials.client_id, "client secret": credentials.client_secret}
    padded = [name for name, value in given.items() if value != value.strip()]
    what = f"There is white space around the {' and the '.join(padded)}: remove it. " if padded else ""
    return f"{what}Check login (the client id), password (the client secret), audience and token_url."


def unreadable(response: HttpResponse, asked: Asked, flaw: str = "is not what it documents") -> UnreadableAnswerError:
    """
    Return the error for a success whose body cannot be used.

    :param flaw: What is wrong; it completes "with a body that ...".
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
    """Return mParticle's own words as a part of a sentence, or nothing if it gave none."""
    return "".join(f", saying: {reason.rstrip('.')}" for reason in reasons[:3])


def error_texts(body: bytes, mask: Mask) -> tuple[str, ...]:
    """Return the messages in the body of an error, whatever its shape, masked and cut."""
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
    masked = (mask(text, SHOWN_CHARACTERS * 2)[:SHOWN_CHARACTERS] for text in found[:MAX_TEXTS])
    return tuple(readable_text(said) for said in masked if said)


def _page_text(body: bytes, mask: Mask) -> str:
    """
    Return the visible text at the beginning of a page, or nothing if it is not text, for example compressed data.

    Secrets are masked first, since they may look like tags.
    """
    text = mask(body[:PAGE_READ].decode("utf-8", "replace"), PAGE_READ)
    if readable_text(text).count("\ufffd") > len(text) * LARGEST_UNREADABLE_SHARE:
        return ""
    return " ".join(_TAGS.sub(" ", text).split())


# Both alternatives take linear time: a script without an end tag ends with the page, and a tag ends before the next.
_TAGS = re.compile(r"<(script|style)\b.*?(?:</\1>|\Z)|<[^<>]*>", re.DOTALL | re.IGNORECASE)


# One day. A longer pause makes no difference, and some clocks cannot count it.
LONGEST_RETRY_AFTER_S = 86_400.0


def _retry_after_s(response: HttpResponse) -> float | None:
    """
    Return ``Retry-After`` in seconds, or None if it is missing (Platform API overview, "Rate limits").

    mParticle sends whole seconds. A gateway may send a date, which is compared with the date of its answer.
    """
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), LONGEST_RETRY_AFTER_S)
    if (until := http_date(value)) is None:
        return None
    sent = http_date(response.headers.get("date", ""))
    left_s = until - (time.time() if sent is None else sent)
    return min(left_s, LONGEST_RETRY_AFTER_S) if left_s > 0 else None
