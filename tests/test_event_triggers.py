"""The trigger that starts DAGs, on Airflow's own shared streams, with triggerers that die at every point."""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.event_triggers import MParticlePipelineRunEventTrigger
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.runs.run_events import KnownEnds
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault

try:
    from airflow.triggers.shared_stream import SharedStreamManager
except ImportError:
    pytest.skip("Airflow has shared event streams and a store for them since 3.3.", allow_module_level=True)

# Where a triggerer may die between an event and the record that it was reported.
CRASHES = ("before it is stored", "before Airflow says so", "after Airflow has said so")


def watch(pipeline_id: str = "orders", **options: Any) -> MParticlePipelineRunEventTrigger:
    """A trigger that polls often, in the form that Airflow creates from its stored arguments."""
    original = MParticlePipelineRunEventTrigger(pipeline_id, **{"poll_interval": 0.05, **options})
    classpath, kwargs = json.loads(json.dumps(original.serialize()))
    module, _, name = classpath.rpartition(".")
    trigger: MParticlePipelineRunEventTrigger = getattr(import_module(module), name)(**kwargs)
    return trigger


class AssetStore:
    """Airflow's store for one asset. It is kept when a triggerer dies."""

    def __init__(self) -> None:
        self.stored: dict[str, str] = {}

    async def aget(self, key: str, default: Any = None) -> Any:
        """Return the stored value."""
        return json.loads(self.stored[key]) if key in self.stored else default

    async def aset(self, key: str, value: Any) -> None:
        """Store a value as JSON."""
        self.stored[key] = json.dumps(value)


class Triggerer:
    """Does with event triggers what Airflow's ``TriggerRunner.run_trigger`` and its supervisor do, step by step."""

    def __init__(self) -> None:
        self.streams = SharedStreamManager()
        self.fired: list[tuple[int | None, dict[str, Any]]] = []
        self.has_fired = asyncio.Event()

    async def run(self, trigger_id: int, trigger: MParticlePipelineRunEventTrigger, store: AssetStore) -> None:
        """Run a trigger until it is cancelled."""
        trigger.asset_state_store = store
        key = trigger.shared_stream_key()
        stream = self.streams.subscribe(trigger_id=trigger_id, trigger=trigger, key=key)
        try:
            async for event in trigger.filter_shared_stream(stream):
                seq = self.streams.bind_pending_event(trigger_id=trigger_id, key=key)
                self.fired.append((seq, event.payload))
                self.has_fired.set()
        finally:
            await self.streams.unsubscribe(trigger_id, key)

    async def next_event(self) -> tuple[int | None, dict[str, Any]]:
        """Return the next event that was fired."""
        while not self.fired:
            self.has_fired.clear()
            await asyncio.wait_for(self.has_fired.wait(), 120)
        return self.fired.pop(0)

    async def store_next(self, events: list[Any]) -> dict[str, Any]:
        """Store the next event as the supervisor does, report that to the stream, and wait until it is recorded."""
        seq, payload = await self.next_event()
        events.append(payload["pipeline_run_id"])
        self.streams.confirm_persisted([seq])
        return payload


@asynccontextmanager
async def triggerer(*triggers: tuple[MParticlePipelineRunEventTrigger, AssetStore]) -> AsyncIterator[Triggerer]:
    """A triggerer that dies at the end of the block."""
    one = Triggerer()
    tasks = [asyncio.create_task(one.run(number, *each)) for number, each in enumerate(triggers)]
    try:
        yield one
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(120):
        while not is_so():  # noqa: ASYNC110 - the condition depends on a server
            await asyncio.sleep(0.01)


def scheduled(simulator: Simulator, state: str = "success", pipeline_id: str = "orders", **fields: Any) -> int:
    """Add a run that mParticle scheduled itself, and return its id."""
    run_id: int = simulator.add_run(pipeline_id, state, "scheduled", **fields)["pipeline_run_id"]
    return run_id


def polls(simulator: Simulator) -> int:
    """The number of requests that listed runs."""
    return simulator.count("GET", "/status/runs")


