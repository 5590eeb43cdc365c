"""
Work as generators: a generator yields the steps that it wants done, and a driver carries them out.

`drive` does so in a task's thread, `adrive` in the triggerer's event loop, so that both do the very same thing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import MParticleError

T = TypeVar("T")


@dataclass(frozen=True)
class Pause:
    """Wait for so long before the next step."""

    seconds: float


# What a wait asks of its driver: carry out a call, or pause.
Step = Call[Any] | Pause
Steps = Generator[Any, Any, T]


def drive(steps: Steps[T], send: Callable[[Call[Any]], Any], sleep: Callable[[float], object]) -> T:
    """Carry out the *steps* in this thread, and return what they end with."""
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
            answer = sleep(step.seconds) if isinstance(step, Pause) else send(step)
        except MParticleError as raised:
            error = raised


async def adrive(
    steps: Steps[T], send: Callable[[Call[Any]], Awaitable[Any]], sleep: Callable[[float], Awaitable[object]]
) -> T:
    """Carry out the *steps* in this event loop, and return what they end with."""
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
            answer = await (sleep(step.seconds) if isinstance(step, Pause) else send(step))
        except MParticleError as raised:
            error = raised
