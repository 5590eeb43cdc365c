"""A machine whose own time zone is not UTC."""

from __future__ import annotations

import time

import pytest


@pytest.fixture
def _tokyo(monkeypatch):
    """Move the machine to Tokyo: nothing may depend on the zone of a worker."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()