async def noted(store: AssetStore, run_id: int) -> None:
    """Wait until a run is recorded as reported."""
    await until(lambda: any(str(run_id) in json.loads(ids) for ids in store.stored.values()))


def test_it_reports_runs_that_end_after_the_first_poll(simulator: Simulator) -> None:
    """A newly deployed DAG must not start for old runs, and must start for each run after that."""
    scheduled(simulator)
    store = AssetStore()

    async def watched() -> list[Any]:
        events: list[Any] = []
        async with triggerer((watch(), store)) as one:
            await until(lambda: bool(store.stored))
            run_ids = [scheduled(simulator), scheduled(simulator)]
            told = [await one.store_next(events), await one.store_next(events)]
            await noted(store, run_ids[-1])
        assert run_ids == events
        return told

    [first, _] = asyncio.run(watched())

    assert ("orders", "success", "scheduled", []) == tuple(
        first[name] for name in ("pipeline_id", "state", "type", "reasons")
    )
    assert {"range_start", "range_end", "successful_records", "failed_records"} <= first.keys()


@pytest.mark.parametrize("crash", CRASHES)
def test_no_run_is_lost_wherever_a_triggerer_dies(simulator: Simulator, crash: str) -> None:
    """An event that was not stored is sent again. An event that was recorded is not."""
    store = AssetStore()
    stored: list[Any] = []

    async def first_life() -> int:
        async with triggerer((watch(), store)) as one:
            await until(lambda: bool(store.stored))
            run_id = scheduled(simulator)
            if crash == "before it is stored":
                await one.next_event()
            elif crash == "before Airflow says so":
                stored.append((await one.next_event())[1]["pipeline_run_id"])
            else:
                await one.store_next(stored)
                await noted(store, run_id)
            return run_id

    async def second_life(run_id: int) -> int:
        meanwhile = scheduled(simulator)  # no triggerer is running
        async with triggerer((watch(), store)) as one:
            while meanwhile not in stored:
                await one.store_next(stored)
            await noted(store, meanwhile)
        return meanwhile

    async def third_life() -> None:
        before = polls(simulator)
        async with triggerer((watch(), store)) as one:
            await until(lambda: polls(simulator) >= before + 3)
            assert [] == one.fired

    run_id = asyncio.run(first_life())
    meanwhile = asyncio.run(second_life(run_id))
    asyncio.run(third_life())

    repeated = [run_id] if crash == "before Airflow says so" else []
    assert [run_id, *repeated, meanwhile] == stored


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, {"scheduled success"}, id="default"),
        pytest.param({"ending": "failed"}, {"scheduled failed"}, id="failed"),
        pytest.param({"ending": "any"}, {"scheduled success", "scheduled failed"}, id="any"),
        pytest.param({"run_types": None}, {"scheduled success", "manual success"}, id="all types"),
        pytest.param({"run_types": ["MANUAL"]}, {"manual success"}, id="another word"),
    ],
)
def test_it_reports_only_the_requested_runs(simulator: Simulator, options: dict[str, Any], expected: set[str]) -> None:
    """By default, a run that a DAG has started does not start another DAG."""

    async def watched() -> set[str]:
        store, told = AssetStore(), set()
        async with triggerer((watch(**options), store)) as one:
            await until(lambda: bool(store.stored))
            last = 0
            for kind in ("scheduled", "manual"):
                for state in ("running", "failed", "success"):
                    last = simulator.add_run("orders", state, kind)["pipeline_run_id"]
            for _ in expected:
                payload = (await one.next_event())[1]
                told.add(f"{payload['type']} {payload['state']}")
            before = polls(simulator)
            await until(lambda: polls(simulator) >= before + 3)
            assert [] == one.fired, last
        return told

    assert expected == asyncio.run(watched())


