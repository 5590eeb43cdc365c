"""Who listens to a stream of runs: which pipelines have listeners, and which of these have just come."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Listeners:
    """The listeners of one stream, in one event loop."""

    def __init__(self) -> None:
        self._listening: Counter[str] = Counter()
        self._newcomers: set[str] = set()
        self._has_come = asyncio.Event()

    @property
    def pipelines(self) -> set[str]:
        """The pipelines that have a listener."""
        return {*self._listening}

    @contextmanager
    def listening(self, pipeline_id: str) -> Iterator[None]:
        """Count a listener of a pipeline while it listens."""
        self._listening[pipeline_id] += 1
        self._newcomers.add(pipeline_id)
        self._has_come.set()
        try:
            yield
        finally:
            self._listening[pipeline_id] -= 1
            self._listening += Counter()  # drops those without a listener

    async def wait_for_newcomers(self, seconds: float) -> set[str]:
        """Return the pipelines of listeners that have come, as soon as there are some; none if time is up before."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._has_come.wait()
        self._has_come.clear()
        came, self._newcomers = self._newcomers & self.pipelines, set()
        return came
