"""
Waiting in an event loop: one poll serves all waits for the same run.

A thousand tasks that wait for one pipeline ask mParticle as often as one task does. The first wait whose pause is over
polls, and what it sees ends the pauses of the others. An error that nobody expected in one wait stays in that wait.
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
from airflow_provider_mparticle.client.single_flight import SingleFlight
from airflow_provider_mparticle.runs.poll_timing import RunDurations
from airflow_provider_mparticle.runs.steps import FetchDurations, Pause, Poll, RunSource, Step, Steps

Send = Callable[[Call[Any]], Awaitable[Any]]


class Polling:
    """
    Carries out waits against one workspace, in one event loop.

    :param send: Carries out a call.
    :param slowdown: Returns the factor by which pauses are stretched, 1.0 or more.
    :param durations: How long the last runs of each pipeline took, as far as it is known; it is added to.
    """

    def __init__(self, send: Send, slowdown: Callable[[], float], durations: dict[str, RunDurations]) -> None:
        self.send = send
        self.slowdown = slowdown
        self._durations = durations
        self.under_way = SingleFlight()
        self._groups: dict[Hashable, _PollGroup] = {}

    @contextmanager
    def waiter(self, source: RunSource) -> Iterator[_Waiter]:
        """Lend what carries out the steps of one wait; its polls name *source*."""
        key = source.poll_key
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = _PollGroup(self)
        group.sources[id(source)] = source
        try:
            yield _Waiter(source, group, self)
        finally:
            del group.sources[id(source)]
            if not group.sources:
                del self._groups[key]
                self.under_way.cancel(group)

    async def fetch_durations(self, pipeline_id: str, ask: Callable[[], Steps[RunDurations]] | None) -> RunDurations:
        """Return how long the last runs of a pipeline took: as known here, or else after asking with *ask*."""
        if pipeline_id not in self._durations and ask:
            learned = await self.under_way.do(pipeline_id, lambda: adrive(ask(), self.send))
            self._durations.setdefault(pipeline_id, learned)
        return self._durations.get(pipeline_id) or RunDurations()

    def note(self, pipeline_id: str, run: PipelineRun, ended_now: bool) -> None:
        """Remember how long a run took, if it has succeeded."""
        if run.progress is Progress.SUCCEEDED:
            self._durations.setdefault(pipeline_id, RunDurations()).note(run, time.time() if ended_now else None)


class _PollGroup:
    """The waits that poll the same, and what their last poll has seen."""

    def __init__(self, polling: Polling) -> None:
        self.sources: dict[int, RunSource] = {}
        self.polls = 0
        self._polling = polling
        self._seen: Any = None
        self._error: MParticleError | None = None
        self._is_under_way = False
        self._pausing: set[asyncio.Future[None]] = set()

    async def poll(self, source: RunSource, polls_seen: int) -> Any:
        """Return what any wait of the group has seen since then; if none has, poll."""
        if self.polls == polls_seen:
            # A task for each poll, which others can join, costs time that a wait without company need not spend.
            await (self._poll(source) if len(self.sources) == 1 else self._poll_together(source))
        if self._error:
            raise self._error.with_traceback(None)  # each time it is raised it would grow otherwise
        return self._seen

    async def _poll_together(self, source: RunSource) -> None:
        try:
            await self._polling.under_way.do(self, partial(self._poll, source))
        except Exception:  # not even one of ours: the fault may be of another wait's making, so this one polls itself
            await self._poll(source)

    async def pause(self, seconds: float, polls_seen: int) -> None:
        """Wait for so long, or until there is news."""
        if self.polls != polls_seen:
            return
        loop = asyncio.get_running_loop()
        awake: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, _wake, awake)
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
        for pausing in self._pausing:
            _wake(pausing)

    def _note(self, pipeline_id: str, run: PipelineRun | None) -> None:
        if run:
            self._polling.note(pipeline_id, run, ended_now=self._is_under_way)
            self._is_under_way = run.progress is Progress.UNDER_WAY


def _wake(pausing: asyncio.Future[None]) -> None:
    if not pausing.done():
        pausing.set_result(None)


class _Waiter:
    """Carries out the steps of one wait."""

    def __init__(self, source: RunSource, group: _PollGroup, polling: Polling) -> None:
        self._source = source
        self._group = group
        self._polling = polling
        self._polls_seen = group.polls

    async def __call__(self, step: Step) -> Any:
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
            async with asyncio.timeout(within_s):  # others may poll on: their deadlines are later
                return await self._group.poll(self._source, self._polls_seen)
        except TimeoutError:
            raise NoAnswerError(f"mParticle did not answer within the {within_s:.0f} s that were left.") from None
        finally:
            self._polls_seen = self._group.polls
