"""Deduplicates work: callers that need the same result at the same time share one task of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterator
from functools import partial
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")

# A thousand triggers may wait for one login. If all continued in the same pass of the event loop, they would block it
# for 50 ms. So only this many continue in each pass.
CALLERS_PER_PASS = 10


class SingleFlight:
    """
    Runs one piece of work per key at a time. Callers that come while it runs get the same result or error.

    Cancelling one caller does not affect the others. Results are not kept. Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._in_progress: dict[Hashable, asyncio.Task[Any]] = {}
        self._callers: dict[Hashable, list[asyncio.Future[None]]] = {}

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
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._callers.setdefault(key, []).append(ended)
        await ended
        return task.result()

    def cancel(self, key: Hashable) -> None:
        """Cancel the work that is in progress for *key*, if any."""
        if task := self._in_progress.get(key):
            task.cancel()

    def _end(self, key: Hashable, task: asyncio.Task[Any]) -> None:
        del self._in_progress[key]
        if not task.cancelled():
            task.exception()  # asyncio logs errors that are never read, and all callers may have been cancelled
        wake(iter(self._callers.pop(key)))


def wake(callers: Iterator[asyncio.Future[None]]) -> None:
    """Let the next callers continue, and the others in later passes of the event loop."""
    woken = [*islice((caller for caller in callers if not caller.done()), CALLERS_PER_PASS)]
    for caller in woken:
        caller.set_result(None)
    if woken:
        asyncio.get_running_loop().call_soon(wake, callers)
