"""Starts the fake API, sets its habits, and reads its counts. It imports the standard library only."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from benchmarks.runs import Habits

# Requests stay on this machine, so a proxy in the environment is not used.
_opener = build_opener(ProxyHandler({}))


@dataclass(frozen=True)
class FakeApiControl:
    """
    The two addresses of the fake API.

    :param url: Where the API is.
    :param control: Where its control is.
    """

    url: str
    control: str

    def begin(self, **habits: Any) -> None:
        """Set the API's :class:`~benchmarks.runs.Habits`, and reset the counts."""
        self._ask("/begin", json.dumps(asdict(Habits(**habits))).encode())

    def counts(self) -> dict[str, Any]:
        """Return the counts since the last call of `begin`."""
        counts: dict[str, Any] = self._ask("/counts")
        return counts

    def paths(self) -> list[str]:
        """Return the path of every GET since the last call of `begin`."""
        paths: list[str] = self._ask("/paths")
        return paths

    def _ask(self, path: str, body: bytes | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        with _opener.open(Request(f"{self.control}{path}", body, headers), timeout=30) as answer:  # noqa: S310 - loopback
            return json.load(answer)


@contextmanager
def fake_api() -> Iterator[FakeApiControl]:
    """Run a fake API until the end of the block."""
    command = [sys.executable, "-m", "benchmarks.api"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield FakeApiControl(**json.loads(process.stdout.readline()))  # type: ignore[union-attr]  # it is a pipe
        finally:
            process.terminate()
