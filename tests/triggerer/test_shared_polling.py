"""Many waits in one event loop: what they share, and what each of them has for itself."""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import RunTimeoutError, ServerError
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.client.single_flight import CALLERS_PER_PASS
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.runs.poll_timing import RunDurations
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.steps import FetchDurations, Pause, Poll
from airflow_provider_mparticle.simulator import Fault, Simulator
from airflow_provider_mparticle.triggerer import loading, shared_client
from airflow_provider_mparticle.triggerer.shared_polling import Polling
from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def trigger(pipeline_id: str, run_id: int | None, *, seconds: float = 300, **changes: Any) -> Any:
    """A trigger that has just been deferred."""
    arguments = {"poll_interval": 0.2, "deadline": time.time() + seconds, "run_durations": [], **changes}
    return MParticlePipelineRunTrigger("mparticle_default", pipeline_id, run_id, **arguments)


async def polled_by(simulator: Simulator, path: str = "/status") -> None:
    """Return after a request for a path with this text, however slow the machine is."""
    while not simulator.count("GET", path):  # noqa: ASYNC110 - the simulator knows no events of this loop
        await asyncio.sleep(0.02)


async def outcome_of(one: MParticlePipelineRunTrigger) -> Outcome:
    async with aclosing(one.run()) as events:
        [event] = [event.payload async for event in events]
    return Outcome.from_event(event)


def waited_for(*triggers: MParticlePipelineRunTrigger) -> list[Outcome]:
    """Run triggers in one event loop, like a triggerer."""

    async def main() -> list[Outcome]:
        return await asyncio.gather(*map(outcome_of, triggers))

    return asyncio.run(main())


# Requests


@pytest.mark.parametrize("waiters", [1, 10, 50])
def test_many_waits_for_one_run_poll_as_often_as_one_wait(simulator: Simulator, waiters: int) -> None:
    """The number of requests grows with pipelines, not with waits."""
    run = simulator.add_run("orders", "running", ends_in_s=1.0)

    outcomes = waited_for(*(trigger("orders", run["pipeline_run_id"]) for _ in range(waiters)))

    assert {"success"} == {outcome.run["state"] for outcome in outcomes}
    # Polls every 0.1 s for a second, and those of waits that begin together; a single wait needs a dozen.
    assert simulator.count("GET", "/status") <= 16
    assert 1 == simulator.tokens_minted


def test_waits_for_different_instants_share_their_polls(simulator: Simulator) -> None:
    """A catch-up of many DAG runs waits for one pipeline."""
    instants = [AT + timedelta(days=day) for day in range(20)]
    simulator.add_run("orders", "running", ends_in_s=1.0, range_end=instants[-1], started_on=AT)

    outcomes = waited_for(*(trigger("orders", None, covers=instant) for instant in instants))

    assert [None] * 20 == [outcome.error for outcome in outcomes]
    assert simulator.count("GET", "/status") <= 2 * 16


def test_an_earlier_instant_that_joins_is_polled_for_as_well(simulator: Simulator) -> None:
    """Each wait ends with a run that covers its own instant, even if the run for another does not exist yet."""
    simulator.add_run("orders", "success", range_end=AT, started_on=AT)

    early, late = waited_for(
        trigger("orders", None, covers=AT), trigger("orders", None, covers=AT + timedelta(1), seconds=1.5)
    )

    assert early.error is None
    assert isinstance(late.error, RunTimeoutError)


def test_a_poll_is_for_all_instants_and_not_for_the_first_only(simulator: Simulator) -> None:
    """The latest run may cover one instant, and hide the run that covers another."""
    late = AT + timedelta(days=1)
    simulator.add_run("orders", "success", started_on=AT, logical_date=AT, range_end=late)
    simulator.add_run("orders", "success", started_on=late, logical_date=late, range_end=AT)

    outcomes = waited_for(*(trigger("orders", None, covers=instant, seconds=5) for instant in (AT, late)))

    assert [None, None] == [outcome.error for outcome in outcomes]


