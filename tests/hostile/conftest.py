"""A hostile server, and a way to send calls to it with each of the drivers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hostile_calls import DRIVERS, Send
from raw_server import RawServer


@pytest.fixture
def server() -> Iterator[RawServer]:
    """A server that follows the script of the test."""
    with RawServer(lambda _: []) as running:
        yield running


@pytest.fixture(params=DRIVERS)
def send(request: pytest.FixtureRequest) -> Send:
    """Send a call once, with one of the drivers."""
    return DRIVERS[request.param]
