"""Control the fake API from outside: start it, set its habits, read its counts. Standard library only."""

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

# Nothing here leaves the machine, whatever proxy its environment names.
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
        """Set the API's :class:`~benchmarks.runs.Habits`, and forget what was counted."""
        self._ask("/begin", json.dumps(asdict(Habits(**habits))).encode())

    def counts(self) -> dict[str, Any]:
        """Return what was counted since the beginning."""
        counts: dict[str, Any] = self._ask("/counts")
        return counts

    def paths(self) -> list[str]:
        """Return the path of every GET since the beginning."""
        paths: list[str] = self._ask("/paths")
        return paths

    def _ask(self, path: str, body: bytes | None = None) -> Any:
        headers = {"Content-Type": "application/json"}
        with _opener.open(Request(f"{self.control}{path}", body, headers), timeout=30) as answer:  # noqa: S310 - loopback
            return json.load(answer)


@contextmanager
def fake_api() -> Iterator[FakeApiControl]:
    """A fake API for as long as the block lasts."""
    command = [sys.executable, "-m", "benchmarks.api"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield FakeApiControl(**json.loads(process.stdout.readline()))  # type: ignore[union-attr]  # it is a pipe
        finally:
            process.terminate()