def test_many_watchers_share_one_stream(simulator: Simulator) -> None:
    """One login, and one poll per pipeline and interval, serve any number of assets."""
    simulator.add_pipeline("refunds")
    watched = [(watch(name), AssetStore()) for name in ("orders", "refunds") for _ in range(10)]

    async def told() -> list[str]:
        async with triggerer(*watched) as one:
            await until(lambda: all(store.stored for _, store in watched))
            before = polls(simulator)
            for name in ("orders", "refunds"):
                scheduled(simulator, pipeline_id=name)
            events = [(await one.next_event())[1]["pipeline_id"] for _ in watched]
            assert len(one.streams._groups) == 1
            assert polls(simulator) - before < len(watched)
        return events

    assert ["orders"] * 10 + ["refunds"] * 10 == sorted(asyncio.run(told()))
    assert 1 == simulator.tokens_minted


def test_an_unreachable_pipeline_does_not_stop_the_others(simulator: Simulator) -> None:
    """Airflow restarts a failed trigger every second, so an error is only logged and polling continues."""
    watched = [(watch("missing"), AssetStore()), (watch("orders"), AssetStore())]

    async def told() -> Any:
        async with triggerer(*watched) as one:
            await until(lambda: bool(watched[1][1].stored))
            simulator.inject(Fault(method="GET", path="/status/runs", status=502, times=4))
            scheduled(simulator)
            return (await one.next_event())[1]["pipeline_id"]

    assert "orders" == asyncio.run(told())


def test_it_polls_alone_where_airflow_has_no_shared_streams(simulator: Simulator) -> None:
    """Airflow 3.0 to 3.2 call run(), and keep no record."""

    async def told() -> Any:
        before = polls(simulator)
        events = watch().run()
        first = asyncio.ensure_future(anext(events))
        await until(lambda: polls(simulator) >= before + 2)
        run_id = scheduled(simulator)
        payload = (await asyncio.wait_for(first, 10)).payload
        await events.aclose()
        assert run_id == payload["pipeline_run_id"]

    asyncio.run(told())


@pytest.mark.parametrize(
    "options",
    [
        {"ending": "ended"},
        {"poll_interval": 0},
        {"poll_interval": float("nan")},
        {"poll_interval": "60"},
        {"run_types": "scheduled"},
        {"run_types": [1]},
        {"pipeline_id": 7},  # among the slugs of other watchers, a number once ended the stream of all
        {"pipeline_id": " "},
        {"pipeline_id": None},
        {"poll_interval": True},
        {"run_types": True},
        {"run_types": {"scheduled": 1}},
        {"ending": ["success"]},
        {"mparticle_conn_id": None},
        {"mparticle_conn_id": [" "]},
        *(
            {"run_types": odd}
            for odd in (5, True, [], (), [""], [" "], [None], (word for word in ["scheduled"]), b"x", {})
        ),
    ],
)
def test_malformed_arguments_are_refused_while_the_dag_is_parsed(options: dict[str, Any]) -> None:
    """A user would not notice a watcher that never fires."""
    with pytest.raises(ValueError, match=r"must be"):
        watch(**{"pipeline_id": "orders", **options})


def test_white_space_around_arguments_is_dropped() -> None:
    """The watcher of another pipeline, or of another type, would never fire."""
    trigger = watch(pipeline_id=" orders ", run_types=[" scheduled "])

    assert ("orders", ["scheduled"]) == (trigger.pipeline_id, trigger.run_types)


@pytest.mark.parametrize("ending", ["success", "any"])
def test_a_failed_run_that_runs_again_and_succeeds_is_an_event(simulator: Simulator, ending: Any) -> None:
    """mParticle may repeat a run under its id, and the DAG must start for its rows."""

    async def watched() -> list[str]:
        store = AssetStore()
        async with triggerer((watch(ending=ending, run_types=None), store)) as one:
            await until(lambda: bool(store.stored))
            simulator.script_next_run(
                "orders", [["running", 1000.0], ["failed", 1000.0], ["running", 1000.0], ["success", None]]
            )
            await asyncio.to_thread(MParticleHook().send, endpoints.trigger_pipeline("orders"))
            told = []
            for is_told in (False, ending == "any", False, True):
                before = polls(simulator)
                if is_told:
                    told.append((await one.next_event())[1]["state"])
                else:
                    await until(lambda before=before: polls(simulator) > before + 1)
                simulator.advance(1000.0)
            return told

    assert [*(["failed"] if ending == "any" else []), "success"] == asyncio.run(watched())


