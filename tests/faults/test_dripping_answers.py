"""A server that sends one byte per second does not hold a worker beyond the timeout of its task."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable

import pytest
from task_run import TaskRun

from airflow_provider_mparticle.client.errors import RunTimeoutError
from tests.hostile.raw_server import RawServer, answer, dripping

TIMEOUT_S = 1.0
# The answer lasts longer than this, so a wait without a limit is found on a machine of any speed.
GIVE_UP_S = 45.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n"


def answer_to(head: bytes) -> Iterable[bytes | float]:
    """Start run 7, and send every answer about it byte by byte."""
    line = head.split(b"\r\n")[0]
    if b"/oauth/token" in line:
        return [answer(b'{"access_token": "t0ken", "expires_in": 28800}')]
    if line.startswith(b"POST"):
        return [answer(b'{"pipeline_run_id": 7}')]
    if b"/runs/7" in line:
        return (part for whole in ([HEAD], dripping(b" " * 600, 0.1)) for part in whole)
    return [answer(b"[]" if b"/runs" in line else b'{"status": "healthy", "latest_pipeline_run": null}')]


def test_a_dripping_answer_ends_with_the_timeout_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection allows 60 s for an answer, but the task has less time."""
    with RawServer(answer_to) as server:
        connection = {
            "conn_type": "mparticle",
            "host": server.url,
            "login": "client-of-the-drip",
            "password": "s3cret",
            "extra": {"workspace_id": "1234", "token_url": f"{server.url}/oauth/token"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps(connection))
        began = time.monotonic()

        with pytest.raises(RunTimeoutError, match=r"(?s)Run 7.*continues in mParticle"):
            TaskRun(pipeline_id="orders", poll_interval=0.03, timeout=TIMEOUT_S, deferrable=False).run()

        assert time.monotonic() - began < GIVE_UP_S
        assert 1 == sum(head.startswith(b"POST") and b"/trigger" in head for head in server.requests)
