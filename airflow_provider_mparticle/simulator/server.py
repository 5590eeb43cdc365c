"""Reads requests from sockets on 127.0.0.1, and writes the answers of a function. It must not know state."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import threading
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from airflow_provider_mparticle.simulator.http_messages import Answer, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    Respond = Callable[[Request], Answer | None]

# Close with a reset instead of an orderly end: "linger on, for 0 s" (socket(7), SO_LINGER).
_HARD_CLOSE = struct.pack("ii", 1, 0)

# How often the accepting thread checks whether it should end, where stop() cannot wake it.
_STOP_POLL_S = 0.02


class _Handler(BaseHTTPRequestHandler):
    """One TCP connection with its requests."""

    protocol_version = "HTTP/1.1"
    server_version = "mParticle-simulator"
    sys_version = ""
    disable_nagle_algorithm = True  # a small answer must not wait for the acknowledgement of the previous one
    wbufsize = -1  # head and body leave in one packet
    server: LoopbackServer

    def _serve(self) -> None:
        request = self._read()
        answer = Answer(411) if request is None else self._respond(request)
        if answer is None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HARD_CLOSE)
            self.close_connection = True
        else:
            self._write(answer)

    def _respond(self, request: Request) -> Answer | None:
        """Return the answer. After a bug of the simulator, print its traceback and answer 500."""
        try:
            return self.server.respond(request)
        except Exception:  # broad: a bug of the simulator may raise anything, and must not look like a lost answer
            traceback.print_exc()
            return Answer(500, b'{"errors": [{"message": "A bug in the simulator: see its standard error."}]}')

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_TRACE = _serve  # noqa: N815 - the base class wants these names

    def _read(self) -> Request | None:
        """Read the rest of the request. Return None and end the connection if its length is unknown."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            self.close_connection = True
            return None
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        names = {name.lower() for name in self.headers}
        headers = {name: ", ".join(self.headers.get_all(name, [])) for name in names}
        return Request(self.command, url.path, query, headers, self.rfile.read(int(length)))

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the ``Date`` header with the time of mParticle's clock."""
        return super().date_time_string(self.server.clock() if timestamp is None else timestamp)

    def _write(self, answer: Answer) -> None:
        reason = HTTPStatus(answer.status).phrase if answer.status in list(HTTPStatus) else ""
        self.send_response(answer.status, reason)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.body:
            self.send_header("Content-Type", answer.content_type)
        if answer.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and answer.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Print nothing, because the request log has it."""


class LoopbackServer(ThreadingHTTPServer):
    """
    Serves one function over HTTP/1.1 with keep-alive, one thread for each connection.

    :param port: Port on 127.0.0.1; 0 for any free one.
    :param respond: Answers a request; None drops the connection without an answer.
    :param clock: The time for the ``Date`` header.
    """

    daemon_threads = True
    request_queue_size = 1024  # hundreds of clients may connect at the same moment

    def __init__(self, port: int, respond: Respond, clock: Callable[[], float]) -> None:
        self.respond = respond
        self.clock = clock
        self.opened = 0
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(_STOP_POLL_S,), daemon=True)

    def server_bind(self) -> None:
        """Bind without the base class's lookup of this machine's name, which may take seconds."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]
        self.server_address = (self.server_name, self.server_port)

    def start(self) -> None:
        """Start to accept connections."""
        self._thread.start()

    def stop(self) -> None:
        """Close the listening socket and every connection."""
        with contextlib.suppress(OSError):  # macOS refuses this, and stop() waits for the next check
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        self.shutdown()
        self._thread.join()
        self.server_close()
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count and store a connection before its thread starts."""
        with self._guard:
            self.opened += 1
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection without the orderly shutdown of the base class, which would prevent a reset."""
        with self._guard:
            self._open.discard(request)
        self.close_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that have disconnected. Print every other error: it is a bug of the simulator."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
