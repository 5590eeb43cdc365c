"""Defines the requests, answers and refusals of the simulator. It must not know sockets or state."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

JsonObject: TypeAlias = dict[str, Any]

JSON_TYPE = "application/json"


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error of the simulator
    """
    The simulated mParticle refuses a request.

    :param status: HTTP status of the answer.
    :param messages: One sentence for each thing that is wrong.
    :param headers: Headers of the answer, for example ``Allow``.
    """

    def __init__(self, status: int, *messages: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status}: {' '.join(messages)}")
        self.status = status
        self.messages = messages
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Request:
    """One HTTP request, read completely. Header names are in lower case."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""

    @property
    def is_json(self) -> bool:
        """Whether the header says that the body is JSON."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower() == JSON_TYPE

    def json(self) -> Any:
        """Return the body as JSON, or refuse it with 400 (Platform API overview, "Status codes")."""
        try:
            return _parsed(self.raw)
        except ValueError as error:
            raise Refusal(400, "The request body is not valid JSON.") from error

    def json_object(self) -> JsonObject:
        """Return the body as a JSON object, or refuse anything else with 400."""
        if not self.is_json:
            raise Refusal(400, "Send a JSON body with 'Content-Type: application/json'.")
        body = self.json()
        if not isinstance(body, dict):
            raise Refusal(400, "The request body must be a JSON object.")
        return body

    def json_or_none(self) -> Any:
        """Return the body as JSON, or None if it is empty or is not JSON."""
        try:
            return _parsed(self.raw)
        except ValueError:
            return None


def _parsed(raw: bytes) -> Any:
    """Parse JSON as RFC 8259 defines it. Python's parser would also accept NaN, and later send it."""
    return json.loads(raw, parse_constant=_refused)


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, ready to be written."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer *value* as JSON."""
    return Answer(status, json.dumps(value).encode(), dict(headers or {}))


def error_answer(refusal: Refusal) -> Answer:
    """Answer a refusal as Warehouse Sync does: ``{"errors": [{"message": ...}]}``."""
    body: JsonObject = {"errors": [{"message": message} for message in refusal.messages]}
    if refusal.status == 400:  # v1 reference, "Trigger an on-demand pipeline": a 400 repeats its status
        body = {"statusCode": 400, **body}
    return json_answer(body, refusal.status, refusal.headers)
