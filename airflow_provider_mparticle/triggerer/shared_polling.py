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

from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.client.single_flight import SingleFlight
from airflow_provider_mparticle.runs.poll_timing import RunLengths
from airflow_provider_mparticle.runs.steps import Learn, Look, Looker, Pause, Step, Steps, adrive

Send = Callable[[Call[Any]], Awaitable[Any]]


class Polling:
    """
    Carries out waits against one workspace, in one event loop.

    :param send: Carries out a call.
    :param stretch: Returns how many times as long as otherwise pauses should be.
    :param lengths: How long the last runs of each pipeline took, as far as it is known; it is added to.
    """

    def __init__(self, send: Send, stretch: Callable[[], float], lengths: dict[str, RunLengths]) -> None:
        self.send = send
        self.stretch = stretch
        self._lengths = lengths
        self.under_way = SingleFlight()
        self._views: dict[Hashable, _View] = {}

    @contextmanager
    def waiter(self, looker: Looker) -> Iterator[_Waiter]:
        """Lend somebody who carries out the steps of one wait; *looker* is whom that wait's looks name."""
        key = looker.view
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = _View(looker, self)
        view.lookers[id(looker)] = looker
        try:
            yield _Waiter(view, self)
        finally:
            del view.lookers[id(looker)]
            if not view.lookers:
                del self._views[key]
                self.under_way.cancel(view)

    async def learn(self, pipeline_id: str, ask: Callable[[], Steps[RunLengths]] | None) -> RunLengths:
        """Return how long the last runs of a pipeline took, as far as it is known, or else after asking."""
        if pipeline_id not in self._lengths and ask:
            learned = await self.under_way.do(pipeline_id, lambda: adrive(ask(), self.send))
            self._lengths.setdefault(pipeline_id, learned)
        return self._lengths.get(pipeline_id) or RunLengths()

    def note(self, pipeline_id: str, run: PipelineRun, ended_now: bool) -> None:
        """Remember how long a run took, if it has ended well."""
        if run.progress is Progress.SUCCEEDED:
            self._lengths.setdefault(pipeline_id, RunLengths()).note(run, time.time() if ended_now else None)


class _View:
    """What several waits look at."""

    def __init__(self, looker: Looker, polling: Polling) -> None:
        self.lookers: dict[int, Looker] = {}
        self.looks = 0
        self._looker = looker
        self._polling = polling
        self._seen: Any = None
        self._error: MParticleError | None = None
        self._is_under_way = False
        self._pausing: set[asyncio.Future[None]] = set()

    async def look(self, looks_seen: int) -> Any:
        """Return what has been seen since then, by whomever; if nothing has, look."""
        if self.looks == looks_seen:
            # A task of its own for each look, which others can join, is a cost that one alone need not bear.
            alone = len(self.lookers) == 1
            await (self._look() if alone else self._polling.under_way.do(self, self._look))
        if self._error:
            raise self._error.with_traceback(None)  # each time it is raised it would grow otherwise
        return self._seen

    async def pause(self, seconds: float, looks_seen: int) -> None:
        """Wait for so long, or until there is news."""
        if self.looks != looks_seen:
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

    async def _look(self) -> None:
        try:
            steps = self._looker.look([*self.lookers.values()])
            self._seen, self._error = await adrive(steps, self._polling.send), None
            self._note(self._looker.pick(self._seen))
        except MParticleError as error:
            self._error = error
        self.looks += 1
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

    def __init__(self, view: _View, polling: Polling) -> None:
        self._view = view
        self._polling = polling
        self._looks_seen = view.looks

    async def __call__(self, step: Step) -> Any:
        match step:
            case Look():
                try:
                    return await self._view.look(self._looks_seen)
                finally:
                    self._looks_seen = self._view.looks
            case Pause():
                seconds = min(step.seconds * self._polling.stretch(), step.at_most)
                return await self._view.pause(seconds, self._looks_seen)
            case Learn():
                return await self._polling.learn(step.pipeline_id, step.ask)
            case _:
                return await self._polling.send(step)
