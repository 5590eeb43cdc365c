"""Deduplicates work: callers that want the same at the same time share one task of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class SingleFlight:
    """
    Runs one piece of work for each key at a time; callers that come meanwhile get the same result or error.

    Cancelling one caller does not affect the others. Results are not kept. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}

    async def do(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """
        Start the work, or wait for the work that is under way.

        :param key: What is wanted.
        :param work: Makes the coroutine that does it. It is called only if nothing is under way for *key*.
        :return: The result of the work.
        """
        task: asyncio.Task[T] | None = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(work())
            task.add_done_callback(partial(self._end, key))
        return await asyncio.shield(task)

    def cancel(self, key: Hashable) -> None:
        """Cancel the work that is under way for *key*, if any."""
        if task := self._under_way.get(key):
            task.cancel()

    def _end(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # all callers may be gone, and asyncio logs errors that are never read
