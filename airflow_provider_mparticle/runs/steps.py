"""
Work as generators: a generator yields the steps that it wants done, and a driver carries them out.

`drive` does so in a task's thread, `adrive` in the triggerer's event loop, so that both do the very same thing.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Generator, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import MParticleError

T = TypeVar("T")


@dataclass(frozen=True)
class Pause:
    """Wait for so long before the next step. A driver may take longer, if mParticle is under load, but at most so."""

    seconds: float
    at_most: float = math.inf


class RunSource(Protocol):
    """Somebody who looks at the runs of a pipeline, and picks from what is seen there the run that matters to him."""

    pipeline_id: str

    @property
    def poll_key(self) -> Hashable:
        """What is looked at: those who look at the same share their looks."""

    def poll(self, sources: Sequence[Any] = ()) -> Steps[Any]:
        """Look once, for all these; by default for oneself."""

    def select(self, seen: Any) -> Any:
        """Return one's own run from what a look has shown."""


@dataclass(frozen=True)
class Poll:
    """Look once. In a task this is done at once; in the triggerer one look serves all who look at the same."""

    source: RunSource


@dataclass(frozen=True)
class FetchDurations:
    """
    Find out how long the last runs of a pipeline took; a triggerer remembers the runs that ended there.

    :param ask: Steps that ask mParticle, in a triggerer once for all; None if that is of no use.
    """

    pipeline_id: str
    ask: Callable[[], Steps[Any]] | None


# What a generator asks of its driver.
Step = Call[Any] | Pause | Poll | FetchDurations
Steps = Generator[Any, Any, T]


def drive(steps: Steps[T], send: Callable[[Call[Any]], Any], sleep: Callable[[float], object]) -> T:
    """Carry out the *steps* in this thread, and return what they end with."""

    def carry_out(step: Step) -> Any:
        match step:
            case Pause():
                return sleep(step.seconds)
            case Poll():
                return drive(step.source.poll(), send, sleep)
            case FetchDurations():
                return drive(step.ask(), send, sleep) if step.ask else None
            case _:
                return send(step)

    answer: Any = None
    error: MParticleError | None = None
    while True:
        try:
            step = steps.throw(error) if error else steps.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result
        answer = error = None
        try:
            answer = carry_out(step)
        except MParticleError as raised:
            error = raised


async def adrive(steps: Steps[T], carry_out: Callable[[Any], Awaitable[Any]]) -> T:
    """Let *carry_out* do the *steps* in this event loop, and return what they end with."""
    answer: Any = None
    error: MParticleError | None = None
    while True:
        try:
            step = steps.throw(error) if error else steps.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result
        answer = error = None
        try:
            answer = await carry_out(step)
        except MParticleError as raised:
            error = raised
