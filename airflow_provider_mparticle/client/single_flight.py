"""Doing something once for all who ask for it at the same time, in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """
    Carry out *work* once for all who ask while it is under way; each gets its result, or its error.

    One who is cancelled takes nothing from the others.

    :param work: Makes the coroutine that does it.
    """

    def __init__(self, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        self._task: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """Begin, or join in."""
        if self._task is None:
            self._task = asyncio.create_task(self._work())
            self._task.add_done_callback(self._end)
        return await asyncio.shield(self._task)

    def cancel(self) -> None:
        """Give up what is under way."""
        if self._task:
            self._task.cancel()

    def _end(self, task: asyncio.Task[T]) -> None:
        self._task = None
        if not task.cancelled():
            task.exception()  # whoever asked may be gone, and asyncio complains of errors that nobody looks at