NOT_ENDS = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
).filter(lambda stored: not KnownEnds.is_json(stored))


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damaged=NOT_ENDS)
@example(damaged=13325)
@example(damaged="13325")
@example(damaged=[[1]])
def test_a_damaged_record_neither_stops_a_watcher_nor_reports_old_runs(simulator: Simulator, damaged: Any) -> None:
    """Airflow would restart the watcher for ever, or DAGs would start for the runs of a whole month."""
    scheduled(simulator)
    store, one = AssetStore(), watch()
    store.stored[one._store_key] = json.dumps(damaged)

    async def watched() -> tuple[int, int]:
        async with triggerer((one, store)) as host:
            await until(lambda: json.loads(store.stored[one._store_key]) != damaged)
            later = scheduled(simulator)
            return later, (await host.next_event())[1]["pipeline_run_id"]

    later, reported = asyncio.run(watched())

    assert later == reported


def test_watchers_of_two_workspaces_keep_their_records_apart(
    simulator: Simulator, start_simulator: Callable[..., Simulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An asset may have a watcher for the same pipeline in each region. After a restart, no old run is reported."""
    connection = os.environ["AIRFLOW_CONN_MPARTICLE_DEFAULT"]
    other = start_simulator()
    other.add_pipeline("orders")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_MPARTICLE_DEFAULT"])
    monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", connection)
    store = AssetStore()
    scheduled(other)
    scheduled(other)

    def both() -> list[tuple[MParticlePipelineRunEventTrigger, AssetStore]]:
        return [(watch(mparticle_conn_id=conn_id), store) for conn_id in ("mparticle_default", "other")]

    async def restarted() -> tuple[int, int]:
        async with triggerer(*both()):
            await until(lambda: len(store.stored) == len(both()))
        async with triggerer(*both()) as host:
            await asyncio.sleep(0.3)
            later = scheduled(other)
            return later, (await host.next_event())[1]["pipeline_run_id"]

    later, reported = asyncio.run(restarted())

    assert later == reported


ACTIONS = ("a run ends", "two runs end", "another ends that is not asked for", "store", "store", "die")


@pytest.mark.parametrize("seed", range(8))
def test_every_run_is_reported_whatever_happens(simulator: Simulator, seed: int) -> None:
    """Runs end, events are stored or not, and triggerers die: no run is lost, and no recorded run is reported again."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    store, ends = AssetStore(), list[int]()
    stored: Counter[int] = Counter()
    may_repeat: Counter[int] = Counter()

    def note_death() -> None:
        ids = {run_id for kept in store.stored.values() for run_id in json.loads(kept)}
        may_repeat.update(run_id for run_id in stored if str(run_id) not in ids)

    async def live() -> None:
        async with triggerer((watch(), store)) as one:
            await until(lambda: bool(store.stored))
            while (action := chance.choice(ACTIONS)) != "die":
                if action == "store" and set(ends) - set(stored):
                    one.streams.confirm_persisted([await store_next(one)])
                elif action == "another ends that is not asked for":
                    simulator.add_run("orders", "success", "manual")
                elif action != "store":
                    ends.extend(scheduled(simulator) for _ in range(1 + (action == "two runs end")))
            if set(ends) - set(stored):
                await store_next(one)  # the triggerer is dead by then

    async def store_next(one: Triggerer) -> Any:
        seq, payload = await one.next_event()
        stored[payload["pipeline_run_id"]] += 1
        return seq

    async def last_life() -> None:
        async with triggerer((watch(), store)) as one:
            while set(ends) - set(stored):
                one.streams.confirm_persisted([await store_next(one)])

    for _ in range(4):
        asyncio.run(live())
        note_death()
    asyncio.run(last_life())

    assert set(ends) == set(stored)
    assert {} == {run_id: times for run_id, times in stored.items() if times > 1 + may_repeat[run_id]}
