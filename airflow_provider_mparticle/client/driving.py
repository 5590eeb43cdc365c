"""
Drives a generator of steps, in a thread or in an event loop.

The generator yields what it needs, and receives the result or the error that this led to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

from airflow_provider_mparticle.client.errors import MParticleError

T = TypeVar("T")


async def adrive(steps: Generator[Any, Any, T], carry_out: Callable[[Any], Awaitable[Any]]) -> T:
    """
    Carry out each of the *steps* with *carry_out*, and return the result of the generator.

    An `MParticleError` of *carry_out* is raised at its step in the generator. Any other error ends the drive.
    """
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


def drive(steps: Generator[Any, Any, T], carry_out: Callable[[Any], Any]) -> T:
    """Do the same as `adrive` in this thread, with a *carry_out* that returns its result."""

    async def carry_out_at_once(step: Any) -> Any:
        return carry_out(step)

    driving = adrive(steps, carry_out_at_once)
    try:
        driving.send(None)  # runs to the end: nothing in it suspends, so it needs no event loop
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("a step of a thread suspended")
