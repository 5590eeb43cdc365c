"""A stream of runs polls the pipelines that have listeners, and a new listener at once."""

from __future__ import annotations

import asyncio

from airflow_provider_mparticle.triggerer.listeners import Listeners


def test_a_pipeline_is_listened_to_until_its_last_listener_leaves() -> None:
    """Two DAGs may listen to one pipeline."""

    async def main() -> list[set[str]]:
        listeners = Listeners()
        with listeners.listening("orders"):
            with listeners.listening("orders"), listeners.listening("refunds"):
                both = listeners.pipelines
            one = listeners.pipelines
        return [both, one, listeners.pipelines]

    assert [{"orders", "refunds"}, {"orders"}, set()] == asyncio.run(main())


def test_a_new_listener_ends_the_pause_and_is_reported_once() -> None:
    """It must not wait for an interval before its first poll."""

    async def main() -> list[set[str]]:
        listeners = Listeners()
        waiting = asyncio.create_task(listeners.wait_for_newcomers(600))
        await asyncio.sleep(0)
        with listeners.listening("orders"):
            return [await waiting, await listeners.wait_for_newcomers(0)]

    assert [{"orders"}, set()] == asyncio.run(main())


def test_a_listener_that_has_left_is_not_new() -> None:
    """Its pipeline is not polled any more."""

    async def main() -> set[str]:
        listeners = Listeners()
        with listeners.listening("orders"):
            pass
        return await listeners.wait_for_newcomers(0)

    assert set() == asyncio.run(main())
