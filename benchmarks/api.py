"""
Serves a fast fake of every measured provider's API on loopback, in its own process: ``python -m benchmarks.api``.

It prints two URLs as JSON: that of the API, and that of its control. At the control, a measurement sets the habits and
resets the counts (``POST /begin``), and reads the counts (``GET /counts``, ``GET /paths``). The control has its own
port, so that its requests are not counted. All requests are plain HTTP, so no provider has the cost of TLS.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from benchmarks.dialects import TOKEN, Route, routes
from benchmarks.runs import Habits, Runs

# How many connections may wait to be accepted. A thousand triggers connect at once.
BACKLOG = 4096
# How many paths are kept. No measurement needs more.
MOST_PATHS = 50_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeApi:
    """Answers in every dialect, and counts requests and connections."""

    def __init__(self) -> None:
        self.begin(Habits())

    def begin(self, habits: Habits) -> None:
        """Set the habits, and reset the counts."""
        self.runs = Runs(habits)
        self.requests: Counter[str] = Counter()
        self.paths: list[str] = []
        self.tcp_connections = 0

    def counts(self) -> dict[str, Any]:
        """Return the counts. Logins are counted separately."""
        return {
            "requests": self.requests.total() - self.requests[TOKEN],
            "tokens": self.requests[TOKEN],
            "by_kind": dict(self.requests),
            "tcp_connections": self.tcp_connections,
            "runs_polled": len(self.runs.polls),
        }

    def application(self) -> web.Application:
        """Return the web application of the API."""
        application = web.Application()
        for route in routes(lambda: self.runs):
            application.router.add_route(route.method, route.path, self._handler(route))
        unknown = Route("*", "/{path:.*}", "unknown route", lambda request: (404, {"path": request.path}))
        application.router.add_route(unknown.method, unknown.path, self._handler(unknown))
        return application

    def control(self) -> web.Application:
        """Return the web application of the control."""

        async def begin(request: web.Request) -> web.Response:
            self.begin(Habits(**await request.json()))
            return web.json_response({})

        async def counts(_: web.Request) -> web.Response:
            return web.json_response(self.counts())

        async def paths(_: web.Request) -> web.Response:
            return web.json_response(self.paths)

        control = web.Application()
        control.add_routes([web.post("/begin", begin), web.get("/counts", counts), web.get("/paths", paths)])
        return control

    def note_connection(self) -> None:
        """Count a TCP connection."""
        self.tcp_connections += 1

    def _handler(self, route: Route) -> Handler:
        async def handle(request: web.Request) -> web.Response:
            self.requests[route.kind] += 1
            if route.method == "GET" and len(self.paths) < MOST_PATHS:
                self.paths.append(request.path_qs)
            await asyncio.sleep(self.runs.habits.latency_s)
            status, answer = route.answer(request)
            return web.json_response(answer, status=status)

        return handle


async def serve(application: web.Application, on_connection: Callable[[], None] = lambda: None) -> str:
    """Serve an application on a free port of loopback, and return its URL."""
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()

    def protocol() -> asyncio.Protocol:
        on_connection()
        return runner.server()

    listening = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0, backlog=BACKLOG)
    return f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"


async def main() -> None:
    """Serve until SIGTERM, or until the parent process has ended."""
    api = FakeApi()
    urls = {"url": await serve(api.application(), api.note_connection), "control": await serve(api.control())}
    print(json.dumps(urls), flush=True)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.run_in_executor(None, _wait_for_parent, lambda: loop.call_soon_threadsafe(stop.set))
    await stop.wait()


def _wait_for_parent(then: Callable[[], object]) -> None:
    """Wait for the end of standard input, which the parent process holds open."""
    sys.stdin.read()
    then()


if __name__ == "__main__":
    asyncio.run(main())
