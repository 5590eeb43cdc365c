"""The requests and responses of an exchange, as values: what a driver sends and what it hands back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def place(url: str) -> str:
    """
    Return the host, port and path of an address, for messages.

    Airflow masks the value of every extra whose name holds "token", so a message with the whole token_url would show
    ``***`` and not which host failed.
    """
    return url.partition("://")[2] or url


@dataclass(frozen=True)
class HttpRequest:
    """
    One request to send. Headers and body stay out of its repr, since they hold secrets.

    :param method: GET, POST, PUT or DELETE.
    :param url: Address without a query.
    :param params: Query parameters; a list stands for a parameter that is repeated.
    :param timeout_s: Seconds after which the exchange is given up.
    :param headers: Header names and values.
    :param body: Bytes to send, or None for a request without a body.
    """

    method: str
    url: str
    params: Mapping[str, Any]
    timeout_s: float
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Return the method and where it goes, for error messages."""
        return f"{self.method} {place(self.url)}"


@dataclass(frozen=True)
class HttpResponse:
    """
    One answer.

    :param status: HTTP status of the final answer; drivers skip informational (1xx) answers.
    :param headers: Header values by header name in lower case.
    :param body: The decoded body, or the beginning of one with a flaw.
    :param flaw: Why the body cannot be used, such as "is longer than 16 MB"; empty while it can.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    flaw: str = ""

    @property
    def is_good(self) -> bool:
        """Whether mParticle accepted the request: any 2xx status."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Token:
    """
    An access token.

    :param value: What stands after ``Bearer`` in the Authorization header.
    :param lifetime_s: Seconds for which it is valid from now on.
    """

    value: str = field(repr=False)
    lifetime_s: float


@dataclass(frozen=True)
class TokenNeeded:
    """
    A call asks for a token.

    :param refused: The token that mParticle has just refused with 401, so that it is not used again, or None.
    """

    refused: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class TokenMinted:
    """
    A login got a new token, which the driver announces before the token is used: Airflow then masks it in logs.

    :param value: The token.
    """

    value: str = field(repr=False)
