"""Answers that a client once misread, as the bytes that a server sends. Data only: add what you find."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.endpoints import Call, Scope
from airflow_provider_mparticle.client.errors import (
    InvalidRequestError,
    MParticleError,
    NoAnswerError,
    ServerError,
    UnreadableAnswerError,
)
from airflow_provider_mparticle.client.resource_kinds import PIPELINE

TOKEN = "tok-3n.of-the-corpus"
ECHO = TOKEN.encode()

RUN = endpoints.get_pipeline_run("orders", 7)
TRIGGER = endpoints.trigger_pipeline("orders")
STATUS = endpoints.get_pipeline_status("orders")
RUNS = endpoints.list_pipeline_runs("orders")


class Found(NamedTuple):
    """
    One answer.

    :param name: What is wrong with it.
    :param answer: The bytes on the wire.
    :param expected: The class of the error that it has to be, or None if it is fine.
    :param call: What was asked for.
    """

    name: str
    answer: bytes
    expected: type[MParticleError] | None = UnreadableAnswerError
    call: Call[Any] = RUN


def http(body: Any, status: int = 200, *headers: str) -> bytes:
    """Return a whole answer; a body that is not bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = (f"HTTP/1.1 {status} Said", f"Content-Length: {len(data)}", "Connection: close", *headers)
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + data


def _chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body


FOUND = [
    # Heads that libraries quote in their errors, with a secret in them.
    Found("a status line repeats the token", b"HTTP/1.1 " + ECHO + b"\r\n\r\n"),
    Found("a header line without a colon repeats the token", b"HTTP/1.1 200 OK\r\nBad " + ECHO + b"\r\n\r\n"),
    Found("a header without a name repeats the token", b"HTTP/1.1 200 OK\r\n: " + ECHO + b"\r\n\r\n"),
    Found("a content length repeats the token", b"HTTP/1.1 200 OK\r\nContent-Length: " + ECHO + b"\r\n\r\n"),
    Found("a chunk size repeats the token", _chunked(ECHO + b"\r\n{}\r\n0\r\n\r\n")),
    Found("a content encoding repeats the token", http({}, 200, f"Content-Encoding: {TOKEN}")),
    # Bytes that are not HTTP, or an encoding that was not asked for.
    Found("HTTP/0.9", b"<html>hello</html>"),
    Found("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Found("a negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}"),
    Found("101", b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nabc", ServerError),
    Found("half an answer", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", NoAnswerError),
    Found("a date without a year that fits", http({"status": "success"}, 200, f"Date: 1 Jan +{'9' * 21} 0:0 0"), None),
    # Another run, no run, or a run that did not succeed.
    *(
        Found(f"the run id {run_id!r}", http({"pipeline_run_id": run_id, "status": "success"}))
        for run_id in (99, 99.0, "99\n", [99], {"id": 99}, True, "..", [7], 2**70, "07", "7/")
    ),
    *(
        Found(f"the run id {run_id!r}", http({"pipeline_run_id": run_id, "status": "success"}), None)
        for run_id in (7, 7.0, "7", " 7 ", "7\n", "", None)
    ),
    Found("a run of another pipeline", http({"pipeline_run_id": 7, "pipeline_id": "other", "status": "success"})),
    Found(
        "a status whose run is of another pipeline",
        http({"status": "active", "latest_pipeline_run": {"pipeline_id": "other", "pipeline_run_id": 7}}),
        call=STATUS,
    ),
    Found("a list with a run of another pipeline", http([{"pipeline_id": "other", "pipeline_run_id": 7}]), call=RUNS),
    Found("the id of a v2 run", http({"id": 7, "status": "success"}), None),
    *(
        Found(f"errors instead of the answer to: {call.title}", http({"errors": [{"message": "no"}]}), call=call)
        for call in (
            *(TRIGGER, RUN, STATUS, RUNS),
            endpoints.create_resource(PIPELINE, {"id": "orders"}),
            endpoints.update_resource(PIPELINE, "orders", {"name": "x"}),
            endpoints.delete_resource(PIPELINE, "orders"),
            endpoints.request("GET", "/x", Scope.WORKSPACE),
            endpoints.request("POST", "/apps", Scope.ACCOUNT, json={}),
        )
    ),
    Found(
        "an envelope of errors without data",
        http({"data": None, "errors": [{"code": 1, "message": "no"}]}),
        InvalidRequestError,
        endpoints.request("GET", "/apps", Scope.ACCOUNT),
    ),
    Found("a resource that repeats the token", http({"id": TOKEN}), call=endpoints.get_resource(PIPELINE, "orders")),
    # Answers that are too large.
    Found("two million values", http(b"[" + b"[]," * 2_000_000 + b"[]]")),
    Found("nested a hundred thousand times", http(b"[" * 100_000)),
]
