"""Driving a generator of steps, in a thread and in an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

import pytest

from airflow_provider_mparticle.client.driving import adrive, drive
from airflow_provider_mparticle.client.errors import MParticleError, NoAnswerError

Steps = Generator[Any, Any, Any]


def drive_in_a_loop(steps: Steps, carry_out: Callable[[Any], Any]) -> Any:
    """Drive in an event loop, with the same function as in a thread."""

    async def carry_out_later(step: Any) -> Any:
        await asyncio.sleep(0)
        return carry_out(step)

    return asyncio.run(adrive(steps, carry_out_later))


both_ways = pytest.mark.parametrize("driven", [drive, drive_in_a_loop])


def fail(step: Any) -> Any:
    """Fail like a transport."""
    raise NoAnswerError(str(step))


@both_ways
def test_each_step_gets_its_answer(driven: Callable[..., Any]) -> None:
    """The answers come in the order of the steps."""

    def steps() -> Steps:
        return [(yield 1), (yield 2), (yield 3)]

    assert [10, 20, 30] == driven(steps(), lambda step: 10 * step)


@both_ways
def test_an_error_of_ours_is_raised_at_its_step(driven: Callable[..., Any]) -> None:
    """The steps decide what an error means and whether it ends them."""

    def steps() -> Steps:
        try:
            yield "first"
        except MParticleError as error:
            return f"caught {error}"

    assert "caught first" == driven(steps(), fail)


@both_ways
def test_an_error_that_is_not_caught_ends_the_steps(driven: Callable[..., Any]) -> None:
    """The caller gets the same error."""

    def steps() -> Steps:
        yield "first"

    with pytest.raises(NoAnswerError, match="first"):
        driven(steps(), fail)


@both_ways
def test_another_error_does_not_reach_the_steps(driven: Callable[..., Any]) -> None:
    """A fault of this package, or a cancelled task, is not an answer of mParticle."""
    seen: list[BaseException] = []

    def steps() -> Steps:
        try:
            yield "first"
        except Exception as error:
            seen.append(error)

    def break_down(_: Any) -> Any:
        raise KeyError("a fault of ours")

    with pytest.raises(KeyError):
        driven(steps(), break_down)
    assert [] == seen
