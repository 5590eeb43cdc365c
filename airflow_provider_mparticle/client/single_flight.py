"""Deduplicates work: callers that need the same result at the same time share one task of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class SingleFlight:
    """
    Runs one piece of work per key at a time. Callers that come while it runs get the same result or error.

    Cancelling one caller does not affect the others. Results are not kept. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._in_progress: dict[Hashable, asyncio.Task[Any]] = {}

    async def do(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """
        Start the work, or join the work that is in progress.

        :param key: Identifies the result.
        :param work: Returns the coroutine that does the work. It is called only if no work is in progress for *key*.
        :return: The result of the work.
        """
        task: asyncio.Task[T] | None = self._in_progress.get(key)
        if task is None:
            task = self._in_progress[key] = asyncio.create_task(work())
            task.add_done_callback(partial(self._end, key))
        return await asyncio.shield(task)

    def cancel(self, key: Hashable) -> None:
        """Cancel the work that is in progress for *key*, if any."""
        if task := self._in_progress.get(key):
            task.cancel()

    def _end(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._in_progress[key]
        if not task.cancelled():
            task.exception()  # asyncio logs errors that are never read, and all callers may have been cancelled
