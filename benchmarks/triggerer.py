"""
Runs the triggers of one provider in one event loop, as Airflow's triggerer does.

It follows ``TriggerRunner`` of Airflow 3.3.2: the class is imported in the running loop at its first trigger, triggers
are made one at a time with one iteration of the loop between them, and each runs as its own task. The bookkeeping of
Airflow, such as sending events to the supervisor, is left out, because it is the same for all providers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from benchmarks import peers


class Triggerer:
    """
    Runs triggers that wait for runs of the fake API.

    :param name: The provider.
    :param url: Where the fake API is.
    :param poll_interval_s: The poll interval that every trigger is given, in seconds.
    """

    def __init__(self, name: str, url: str, poll_interval_s: float) -> None:
        import_module("airflow.jobs.triggerer_job_runner")  # a triggerer has imported it before any trigger
        self.peer = peers.load(name)
        self.tasks: list[asyncio.Task[bool]] = []
        self._url = url
        self._poll_interval_s = poll_interval_s
        self._trigger: Any = None

    async def load(self) -> float:
        """Import the trigger's class in the running loop, and return how many seconds that took."""
        from airflow._shared.module_loading import import_string

        began = time.monotonic()
        self._trigger = import_string(self.peer.trigger)
        took_s = time.monotonic() - began
        self.peer.lead(self._url)
        await asyncio.sleep(0.01)  # so that what comes next does not count as a part of it
        return took_s

    async def start(self, runs: Iterable[int], pause_s: float = 0.0) -> None:
        """
        Start one trigger for each of these runs.

        :param pause_s: How long to wait before each, in seconds. Default: one iteration of the loop.
        """
        for run in runs:
            await asyncio.sleep(pause_s)
            trigger = self._trigger(**self.peer.arguments(run, self._poll_interval_s))
            self.tasks.append(asyncio.create_task(self._wait(trigger)))

    async def finish(self, within_s: float) -> list[str]:
        """
        Wait until every trigger has fired.

        :param within_s: When to give up, in seconds.
        :return: What went wrong, for each trigger that did not see its run succeed.
        """
        done, waiting = await asyncio.wait(self.tasks, timeout=within_s)
        await self.stop()
        troubles = [trouble for task in done if (trouble := _trouble(task))]
        return troubles + ["still waiting"] * len(waiting)

    async def stop(self) -> None:
        """End the triggers that still wait."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _wait(self, trigger: Any) -> bool:
        try:
            payloads = [event.payload async for event in trigger.run()]
            return bool(payloads) and all(self.peer.succeeded(payload) for payload in payloads)
        finally:
            await trigger.cleanup()


def _trouble(task: asyncio.Task[bool]) -> str:
    """Return what went wrong with a trigger that has ended, or an empty text."""
    if task.cancelled():
        return "cancelled itself"
    if error := task.exception():
        return f"{type(error).__name__}: {error}"[:200]
    return "" if task.result() else "fired without a success"
