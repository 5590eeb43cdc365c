"""
Drives the waits of an event loop, so that one poll serves all waits for the same run.

A thousand tasks that wait for one pipeline poll as often as one task. The first waiter to wake polls, and wakes the
others. An unexpected error in one wait does not affect the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from airflow_provider_mparticle.client.driving import adrive
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import MParticleError, NoAnswerError
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.client.single_flight import SingleFlight, wake
from airflow_provider_mparticle.runs.poll_timing import RunDurations
from airflow_provider_mparticle.runs.steps import FetchDurations, Pause, Poll, RunSource, Step, Steps

Send = Callable[[Call[Any]], Awaitable[Any]]


class Polling:
    """
    Drives the waits of one Airflow connection, in one event loop.

    :param send: Sends a call.
    :param slowdown: Returns the factor by which pauses are longer, 1.0 or more.
    :param durations: How long the last runs of each pipeline took, as far as that is known; it is added to.
    """

    def __init__(self, send: Send, slowdown: Callable[[], float], durations: dict[str, RunDurations]) -> None:
        self.send = send
        self.slowdown = slowdown
        self._durations = durations
        self.in_progress = SingleFlight()
        self.groups: dict[Hashable, _PollGroup] = {}

    @contextmanager
    def waiter(self, source: RunSource) -> Iterator[_Waiter]:
        """Lend the driver for the steps of one wait, which polls *source*."""
        waiter = _Waiter(source, self)
        try:
            yield waiter
        finally:
            waiter.leave()

    async def fetch_durations(self, pipeline_id: str, ask: Callable[[], Steps[RunDurations]] | None) -> RunDurations:
        """Return how long the last runs of a pipeline took. Unknown durations are read with *ask*, if it is given."""
        if pipeline_id not in self._durations and ask:
            read = await self.in_progress.do(pipeline_id, lambda: adrive(ask(), self.send))
            self._durations.setdefault(pipeline_id, read)
        return self._durations.get(pipeline_id) or RunDurations()

    def note(self, pipeline_id: str, run: PipelineRun, ended_now: bool) -> None:
        """
        Remember how long a run took, if it has succeeded.

        :param ended_now: Whether the previous poll has seen it in progress, so that it has ended since then.
        """
        if run.progress is Progress.SUCCEEDED:
            self._durations.setdefault(pipeline_id, RunDurations()).note(run, time.time() if ended_now else None)


class _PollGroup:
    """The waits that share polls, and the answer to their last poll."""

    def __init__(self, polling: Polling) -> None:
        self.sources: dict[int, RunSource] = {}
        self.polls = 0
        self._polling = polling
        self._seen: Any = None
        self._error: MParticleError | None = None
        self._was_in_progress = False
        self._pausing: set[asyncio.Future[None]] = set()

    async def poll(self, source: RunSource, polls_seen: int) -> Any:
        """
        Return the answer to the last poll of the group, and poll first if this wait has seen that answer.

        :param polls_seen: The number of polls of the group that this wait has seen.
        """
        if self.polls == polls_seen:
            # Other waits can join a poll only if it is a task of its own, which takes time. A single wait needs none.
            await (self._poll(source) if len(self.sources) == 1 else self._poll_together(source))
        if self._error:
            raise self._error.with_traceback(None)  # without this, its traceback would grow each time it is raised
        return self._seen

    async def _poll_together(self, source: RunSource) -> None:
        try:
            await self._polling.in_progress.do(self, partial(self._poll, source))
        except Exception:  # broad, since another wait may have caused it in any way; so this wait polls by itself
            await self._poll(source)

    async def pause(self, seconds: float, polls_seen: int) -> None:
        """Wait for this time, or until another wait of the group has polled."""
        if self.polls != polls_seen:
            return
        loop = asyncio.get_running_loop()
        awake: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, wake, iter((awake,)))
        self._pausing.add(awake)
        try:
            await awake
        finally:
            timer.cancel()
            self._pausing.discard(awake)

    async def _poll(self, source: RunSource) -> None:
        try:
            steps = source.poll([*self.sources.values()])
            self._seen, self._error = await adrive(steps, self._polling.send), None
        except MParticleError as error:
            self._error = error
        else:
            self._note(source.pipeline_id, source.select(self._seen))
        self.polls += 1
        wake(iter([*self._pausing]))

    def _note(self, pipeline_id: str, run: PipelineRun | None) -> None:
        if run:
            self._polling.note(pipeline_id, run, ended_now=self._was_in_progress)
            self._was_in_progress = run.progress is Progress.UNDER_WAY


class _Waiter:
    """The driver of one wait: carries out its steps."""

    def __init__(self, source: RunSource, polling: Polling) -> None:
        self._source = source
        self._polling = polling
        self._join()

    def _join(self) -> None:
        """Share the polls of the waits that poll the same."""
        self._key = self._source.poll_key
        self._group = self._polling.groups.setdefault(self._key, _PollGroup(self._polling))
        self._group.sources[id(self._source)] = self._source
        self._polls_seen = self._group.polls

    def leave(self) -> None:
        """Share no polls any more."""
        del self._group.sources[id(self._source)]
        if not self._group.sources:
            del self._polling.groups[self._key]
            self._polling.in_progress.cancel(self._group)

    async def __call__(self, step: Step) -> Any:
        if self._key != self._source.poll_key:  # the wait was for the latest run, and has found it
            self.leave()
            self._join()
        match step:
            case Poll():
                return await self._poll(step.within_s)
            case Pause():
                seconds = min(step.seconds * self._polling.slowdown(), step.at_most)
                return await self._group.pause(seconds, self._polls_seen)
            case FetchDurations():
                return await self._polling.fetch_durations(step.pipeline_id, step.ask)
            case _:
                return await self._polling.send(step)

    async def _poll(self, within_s: float) -> Any:
        try:
            async with asyncio.timeout(within_s):  # the poll itself continues, since other waits may have more time
                return await self._group.poll(self._source, self._polls_seen)
        except TimeoutError:
            raise NoAnswerError(f"mParticle did not answer within the {within_s:.0f} s that were left.") from None
        finally:
            self._polls_seen = self._group.polls
