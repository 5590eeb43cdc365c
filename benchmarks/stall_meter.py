"""Measures how long an event loop is blocked, and the memory of this process. It imports the standard library only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path
from types import TracebackType

# The interval at which the meter asks to run. A loop that runs it this often was not blocked.
TICK_S = 0.001


class StallMeter:
    """
    A coroutine that asks to run every millisecond, and records each delay.

    Use it as ``async with StallMeter() as meter``, around everything to measure.
    """

    def __init__(self) -> None:
        self._stalls: list[tuple[float, float]] = []
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> StallMeter:
        """Start the coroutine."""
        self._ticking = asyncio.create_task(self._tick())
        await asyncio.sleep(10 * TICK_S)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """Record the last stall, then end."""
        await asyncio.sleep(2 * TICK_S)
        if self._ticking:
            self._ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticking

    def worst_s(self, since: float = 0.0) -> float:
        """
        Return the longest stall, in seconds.

        :param since: Count only stalls that began at or after this instant of ``time.monotonic()``. Default: all.
        """
        return max((length for began, length in self._stalls if began >= since), default=0.0)

    async def _tick(self) -> None:
        last = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            self._stalls.append((last, now - last - TICK_S))
            last = now


def resident_bytes() -> int:
    """Return the memory of this process that is in RAM, as Linux counts it."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
