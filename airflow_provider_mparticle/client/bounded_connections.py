"""
Adds one deadline and one size limit to urllib3's connections, so that no server can hold a caller for ever.

urllib3 and http.client limit only how long one read from a socket may take. So a server can hold a caller for ever: by
one byte per second, or by header lines or informational answers (1xx) without end. Here all reads and writes of an
exchange share one deadline, and all bytes of an answer share one size limit.
"""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HeaderParsingError
from urllib3.util.response import assert_header_parsing

from airflow_provider_mparticle.client.answer_body import LONGEST_BODY
from airflow_provider_mparticle.client.network import CONNECT_TIMEOUT_S
from airflow_provider_mparticle.client.sending import Sending

# Bytes of an answer without its body: status line, headers, chunk sizes, trailers, informational answers.
LONGEST_HEAD = 2**20


_current: ContextVar[Sending] = ContextVar("sending")


@contextmanager
def bounded_by(sending: Sending) -> Iterator[None]:
    """Apply the deadline of *sending* to everything that this thread sends and reads within the block."""
    token = _current.set(sending)
    try:
        yield
    finally:
        _current.reset(token)


class _BoundedReader(io.RawIOBase):
    """Reads one answer from a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._file = sock.makefile("rb", buffering=0)  # keeps the socket open until the answer has been read
        self._sock = sock
        self._left = LONGEST_HEAD + LONGEST_BODY

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(_current.get().left_s())
        count: int | None = self._file.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise http.client.HTTPException("the answer is too long")
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _BoundedResponse(http.client.HTTPResponse):
    """An answer that must end before the deadline. Informational answers before it are skipped."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self.fp = io.BufferedReader(_BoundedReader(sock))

    def begin(self) -> None:
        super().begin()
        try:
            assert_header_parsing(self.msg)
        except HeaderParsingError:  # urllib3 would log the header, with any secret in it
            raise http.client.HTTPException("a header is malformed") from None

    def _read_status(self) -> tuple[str, int, str]:
        # http.client skips only 100, and would return 103 as the answer.
        version, status, reason = super()._read_status()  # type: ignore[misc]  # missing in typeshed
        is_informational = 100 < status < 200 and status != http.HTTPStatus.SWITCHING_PROTOCOLS
        return version, http.HTTPStatus.CONTINUE if is_informational else status, reason


class _Bounded(HTTPConnection):
    response_class = _BoundedResponse
    _is_connecting = False

    def connect(self) -> None:
        self._is_connecting = True  # a tunnel through a proxy is requested here, which is not the call's request
        super().connect()
        self._is_connecting = False

    def _new_conn(self) -> socket.socket:
        sending = _current.get()
        self.timeout = min(CONNECT_TIMEOUT_S, sending.left_s())
        sock = super()._new_conn()
        sock.settimeout(sending.left_s())
        return sock

    def send(self, data: Any) -> None:
        sending = _current.get()
        if self.sock is None:
            self.connect()
        self.sock.settimeout(sending.left_s())
        sending.has_left = sending.has_left or not self._is_connecting
        super().send(data)


class _BoundedTLS(_Bounded, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Bounded


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedTLS


POOLS = {"http": _Pool, "https": _TLSPool}
