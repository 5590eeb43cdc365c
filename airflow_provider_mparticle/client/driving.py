"""
Carrying out a generator: it yields what it wants done, and is sent what came of it, or the error that it met.

The two functions do the same, one in a thread and one in an event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

from airflow_provider_mparticle.client.errors import MParticleError

T = TypeVar("T")


def drive(steps: Generator[Any, Any, T], carry_out: Callable[[Any], Any]) -> T:
    """Let *carry_out* do each of the *steps* in this thread, and return what they end with."""
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


async def adrive(steps: Generator[Any, Any, T], carry_out: Callable[[Any], Awaitable[Any]]) -> T:
    """Let *carry_out* do each of the *steps* in this event loop, and return what they end with."""
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
