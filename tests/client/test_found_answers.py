"""Every answer that was once misread, over both drivers and a real socket, is read correctly."""

from __future__ import annotations

import logging
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from found_answers import FOUND, TOKEN, Found, http

from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.client.config import ApiConfig, Credentials
from airflow_provider_mparticle.client.errors import MParticleError

LOGIN = http({"access_token": TOKEN, "expires_in": 28_800})


@contextmanager
def serving(answer: bytes) -> Iterator[str]:
    """Serve a login, and *answer* to every other request; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_serve, args=(listener, answer), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, answer: bytes) -> None:
    while True:
        try:
            connection = listener.accept()[0]
        except OSError:
            return
        with connection:
            try:
                connection.sendall(LOGIN if b"/oauth/token" in _request(connection) else answer)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)
            except OSError:
                pass


def _request(connection: socket.socket) -> bytes:
    """Read one request with its body: an answer before the end of it would break the connection."""
    connection.settimeout(10)
    head, body = b"", b""
    while b"\r\n\r\n" not in head:
        if not (data := connection.recv(65_536)):
            raise OSError("closed")
        head += data
    head, _, body = head.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += connection.recv(65_536)
    return head


@pytest.mark.parametrize("found", FOUND, ids=lambda found: found.name)
def test_an_answer_is_taken_for_what_it_is(
    send: Callable[..., Any], found: Found, caplog: pytest.LogCaptureFixture
) -> None:
    """The error has the right class, and neither it nor its causes nor a log repeat the token."""
    caplog.set_level(logging.DEBUG)
    token_cache.forget()
    error: BaseException | None = None

    with serving(found.answer) as url:
        config = ApiConfig(Credentials("id", "s3cr3t-of-it", f"{url}/oauth/token"), 12, 34, url, timeout_s=30)
        try:
            send(found.call, config, retry=False)
        except MParticleError as raised:
            error = raised

    assert found.expected == (type(error) if error else None), error
    shown = "".join(traceback.format_exception(error)) if error else ""
    assert TOKEN not in shown + caplog.text