def test_different_runs_are_not_confused(simulator: Simulator) -> None:
    """The state of one run says nothing about another."""
    simulator.add_pipeline("users")
    ends = [("orders", "success"), ("users", "failed")]
    runs = [simulator.add_run(pipeline, "running", ends_in_s=0.3, ends_as=ends_as) for pipeline, ends_as in ends]

    outcomes = waited_for(*(trigger(run["pipeline_id"], run["pipeline_run_id"]) for run in runs))

    assert ["success", "failed"] == [outcome.run["state"] for outcome in outcomes]
    assert ["orders", "users"] == [outcome.run["pipeline_id"] for outcome in outcomes]


def test_a_rate_limit_that_is_nearly_used_up_slows_every_wait_down(simulator: Simulator) -> None:
    """Many waits must leave a part of the limit to other clients."""
    run_id = simulator.add_run("orders", "running", ends_in_s=1.5)["pipeline_run_id"]
    simulator.inject(Fault(method="GET", headers={"X-mp-rate-limit-percentage-used": "100"}, times=None))

    [outcome] = waited_for(trigger("orders", run_id))

    assert outcome.error is None
    assert simulator.count("GET", "/status") <= 8  # with pauses of 0.1 s it would take about fifteen


# What each wait has for itself


def test_each_has_a_deadline_of_its_own(simulator: Simulator) -> None:
    """A wait that ends does not affect the others."""
    run_id = simulator.add_run("orders", "running")["pipeline_run_id"]

    async def main() -> tuple[Outcome, Outcome]:
        patient = asyncio.create_task(outcome_of(trigger("orders", run_id)))
        hasty = await outcome_of(trigger("orders", run_id, seconds=1.2))
        simulator.end_runs()
        return hasty, await patient

    hasty, patient = asyncio.run(main())

    assert isinstance(hasty.error, RunTimeoutError)
    assert patient.error is None


def test_cancelling_one_wait_during_a_poll_does_not_affect_the_others(simulator: Simulator) -> None:
    """A user marks one task as failed while it polls for all."""
    run_id = simulator.add_run("orders", "running", ends_in_s=1.0)["pipeline_run_id"]
    simulator.inject(Fault(method="GET", latency_s=0.4, times=None))

    async def main() -> Outcome:
        first = asyncio.create_task(outcome_of(trigger("orders", run_id, poll_interval=0.1)))
        second = asyncio.create_task(outcome_of(trigger("orders", run_id, poll_interval=5)))
        await polled_by(simulator)  # the first one is polling
        first.cancel()
        return await second

    outcome = asyncio.run(main())

    assert outcome.error is None


def test_nothing_is_left_after_the_last_wait(simulator: Simulator) -> None:
    """A triggerer runs for months."""
    run_id = simulator.add_run("orders", "running", ends_in_s=60)["pipeline_run_id"]

    async def main() -> tuple[int, int]:
        waits = [asyncio.create_task(outcome_of(trigger("orders", run_id))) for _ in range(3)]
        await polled_by(simulator)
        [client] = shared_client._clients[asyncio.get_running_loop()].values()
        for one in waits:
            one.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        return len(client.polling.groups), len(left)

    assert (0, 0) == asyncio.run(main())


def test_no_registry_keeps_a_closed_event_loop(simulator: Simulator) -> None:
    """Connections, locks and tasks of one event loop cannot be used in another."""
    run_id = simulator.add_run("orders", "success")["pipeline_run_id"]
    registries: list[Any] = [shared_client._clients, shared_client._durations, loading._loads]

    gc.collect()
    before = [len(registry) for registry in registries]  # what other tests of this process have left
    kept = []
    for _ in range(3):
        waited_for(trigger("orders", run_id))
        gc.collect()
        kept.append([len(registry) for registry in registries])

    # The loop that ran when the first trigger froze what was loaded, and a loop of asgiref, stay as they are.
    assert kept[1] == kept[2]
    assert all(now <= earlier + 2 for earlier, now in zip(before, kept[2], strict=True))


def test_an_error_reaches_all_waits(simulator: Simulator) -> None:
    """At the deadline each reports the error of the last poll."""
    run_id = simulator.add_run("orders", "running", ends_in_s=60)["pipeline_run_id"]
    simulator.inject(Fault(method="GET", path="/status", status=503, times=None))

    outcomes = waited_for(*(trigger("orders", run_id, seconds=1.0) for _ in range(5)))

    assert [RunTimeoutError] * 5 == [type(outcome.error) for outcome in outcomes]
    assert all("503" in str(outcome.error) for outcome in outcomes)


