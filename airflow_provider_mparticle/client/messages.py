"""Defines the values that an exchange and its driver pass to each other: requests, responses and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def place(url: str) -> str:
    """
    Return the host, port and path of an address, for messages.

    Airflow masks the value of every extra with "token" in its name. A message with the whole token_url would show
    ``***`` instead of the host that failed.
    """
    return (url.partition("://")[2] or url).partition("?")[0]  # a query may have a secret


@dataclass(frozen=True)
class HttpRequest:
    """
    One request to send. Its repr is without headers and body, since they have secrets.

    :param method: GET, POST, PUT or DELETE.
    :param url: Address without a query.
    :param params: Query parameters. A list means a parameter that is repeated.
    :param headers: Header names and values.
    :param body: Bytes to send, or None for a request without a body.
    """

    method: str
    url: str
    params: Mapping[str, Any]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """Return the method and the address, for error messages."""
        return f"{self.method} {place(self.url)}"


@dataclass(frozen=True)
class HttpResponse:
    """
    One answer.

    :param status: HTTP status of the final answer; drivers skip informational (1xx) answers.
    :param headers: Header values by header name in lower case.
    :param body: The decompressed body, or only its beginning if it has a flaw.
    :param flaw: Why the body cannot be used, for example "is longer than 16 MB"; empty if it can be used.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)
    flaw: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the answer is a success: any 2xx status."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Token:
    """
    An access token.

    :param value: The text after ``Bearer`` in the Authorization header.
    :param lifetime_s: Seconds for which the token is valid from now on.
    """

    value: str = field(repr=False)
    lifetime_s: float


@dataclass(frozen=True)
class TokenNeeded:
    """
    A step: get a token.

    :param refused: The token that mParticle has just refused with 401, so that it is not used again, or None.
    """

    refused: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class TokenMinted:
    """
    A step: report a new token before it is used, so that Airflow masks it in logs.

    :param value: The token.
    """

    value: str = field(repr=False)
