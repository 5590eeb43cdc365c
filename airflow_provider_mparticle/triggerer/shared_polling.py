"""
Waiting in an event loop: one look serves all who wait for the same.

A thousand tasks that wait for one pipeline ask mParticle as often as one does. Whoever's pause is over first looks, and
what he sees ends the pauses of the others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_mparticle.client.driving import adrive
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import MParticleError
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
    :param stretch: Returns how many times as long as otherwise pauses should be.
    :param lengths: How long the last runs of each pipeline took, as far as it is known; it is added to.
    """

    def __init__(self, send: Send, slowdown: Callable[[], float], durations: dict[str, RunDurations]) -> None:
        self.send = send
        self.slowdown = slowdown
        self._durations = durations
        self.under_way = SingleFlight()
        self._groups: dict[Hashable, _PollGroup] = {}

    @contextmanager
    def waiter(self, source: RunSource) -> Iterator[_Waiter]:
        """Lend somebody who carries out the steps of one wait; *looker* is whom that wait's looks name."""
        key = source.poll_key
        poll_key = self._groups.get(key)
        if poll_key is None:
            poll_key = self._groups[key] = _PollGroup(source, self)
        poll_key.sources[id(source)] = source
        try:
            yield _Waiter(poll_key, self)
        finally:
            del poll_key.sources[id(source)]
            if not poll_key.sources:
                del self._groups[key]
                self.under_way.cancel(poll_key)

    async def fetch_durations(self, pipeline_id: str, ask: Callable[[], Steps[RunDurations]] | None) -> RunDurations:
        """Return how long the last runs of a pipeline took, as far as it is known, or else after asking."""
        if pipeline_id not in self._durations and ask:
            learned = await self.under_way.do(pipeline_id, lambda: adrive(ask(), self.send))
            self._durations.setdefault(pipeline_id, learned)
        return self._durations.get(pipeline_id) or RunDurations()

    def note(self, pipeline_id: str, run: PipelineRun, ended_now: bool) -> None:
        """Remember how long a run took, if it has ended well."""
        if run.progress is Progress.SUCCEEDED:
            self._durations.setdefault(pipeline_id, RunDurations()).note(run, time.time() if ended_now else None)


class _PollGroup:
    """What several waits look at."""

    def __init__(self, source: RunSource, polling: Polling) -> None:
        self.sources: dict[int, RunSource] = {}
        self.polls = 0
        self._looker = source
        self._polling = polling
        self._seen: Any = None
        self._error: MParticleError | None = None
        self._is_under_way = False
        self._pausing: set[asyncio.Future[None]] = set()

    async def poll(self, polls_seen: int) -> Any:
        """Return what has been seen since then, by whomever; if nothing has, look."""
        if self.polls == polls_seen:
            # A task of its own for each look, which others can join, is a cost that one alone need not bear.
            alone = len(self.sources) == 1
            await (self._poll() if alone else self._polling.under_way.do(self, self._poll))
        if self._error:
            raise self._error.with_traceback(None)  # each time it is raised it would grow otherwise
        return self._seen

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

    async def _poll(self) -> None:
        try:
            steps = self._looker.poll([*self.sources.values()])
            self._seen, self._error = await adrive(steps, self._polling.send), None
            self._note(self._looker.select(self._seen))
        except MParticleError as error:
            self._error = error
        self.polls += 1
        for pausing in self._pausing:
            _wake(pausing)

    def _note(self, run: PipelineRun | None) -> None:
        if run:
            self._polling.note(self._looker.pipeline_id, run, ended_now=self._is_under_way)
            self._is_under_way = run.progress is Progress.UNDER_WAY


def _wake(pausing: asyncio.Future[None]) -> None:
    if not pausing.done():
        pausing.set_result(None)


class _Waiter:
    """Carries out the steps of one wait."""

    def __init__(self, poll_key: _PollGroup, polling: Polling) -> None:
        self._group = poll_key
        self._polling = polling
        self._polls_seen = poll_key.polls

    async def __call__(self, step: Step) -> Any:
        match step:
            case Poll():
                try:
                    return await self._group.poll(self._polls_seen)
                finally:
                    self._polls_seen = self._group.polls
            case Pause():
                seconds = min(step.seconds * self._polling.slowdown(), step.at_most)
                return await self._group.pause(seconds, self._polls_seen)
            case FetchDurations():
                return await self._polling.fetch_durations(step.pipeline_id, step.ask)
            case _:
                return await self._polling.send(step)
