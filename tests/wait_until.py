"""Waits for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(is_there: Callable[[], bool], within_s: float = 60.0) -> None:
    """Return as soon as the condition is true."""
    give_up_at = time.monotonic() + within_s
    while not is_there():
        assert time.monotonic() < give_up_at
        time.sleep(0.02)