# Durations


def lengths_known() -> dict[str, list[float]]:
    """The durations that this process knows for ``mparticle_default``, in any event loop."""
    return {
        pipeline: durations.seconds
        for known in shared_client._durations.values()
        for pipeline, durations in known.get("mparticle_default", {}).items()
    }


def test_durations_are_read_once_for_all_waits(simulator: Simulator) -> None:
    """Each request is a load for mParticle, and this one has the same answer for all waits."""
    simulator.add_run("orders", "success")
    run_id = simulator.add_run("orders", "running")["pipeline_run_id"]

    async def main() -> dict[str, list[float]]:
        waits = [asyncio.create_task(outcome_of(trigger("orders", run_id, run_durations=None))) for _ in range(10)]
        await polled_by(simulator, f"/runs/{run_id}")
        simulator.end_runs()
        await asyncio.gather(*waits)
        return lengths_known()

    learned = asyncio.run(main())

    assert 1 == sum("runs?" in request["path"] or request["path"].endswith("/runs") for request in simulator.requests)
    assert 2 == len(learned["orders"])  # the earlier run, and the run of the wait


def test_a_wait_that_knows_the_durations_does_not_read_them(simulator: Simulator) -> None:
    """The worker has listed the runs before it started one."""
    run_id = simulator.add_run("orders", "running", ends_in_s=1.0)["pipeline_run_id"]

    waited_for(trigger("orders", run_id, run_durations=[0.5]))

    assert [] == [request for request in simulator.requests if request["path"].endswith("/status/runs")]


def test_a_wait_works_even_if_runs_cannot_be_listed(simulator: Simulator) -> None:
    """The run routes of v2 are assumed, and durations are not needed."""
    run_id = simulator.add_run("orders", "running", ends_in_s=1.0)["pipeline_run_id"]
    simulator.inject(Fault(method="GET", path="/status/runs", status=500, skip=2))

    [outcome] = waited_for(trigger("orders", run_id, run_durations=None))

    assert outcome.error is None


# The parts alone, without a server


class Api:
    """Answers polls of run 7 with the prepared answers, and counts them."""

    def __init__(self) -> None:
        self.polls = 0
        self.answer: Any = "seen"

    async def send(self, call: Any) -> Any:
        self.polls += 1
        await asyncio.sleep(0.01)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class RunFinder(RunLookup):
    """Polls any run that the API answers."""

    def poll(self, _: Any = ()) -> Any:
        return (yield "poll")


class RunSource(RunFinder):
    """Polls whatever the API answers."""

    def select(self, seen: Any) -> None:
        return None


