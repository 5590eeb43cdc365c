"""The stream of ended runs of a workspace, as its listeners get it."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.runs.run_events import RunsSeen
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.triggerer.listeners import Listeners
from airflow_provider_mparticle.triggerer.run_feed import runs_seen


def ended(simulator: Simulator, pipeline_id: str = "orders") -> str:
    """Let mParticle have run a pipeline, and return the run's id."""
    return str(simulator.add_run(pipeline_id, "success", "scheduled")["pipeline_run_id"])


def test_a_listener_gets_the_runs_at_once_and_again_when_one_ends(simulator: Simulator) -> None:
    """The polls in between yield nothing."""
    first = ended(simulator)

    async def main() -> list[RunsSeen]:
        listeners = Listeners()
        with listeners.listening("orders"):
            async with asyncio.timeout(120), aclosing(runs_seen("mparticle_default", 0.01, listeners)) as stream:
                at_once = await anext(stream)
                waiting = asyncio.ensure_future(anext(stream))
                polls = simulator.count("GET", "/status/runs")
                while simulator.count("GET", "/status/runs") < polls + 3:  # noqa: ASYNC110 - it happens on a server
                    await asyncio.sleep(0.01)
                assert not waiting.done()
                ended(simulator)
                return [at_once, await waiting]

    at_once, later = asyncio.run(main())

    assert [first] == [*at_once.ended]
    assert 2 == len(later.ended)


def test_only_pipelines_with_a_listener_are_polled(simulator: Simulator) -> None:
    """A workspace may have hundreds."""
    simulator.add_pipeline("refunds")

    async def main() -> RunsSeen:
        listeners = Listeners()
        with listeners.listening("refunds"):
            async with asyncio.timeout(120), aclosing(runs_seen("mparticle_default", 60, listeners)) as stream:
                return await anext(stream)

    seen = asyncio.run(main())

    assert "refunds" == seen.pipeline_id
    assert 0 == simulator.count("GET", "/orders")


def test_an_error_of_one_pipeline_does_not_end_the_stream(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Airflow would restart all its listeners. The first failed poll is logged, and the recovery."""
    run_id = ended(simulator)
    simulator.fail_next(503, "/status/runs", times=3)

    async def main() -> RunsSeen:
        listeners = Listeners()
        with listeners.listening("orders"):
            async with asyncio.timeout(120), aclosing(runs_seen("mparticle_default", 0.01, listeners)) as stream:
                return await anext(stream)

    with caplog.at_level(logging.INFO):
        seen = asyncio.run(main())

    assert [run_id] == [*seen.ended]
    logged = [record.getMessage() for record in caplog.records if "run_feed" in record.name]
    assert 1 == sum("could not be read" in line for line in logged)
    assert 1 == sum("lists the runs of pipeline 'orders' again" in line for line in logged)


@settings(max_examples=8, phases=[Phase.generate])  # a failure takes a minute, so it is not shrunk
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_listeners_that_come_again_and_again_do_not_hold_up_the_others(restarts: list[int]) -> None:
    """Airflow restarts a failed trigger every second, for example while its store is away."""
    with Simulator() as simulator, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", simulator.airflow_connection_json())
        for pipeline_id in ("orders", *{f"failing-{number}" for number in restarts}):
            simulator.add_pipeline(pipeline_id)

        async def main() -> RunsSeen:
            listeners = Listeners()
            with listeners.listening("orders"):
                async with asyncio.timeout(60), aclosing(runs_seen("mparticle_default", 0.05, listeners)) as stream:
                    await anext(stream)
                    ended(simulator)
                    while True:
                        for number in restarts:
                            with listeners.listening(f"failing-{number}"):
                                if (seen := await anext(stream)).pipeline_id == "orders":
                                    return seen

        assert 1 == len(asyncio.run(main()).ended)
