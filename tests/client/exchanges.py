"""Drives an exchange by hand: answers of mParticle as values, and bodies that may come instead of JSON."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import pytest

from airflow_provider_mparticle.client import endpoints, errors
from airflow_provider_mparticle.client.config import ApiConfig, Credentials
from airflow_provider_mparticle.client.endpoints import Call, Scope
from airflow_provider_mparticle.client.exchange import exchange
from airflow_provider_mparticle.client.messages import HttpResponse, TokenMinted, TokenNeeded

CONFIG = ApiConfig(Credentials("an-id", "cl1ent-s3cret"), 1234, account_id=5678, origin="the nightly connection")
APPS = endpoints.request("GET", "/apps", Scope.ACCOUNT)
TRIGGER = endpoints.trigger_pipeline("orders")

HTML = b"<html><head><style>p {x: y}</style></head><body><h1>Bad\n Gateway</h1><p>nginx</p></body></html>"
# Bodies that may come instead of the JSON that is promised.
ODD_BODIES = [
    b"",
    b" \n",
    b"null",
    b"7",
    b"true",
    b"[]",
    b"{}",
    b"[null]",
    b"[[{}]]",
    b'{"errors": 7}',
    b'{"errors": {"a": [1]}}',
    b'{"errors": [null, {"message": null}, {"message": {"a": 1}}]}',
    b'{"error": {"message": ["a"]}}',
    b'{"broken',
    b"\xff\xfe\x00\xd8",
    b"\x00" * 10,
    b"[" * 100_000,
    b"9" * 10_000,
    b"x" * 100_000,
    HTML,
    b"<",
]


def short(value: object) -> str | None:
    """Name a test case by the beginning of its body."""
    return repr(value[:20]) if isinstance(value, bytes) else None


def said(status: int, body: Any = b"", **headers: str) -> HttpResponse:
    """An answer of mParticle; a body that is not bytes is sent as JSON."""
    return HttpResponse(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def carry_out(call: Call[Any], *responses: HttpResponse, config: ApiConfig = CONFIG) -> tuple[Any, list[Any]]:
    """Give the exchange tokens (``token-1``, ``token-2``) and the responses; return its answer and its steps."""
    return drive(exchange(call, config), *responses)


def drive(steps: Generator[Any, Any, Any], *responses: HttpResponse) -> tuple[Any, list[Any]]:
    """Drive a generator until it returns. It must use every response."""
    left, made, tokens = [*responses], list[Any](), 0
    answer: str | HttpResponse | None = None
    while True:
        try:
            made.append(steps.send(answer))
        except StopIteration as done:
            assert [] == left
            return done.value, made
        if isinstance(made[-1], TokenNeeded):
            tokens += 1
            answer = f"token-{tokens}"
        elif isinstance(made[-1], TokenMinted):
            answer = None
        else:
            answer = left.pop(0)


def refused(call: Call[Any], *responses: HttpResponse, config: ApiConfig = CONFIG) -> errors.MParticleError:
    """Return the error that the exchange raises."""
    with pytest.raises(errors.MParticleError) as caught:
        carry_out(call, *responses, config=config)
    return caught.value


# A body with secrets at every depth.
SECRET_BODY = {
    "partner_feed_key": "f33d-key",
    "config": {"user": "ADA", "password": "pa55word", "service_account_key": {"private_key": "pr1vate"}},
    "parts": [{"client_token": "t0ken-in-list"}],
}