class TimelessLoop(asyncio.SelectorEventLoop):
    """Passes the time of a pause at once, so that pauses are exact on any machine."""

    def __init__(self) -> None:
        super().__init__()
        self._passed_s = 0.0

    def time(self) -> float:
        return self._passed_s

    def call_at(self, when: float, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:
        self.call_soon(self._pass, when)
        return super().call_at(when, *args, **kwargs)

    def _pass(self, until: float) -> None:
        self._passed_s = max(self._passed_s, until)


def polled(
    scenario: Callable[[Polling, Api], Coroutine[Any, Any, Any]],
    slowdown: float = 1.0,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> Any:
    async def main() -> Any:
        api = Api()
        return await scenario(Polling(api.send, lambda: slowdown, {}), api)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main())


def test_a_pause_ends_with_the_poll_of_another_wait() -> None:
    """The wait gets the answer to the poll of another wait, without a request."""
    first, second = RunSource("orders", 7), RunSource("orders", "7")

    async def scenario(polling: Polling, api: Api) -> tuple[float, Any, int]:
        with polling.waiter(first) as one, polling.waiter(second) as other:
            began = time.monotonic()
            pausing = asyncio.create_task(one(Pause(60.0)))
            await asyncio.sleep(0.01)
            await other(Poll(second))
            await pausing
            return time.monotonic() - began, await one(Poll(first)), api.polls

    took_s, seen, polls = polled(scenario)

    assert took_s < 30.0
    assert ("seen", 1) == (seen, polls)


@given(waits=st.integers(1, 4 * CALLERS_PER_PASS))
def test_the_waits_that_a_poll_wakes_continue_a_few_in_each_pass_of_the_loop(waits: int) -> None:
    """A thousand waits for one run that continue at once would block the loop."""
    continued: Counter[int] = Counter()

    async def scenario(polling: Polling, _: Api) -> None:
        passes = 0

        async def pause(source: RunSource) -> None:
            with polling.waiter(source) as carry_out:
                await carry_out(Pause(60.0))
            continued[passes] += 1

        poller = RunSource("orders", 7)
        with polling.waiter(poller) as carry_out:
            pausing = [asyncio.create_task(pause(RunSource("orders", 7))) for _ in range(waits)]
            await asyncio.sleep(0)
            polling_once = asyncio.create_task(carry_out(Poll(poller)))
            while not all(one.done() for one in (*pausing, polling_once)):
                await asyncio.sleep(0)
                passes += 1

    polled(scenario)

    assert waits == continued.total()
    assert max(continued.values()) <= CALLERS_PER_PASS


def test_an_answer_that_came_before_a_pause_ends_it_at_once() -> None:
    """Another wait may poll while this one does something else."""
    first, second = RunSource("orders", 7), RunSource("orders", 7)

    async def scenario(polling: Polling, _: Api) -> float:
        with polling.waiter(first) as one, polling.waiter(second) as other:
            await one(Poll(first))
            await other(Poll(second))  # gets the answer to the first one's poll
            await other(Poll(second))
            began = time.monotonic()
            await one(Pause(600.0))
            return time.monotonic() - began

    assert polled(scenario) < 60.0


def test_a_wait_gets_its_own_answer_only_once() -> None:
    """After a pause without a poll of another wait, it polls itself."""
    source = RunSource("orders", 7)

    async def scenario(polling: Polling, api: Api) -> int:
        with polling.waiter(source) as one:
            for _ in range(3):
                await one(Poll(source))
                await one(Pause(0.01))
        return api.polls

    assert 3 == polled(scenario)


def test_a_failed_poll_wakes_the_others_too() -> None:
    """The other waits need not poll an mParticle that does not answer."""
    first, second = RunSource("orders", 7), RunSource("orders", 7)

    async def scenario(polling: Polling, api: Api) -> int:
        api.answer = ServerError("503")
        with polling.waiter(first) as one, polling.waiter(second) as other:
            for carry_out, source in ((one, first), (other, second)):
                with pytest.raises(ServerError):
                    await carry_out(Poll(source))
        return api.polls

    assert 1 == polled(scenario)


@pytest.mark.parametrize(("pause", "least", "most"), [(Pause(0.1), 0.3, 0.6), (Pause(0.1, at_most=0.2), 0.15, 0.28)])
def test_under_load_pauses_are_longer_but_not_beyond_the_deadline(pause: Pause, least: float, most: float) -> None:
    """No wait may exceed its deadline."""
    source = RunSource("orders", 7)

    async def scenario(polling: Polling, _: Api) -> float:
        with polling.waiter(source) as one:
            began = asyncio.get_running_loop().time()
            await one(pause)
            return asyncio.get_running_loop().time() - began

    assert least <= polled(scenario, slowdown=3.0, loop_factory=TimelessLoop) < most


def test_the_duration_of_a_run_that_ends_here_is_remembered_even_without_an_end_instant() -> None:
    """In mParticle's own examples ended runs have no end instant."""
    lookup = RunFinder("orders", 7)
    running = PipelineRun("orders", 7, state="running", started_on=datetime.now(UTC) - timedelta(seconds=90))

    async def scenario(polling: Polling, api: Api) -> RunDurations:
        with polling.waiter(lookup) as one:
            for api.answer in (running, replace(running, state="success", progress=Progress.SUCCEEDED)):
                await one(Poll(lookup))
            return await one(FetchDurations("orders", None))

    assert [pytest.approx(90.0, abs=60.0)] == polled(scenario).seconds


def test_without_a_request_only_runs_that_ended_here_are_known() -> None:
    """The worker has already tried to read the durations."""
    source = RunSource("orders", 7)

    async def scenario(polling: Polling, api: Api) -> tuple[RunDurations, int]:
        with polling.waiter(source) as one:
            return await one(FetchDurations("orders", None)), api.polls

    known, polls = polled(scenario)

    assert ([], 0) == (known.seconds, polls)
