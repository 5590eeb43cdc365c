"""Whatever a server sends, a call keeps its limits of time and memory, over both drivers."""

from __future__ import annotations

import gzip
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from hostile_calls import Send, config_for
from raw_server import RawServer, Script, answer, dripping, endless

from airflow_provider_mparticle.client import endpoints, errors, sending
from airflow_provider_mparticle.client.answer_body import LONGEST_BODY
from airflow_provider_mparticle.client.resource_kinds import PIPELINE
from airflow_provider_mparticle.client.sync import Client

GET = endpoints.get_resource(PIPELINE, "orders")
TRIGGER = endpoints.trigger_pipeline("orders")
STATED = answer(b'{"pipeline_run_id": 7}')
HEAD = b"HTTP/1.1 200 OK\r\n"
# A call with a limit of 1 s that takes longer than this has none: what drips takes longer, or ends in another way.
GIVE_UP_S = 24.0


def ends(send: Send, call: Any, server: RawServer, script: Callable[[bytes], Script], **options: Any) -> Any:
    """Return the result of a call, or its error. It must end."""
    server.script = script
    began = time.monotonic()
    try:
        result = send(call, config_for(server.url, **options))
    except errors.MParticleError as error:
        result = error
    assert time.monotonic() - began < GIVE_UP_S
    return result


