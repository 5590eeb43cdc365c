"""Callers that need the same result at the same time share one piece of work."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.single_flight import CALLERS_PER_PASS, SingleFlight


class Work:
    """Counts how often it is done; takes a moment, and may fail."""

    def __init__(self, *failures: Exception) -> None:
        self.begun = 0
        self.done = 0
        self._failures = [*failures]

    async def __call__(self) -> int:
        self.begun += 1
        await asyncio.sleep(0.01)
        self.done += 1
        if self._failures:
            raise self._failures.pop(0)
        return self.begun


class Asking:
    """Asks for the result, as if it were the only caller."""

    def __init__(self, work: Work) -> None:
        self.flight = SingleFlight()
        self._work = work

    async def __call__(self) -> int:
        return await self.flight.do("work", self._work)

    def cancel(self) -> None:
        self.flight.cancel("work")


def run(work: Work, scenario: Any) -> Any:
    async def main() -> Any:
        return await scenario(Asking(work))

    return asyncio.run(main())


def test_callers_at_the_same_time_get_one_result() -> None:
    """A thousand callers share one piece of work."""
    work = Work()

    results = run(work, lambda once: asyncio.gather(*(once() for _ in range(1000))))

    assert [1] * 1000 == results


def test_a_later_caller_starts_the_work_again() -> None:
    """Results are not kept."""
    work = Work()

    async def twice(once: Asking) -> list[int]:
        return [await once(), await once()]

    assert [1, 2] == run(work, twice)


def test_an_error_reaches_all_callers_and_the_next_one_tries_again() -> None:
    """A secrets backend that fails is asked once, not a thousand times in a row."""
    work = Work(ConnectionError("away"))

    async def fail_then_try(once: Asking) -> list[Any]:
        return [*(await asyncio.gather(*(once() for _ in range(3)), return_exceptions=True)), await once()]

    *failed, result = run(work, fail_then_try)

    assert [ConnectionError] * 3 == [type(error) for error in failed]
    assert 2 == result


def test_cancelling_one_caller_does_not_affect_the_others() -> None:
    """Any trigger may be cancelled at any time, also the one that started the work."""
    work = Work()

    async def cancel_the_first(once: Asking) -> int:
        first, second = asyncio.create_task(once()), asyncio.create_task(once())
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert (1, 1) == (run(work, cancel_the_first), work.begun)


@given(
    callers=st.integers(1, 4 * CALLERS_PER_PASS),
    fails=st.booleans(),
    leaving=st.dictionaries(st.integers(0, 4 * CALLERS_PER_PASS), st.integers(0, 8), max_size=40),
)
def test_the_callers_continue_a_few_in_each_pass_of_the_loop(
    callers: int, fails: bool, leaving: dict[int, int]
) -> None:
    """A thousand triggers that continue at once would block the loop. Some leave before, in any pass."""
    continued: Counter[int] = Counter()
    left = {caller for caller in leaving if caller < callers}

    async def main() -> list[Any]:
        flight, passes, ended = SingleFlight(), 0, asyncio.Event()

        async def work() -> str:
            await ended.wait()
            if fails:
                raise ConnectionError("away")
            return "done"

        async def call() -> Any:
            try:
                got: Any = await flight.do("work", work)
            except ConnectionError as error:
                got = error
            continued[passes] += 1
            return got

        calls = [asyncio.create_task(call()) for _ in range(callers)]
        await asyncio.sleep(0)
        ended.set()
        while not all(one.done() for one in calls):
            for caller in left:
                if leaving[caller] == passes:
                    calls[caller].cancel()
            await asyncio.sleep(0)
            passes += 1
        return await asyncio.gather(*calls, return_exceptions=True)

    results = asyncio.run(main())

    wanted = ConnectionError if fails else str
    assert all(isinstance(results[caller], wanted) for caller in range(callers) if caller not in left)
    assert max(continued.values(), default=0) <= CALLERS_PER_PASS


def test_work_without_callers_can_be_cancelled() -> None:
    """The last caller that leaves ends it."""
    work = Work()

    async def give_up(once: Asking) -> None:
        asking = asyncio.create_task(once())
        await asyncio.sleep(0)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        once.cancel()
        await asyncio.sleep(0.05)

    run(work, give_up)

    assert (1, 0) == (work.begun, work.done)


@pytest.mark.filterwarnings("error")
def test_an_error_without_callers_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """asyncio logs errors that are never read."""

    async def leave(once: Asking) -> None:
        asking = asyncio.create_task(once())
        await asyncio.sleep(0)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        await asyncio.sleep(0.05)

    run(Work(KeyError("late")), leave)

    assert [] == caplog.records


def test_different_things_are_done_side_by_side() -> None:
    """A poll of one pipeline says nothing about another."""
    work = Work()

    async def two(once: Asking) -> list[int]:
        return await asyncio.gather(once.flight.do("one", work), once.flight.do("another", work))

    run(work, two)

    assert 2 == work.done
