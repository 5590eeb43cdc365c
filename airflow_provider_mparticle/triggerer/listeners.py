"""Counts the listeners of a stream of runs: which pipelines have listeners, and which got a new one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Listeners:
    """The listeners of one stream of runs, in one event loop."""

    def __init__(self) -> None:
        self._listening: Counter[str] = Counter()
        self._newcomers: set[str] = set()
        self._has_newcomer = asyncio.Event()

    @property
    def pipelines(self) -> set[str]:
        """The pipelines that have a listener."""
        return {*self._listening}

    @contextmanager
    def listening(self, pipeline_id: str) -> Iterator[None]:
        """Count one listener of a pipeline within the block."""
        self._listening[pipeline_id] += 1
        self._newcomers.add(pipeline_id)
        self._has_newcomer.set()
        try:
            yield
        finally:
            self._listening[pipeline_id] -= 1
            self._listening += Counter()  # removes pipelines without listeners

    async def wait_for_newcomers(self, seconds: float) -> set[str]:
        """Return the pipelines that got a new listener, as soon as one did; none if none did within *seconds*."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._has_newcomer.wait()
        self._has_newcomer.clear()
        newcomers, self._newcomers = self._newcomers & self.pipelines, set()
        return newcomers
