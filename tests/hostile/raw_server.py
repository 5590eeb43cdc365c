"""A server on a real socket that may break every rule: it sends the bytes of a test, at the speed of the test."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator

# What to send: bytes, or seconds to wait before the next bytes.
Script = Iterable[bytes | float]


class RawServer:
    """
    Sends a script to every client that connects, and then closes the connection, unless *keeps_open* is set.

    :param script: Returns what to send for the head of a request. A test may assign another one at any time.
    :param tls: Settings of an encrypted server, or None.
    """

    def __init__(self, script: Callable[[bytes], Script], tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self.keeps_open = False
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._stopped = threading.Event()
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> RawServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._listening.close()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            connection.settimeout(60)
            stack.callback(connection.close)
            if self._tls:
                connection = stack.enter_context(self._tls.wrap_socket(connection, server_side=True))
            while head := _head(connection):
                self._follow(connection, head)
                if not self.keeps_open:
                    return

    def _follow(self, connection: socket.socket, head: bytes) -> None:
        self.requests.append(head)
        for part in self.script(head):
            if self._stopped.is_set():
                return
            if isinstance(part, bytes):
                connection.sendall(part)
            else:
                time.sleep(part)


def _head(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received and (data := connection.recv(65536)):
        received += data
    return received


def answer(body: bytes = b"", status: str = "200 OK", *headers: str) -> bytes:
    """Return a whole and valid answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: application/json", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def dripping(data: bytes, pause_s: float = 0.05) -> Iterator[bytes | float]:
    """Yield one byte at a time."""
    for byte in data:
        yield bytes([byte])
        yield pause_s


def endless(piece: bytes, pause_s: float = 0.0) -> Iterator[bytes | float]:
    """Yield the same bytes again and again, until the other side has closed the connection."""
    while True:
        yield piece
        if pause_s:
            yield pause_s