DRIPS: dict[str, Callable[[bytes], Script]] = {
    "status line": lambda _: dripping(STATED),
    "headers": lambda _: [HEAD, *_slowly(b"X-A: b\r\n" * 200)],
    "one header line": lambda _: [HEAD, b"X-A: ", *_slowly(b"b" * 500)],
    "body": lambda _: [HEAD, b"Content-Length: 500\r\n\r\n", *_slowly(b" " * 500)],
    "body up to the end": lambda _: [HEAD, b"\r\n", *_slowly(b" " * 500)],
    "chunks": lambda _: [HEAD, b"Transfer-Encoding: chunked\r\n\r\n", *_slowly(b"1\r\n \r\n" * 200)],
    "trailers": lambda _: [HEAD, b"Transfer-Encoding: chunked\r\n\r\n0\r\n", *_slowly(b"X-A: b\r\n" * 200)],
    "informational answers": lambda _: endless(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n", 0.05),
    "100 Continue": lambda _: endless(b"HTTP/1.1 100 Continue\r\n\r\n", 0.05),
    "nothing": lambda _: [30.0],
}


def _slowly(data: bytes) -> list[bytes | float]:
    return [*dripping(data)]


def test_an_answer_that_drips_ends_at_the_limit(send: Send) -> None:
    """A limit for each read would never be reached, since each byte comes in time."""

    def end(what: str, server: RawServer) -> tuple[Any, ...]:
        failure = ends(send, TRIGGER, server, DRIPS[what], timeout_s=1.0)
        return len(server.requests), type(failure), failure.may_have_executed, "longer than 1 s" in str(failure)

    # All at once, since each takes as long as its limit.
    with ThreadPoolExecutor(len(DRIPS)) as pool, ExitStack() as stack:
        servers = [stack.enter_context(RawServer(script)) for script in DRIPS.values()]
        found = dict(zip(DRIPS, pool.map(end, DRIPS, servers), strict=True))

    assert dict.fromkeys(DRIPS, (1, errors.NoAnswerError, True, True)) == found


@pytest.mark.parametrize("what", DRIPS)
def test_a_login_that_drips_ends_at_the_limit_of_the_call(send: Send, server: RawServer, what: str) -> None:
    """The call was not sent, so a trigger may be sent again."""
    failure = ends(send, TRIGGER, server, DRIPS[what], is_logged_in=False, timeout_s=0.3)

    assert isinstance(failure, errors.NoAnswerError)
    assert not failure.may_have_executed


def test_a_login_and_its_call_share_one_limit(send: Send, server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two answers that each need most of the time must not double it."""
    login = answer(b'{"access_token": "t0ken", "expires_in": 3600}')
    began, ahead_s = time.monotonic(), [0.0]
    monkeypatch.setattr(sending, "time", SimpleNamespace(monotonic=lambda: began + ahead_s[0]))

    def script(head: bytes) -> Script:
        if b"/oauth" not in head:
            return [3600.0]
        ahead_s[0] = 59.5  # the login takes most of the minute
        return [login]

    failure = ends(send, TRIGGER, server, script, is_logged_in=False, timeout_s=60.0)

    assert isinstance(failure, errors.NoAnswerError)
    assert failure.may_have_executed


@pytest.mark.parametrize("first", [b"100 Continue", b"102 Processing", b"103 Early Hints", b"199 Whatever"])
def test_an_informational_answer_does_not_hide_the_real_one(send: Send, server: RawServer, first: bytes) -> None:
    """Otherwise the id of the run that was just started would be lost."""
    informational = b"HTTP/1.1 " + first + b"\r\nLink: </style.css>; rel=preload\r\n\r\n"

    assert 7 == ends(send, TRIGGER, server, lambda _: [informational * 2, STATED])


@cache
def _bomb(wbits: int) -> bytes:
    packer = zlib.compressobj(9, wbits=wbits)
    return b"".join(packer.compress(b" " * 2**20) for _ in range(200)) + packer.flush()


ENDLESS: dict[str, Callable[[bytes], Script]] = {
    "body": lambda _: [HEAD, b"\r\n", *_many(b" " * 2**20)],
    "announced body": lambda _: [HEAD, b"Content-Length: 99999999999\r\n\r\n", *_many(b" " * 2**20)],
    "chunks": lambda _: [HEAD, b"Transfer-Encoding: chunked\r\n\r\n", *_many(b"100000\r\n" + b" " * 2**20 + b"\r\n")],
    "gzip": lambda _: [answer(_bomb(31), "200 OK", "Content-Encoding: gzip")],
    "deflate": lambda _: [answer(_bomb(15), "200 OK", "Content-Encoding: deflate")],
    "many gzips": lambda _: [HEAD, b"Content-Encoding: gzip\r\n\r\n", *_many(gzip.compress(b"") * 2**15)],
    "brotli": lambda _: [answer(b"\x1b" * 100, "200 OK", "Content-Encoding: br")],
    "gzip in gzip": lambda _: [answer(gzip.compress(_bomb(31)), "200 OK", "Content-Encoding: gzip, gzip")],
}


def _many(piece: bytes) -> Iterator[bytes | float]:
    return (piece for _ in range(400))


@pytest.mark.parametrize("what", ENDLESS)
def test_an_answer_that_is_too_long_is_unreadable(send: Send, server: RawServer, what: str) -> None:
    """It may be the answer to a trigger that was executed."""
    ENDLESS[what](b"")  # packs a bomb now, rather than while the call waits for it
    failure = ends(send, TRIGGER, server, ENDLESS[what])

    assert isinstance(failure, errors.UnreadableAnswerError)
    assert failure.may_have_executed


@pytest.mark.parametrize("what", ["body", "chunks", "gzip", "deflate"])
def test_an_answer_that_is_too_long_takes_little_memory(send: Send, server: RawServer, what: str) -> None:
    """A triggerer waits for a thousand runs in one process."""
    ENDLESS[what](b"")  # as above
    with _peak_memory() as peak:
        ends(send, GET, server, ENDLESS[what])

    assert peak.grown < 6 * LONGEST_BODY


class _Peak:
    def __init__(self) -> None:
        self._process = psutil.Process()
        self._first = self._most = self._process.memory_info().rss
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._observe, daemon=True)

    @property
    def grown(self) -> int:
        return self._most - self._first

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _observe(self) -> None:
        while not self._over.wait(0.005):
            self._most = max(self._most, self._process.memory_info().rss)


def _peak_memory() -> _Peak:
    return _Peak()


HEADS: dict[str, Callable[[bytes], Script]] = {
    "too many headers": lambda _: [HEAD, *(b"X-%d: b\r\n" % n for n in range(5000)), b"\r\n{}"],
    "a header that is too long": lambda _: [HEAD, b"X-A: ", b"b" * 200_000, b"\r\n\r\n{}"],
    "a status line that is too long": lambda _: [b"HTTP/1.1 200 ", b"O" * 200_000, b"\r\n\r\n{}"],
    "not HTTP": lambda _: [b"SSH-2.0-OpenSSH_9.9\r\n\r\n"],
    "a chunk of negative length": lambda _: [HEAD, b"Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n"],
    "a status that is not a number": lambda _: [b"HTTP/1.1 many OK\r\n\r\n"],
}


@pytest.mark.parametrize("what", HEADS)
def test_a_head_that_cannot_be_read_is_unreadable(send: Send, server: RawServer, what: str) -> None:
    """It came after the request, so the request may have been executed."""
    failure = ends(send, TRIGGER, server, HEADS[what])

    assert isinstance(failure, errors.UnreadableAnswerError)
    assert failure.may_have_executed


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect"])
def test_the_endless_body_of_a_redirect_is_not_loaded(send: Send, server: RawServer, status: str) -> None:
    """requests would read it, to follow the redirect later."""
    head = f"HTTP/1.1 {status}\r\nLocation: /elsewhere\r\n\r\n".encode()

    failure = ends(send, GET, server, lambda _: [head, *_many(b" " * 2**20)])

    assert isinstance(failure, errors.RefusedError)
    assert int(status[:3]) == failure.status


def test_a_status_counts_though_its_body_is_too_long(send: Send, server: RawServer) -> None:
    """The error page of an overloaded server must not look like a broken mParticle."""
    failure = ends(send, GET, server, lambda _: [b"HTTP/1.1 503 No\r\n\r\n", *_many(b"busy " * 2**18)])

    assert (errors.ServerError, 503) == (type(failure), failure.status)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "x-gzip", "identity"])
def test_a_compressed_answer_is_read(send: Send, server: RawServer, coding: str) -> None:
    """Servers and proxies may compress what they send."""
    body = b'{"pipeline_run_id": 7}'
    packed = {"deflate": zlib.compress(body), "identity": body}.get(coding, gzip.compress(body))

    assert 7 == ends(send, TRIGGER, server, lambda _: [answer(packed, "200 OK", f"Content-Encoding: {coding}")])


@pytest.mark.parametrize("cut", [1, 12, -1])
def test_a_compressed_answer_that_ends_early_is_unreadable(send: Send, server: RawServer, cut: int) -> None:
    """Half a list of runs must not be taken for the whole list."""
    packed = gzip.compress(b'{"pipeline_run_id": 7}')[:cut]

    failure = ends(send, TRIGGER, server, lambda _: [answer(packed, "200 OK", "Content-Encoding: gzip")])

    assert isinstance(failure, errors.UnreadableAnswerError)


def test_a_body_that_is_shorter_than_announced_is_not_an_answer(send: Send, server: RawServer) -> None:
    """The run may have been started."""
    failure = ends(send, TRIGGER, server, lambda _: [HEAD, b'Content-Length: 99\r\n\r\n{"pipeline_run_id": 7}'])

    assert isinstance(failure, errors.NoAnswerError)
    assert failure.may_have_executed


def test_connections_are_kept_between_calls(server: RawServer) -> None:
    """The next poll can use the same bounded connection."""
    server.keeps_open = True
    server.script = lambda _: [STATED]
    client = Client(config_for(server.url))

    answers = [client.send(TRIGGER) for _ in range(3)]
    client.close()

    assert ([7, 7, 7], 1) == (answers, server.connections)
