"""Doing something once for all who ask for it at the same time, in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class SingleFlight:
    """
    Whoever asks for what is under way joins it, and gets its result or its error.

    One who is cancelled takes nothing from the others. What is over is not kept. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}

    async def do(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """
        Begin, or join in.

        :param key: Tells what is asked for.
        :param work: Makes the coroutine that does it, if nobody else has begun.
        """
        task: asyncio.Task[T] | None = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(work())
            task.add_done_callback(partial(self._end, key))
        return await asyncio.shield(task)

    def cancel(self, key: Hashable) -> None:
        """Give up what is under way."""
        if task := self._under_way.get(key):
            task.cancel()

    def _end(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._under_way[key]
        if not task.cancelled():
            task.exception()  # whoever asked may be gone, and asyncio complains of errors that nobody looks at
