"""A machine whose own time zone is not UTC."""

from __future__ import annotations

import time

import pytest


@pytest.fixture
def _tokyo(monkeypatch):
    """Set the zone of the machine to Tokyo: no result may depend on the zone of a worker."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()
