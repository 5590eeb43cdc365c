"""The trigger, in an event loop as in the triggerer."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle import triggers
from airflow_provider_mparticle.client.errors import AuthenticationError, RunFailedError, RunTimeoutError
from airflow_provider_mparticle.event_triggers import MParticlePipelineRunEventTrigger
from airflow_provider_mparticle.runs.coverage import CoverageLookup
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.wait import RunMonitor
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault
from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger


def trigger(run_id: int | str | None, *, seconds: float = 300, **changes: Any) -> MParticlePipelineRunTrigger:
    """A trigger for a run of ``orders`` with a deadline in so many seconds."""
    arguments = {"poll_interval": 0.1, "deadline": time.time() + seconds, **changes}
    return MParticlePipelineRunTrigger("mparticle_default", "orders", run_id, **arguments)


def rebuilt(original: MParticlePipelineRunTrigger) -> MParticlePipelineRunTrigger:
    """The trigger that Airflow creates from its stored arguments."""
    classpath, kwargs = json.loads(json.dumps(original.serialize()))
    module, _, name = classpath.rpartition(".")
    return getattr(import_module(module), name)(**kwargs)


async def all_events(of: MParticlePipelineRunTrigger) -> list[Any]:
    """All events of a trigger, as Airflow stores them."""
    async with aclosing(of.run()) as events:
        return [json.loads(json.dumps(event.payload)) async for event in events]


def event_of(one: MParticlePipelineRunTrigger) -> Any:
    """The only event of a trigger that was stored and created again."""
    [event] = asyncio.run(all_events(rebuilt(one)))
    return event


NOT_NUMBERS = (
    st.text()
    | st.binary()
    | st.lists(st.integers())
    | st.timedeltas()
    | st.sampled_from([float("nan"), float("inf"), float("-inf"), 10**400, True])  # Airflow stores infinity as null
)


@given(
    name=st.sampled_from(["poll_interval", "deadline", "covers", "began"]),
    value=NOT_NUMBERS,
    pause=st.floats(max_value=0) | st.just(float("inf")) | st.none() | st.just(value=True),
)
def test_a_trigger_that_would_poll_without_a_pause_is_refused(name: str, value: Any, pause: Any) -> None:
    """A user may create it for an operator of their own."""
    with pytest.raises(ValueError, match=f"{name} must be"):
        trigger(13325, **{name: value})
    with pytest.raises(ValueError, match="poll_interval must be"):
        trigger(13325, poll_interval=pause)


STORED: dict[type, dict[str, Any]] = {
    MParticlePipelineRunTrigger: trigger(13325, covers=0.0).serialize()[1],
    MParticlePipelineRunEventTrigger: MParticlePipelineRunEventTrigger("orders").serialize()[1],
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@given(
    of=st.sampled_from(sorted(STORED, key=str)),
    data=st.data(),
    values=st.lists(ANYTHING, min_size=1, max_size=3),
)
def test_no_stored_arguments_end_the_triggerer(of: type, data: st.DataObject, values: list[Any]) -> None:
    """If a constructor raises anything else than a TypeError, the process ends with all waits in it, at each start."""
    stored = dict(STORED[of])
    for value in values:
        stored[data.draw(st.sampled_from([*STORED[of], "unknown"]))] = value
    if data.draw(st.booleans()):
        stored.pop(data.draw(st.sampled_from([*stored])))

    try:
        one = of(**stored)
    except TypeError:
        return

    assert one.serialize()[1].keys() == STORED[of].keys()


@pytest.mark.parametrize("run_id", [13325, "13325", None])
def test_a_stored_trigger_can_be_created_again(run_id: int | str | None) -> None:
    """Airflow stores a trigger as JSON, and may create it again at any time in another triggerer."""
    original = trigger(run_id, poll_interval=7, deadline=1_800_000_000.5)

    again = rebuilt(rebuilt(original))

    assert original.serialize() == again.serialize()
    assert ("mparticle_default", "orders", run_id, 7, 1_800_000_000.5) == (
        again.mparticle_conn_id,
        again.pipeline_id,
        again.pipeline_run_id,
        again.poll_interval,
        again.deadline,
    )


@pytest.mark.parametrize("covers", [None, datetime(2026, 3, 1, tzinfo=UTC)], ids=["a run", "a covering run"])
def test_a_wait_continues_in_the_triggerer_with_what_the_worker_knows(covers: datetime | None) -> None:
    """Otherwise the triggerer would wait for another run, or longer, or ask again for what is known."""
    lookup = RunLookup("orders", 7) if covers is None else CoverageLookup("orders", covers)
    monitor = RunMonitor(lookup, 1_800_000_000.5, 1_799_999_000.25, durations_s=(60.0, 70.0))

    _, arguments = rebuilt(MParticlePipelineRunTrigger.after_poll("mparticle_eu", monitor, 7, 2.5)).serialize()

    assert arguments == {
        "mparticle_conn_id": "mparticle_eu",
        "pipeline_id": "orders",
        "pipeline_run_id": 7 if covers is None else None,
        "poll_interval": 7,
        "deadline": 1_800_000_000.5,
        "retry_after_s": 2.5,
        "covers": covers and covers.timestamp(),
        "began": 1_799_999_000.25,
        "run_durations": [60.0, 70.0],
    }


def test_the_stored_arguments_contain_no_secret(simulator: Simulator) -> None:
    """Airflow stores them in plain text, and shows them."""
    run_id = simulator.add_run("orders", "success")["pipeline_run_id"]
    one = trigger(run_id)
    asyncio.run(all_events(one))

    stored = json.dumps(one.serialize())

    [token] = simulator.token_values
    assert "mparticle_default" in stored
    assert simulator.client_secret not in stored
    assert token not in stored


@pytest.mark.parametrize(
    "deadline",
    [
        1_800_000_000,
        1_800_000_000.0,
        datetime.fromtimestamp(1_800_000_000, UTC),
        datetime.fromtimestamp(1_800_000_000, timezone(timedelta(hours=5))),
        datetime(2027, 1, 15, 8),
    ],
    ids=["int", "float", "UTC", "another zone", "no zone"],
)
def test_a_deadline_is_an_instant_or_seconds(deadline: datetime | float) -> None:
    """A user passes a datetime, Airflow passes the stored value. Without a time zone it is UTC."""
    one = trigger(1, deadline=deadline)

    assert 1_800_000_000.0 == rebuilt(one).deadline


def test_a_run_that_succeeds(simulator: Simulator) -> None:
    """The event contains what the task returns."""
    run = simulator.add_run("orders", "running", ends_in_s=0.3)

    event = event_of(trigger(run["pipeline_run_id"]))

    assert "success" == event["status"]
    assert ("orders", run["pipeline_run_id"], "success", 1000, 0) == (
        event["run"]["pipeline_id"],
        event["run"]["pipeline_run_id"],
        event["run"]["state"],
        event["run"]["successful_records"],
        event["run"]["failed_records"],
    )


def test_a_run_that_fails(simulator: Simulator) -> None:
    """The event contains mParticle's reasons and counts."""
    run = simulator.add_run(
        "orders",
        "running",
        ends_in_s=0.2,
        ends_as="failed",
        errors=["No such table: orders", "Gave up."],
        successful_records=5,
        failed_records=2,
    )

    event = event_of(trigger(run["pipeline_run_id"]))

    error = Outcome.from_event(event).error
    assert isinstance(error, RunFailedError)
    assert ("No such table: orders", "Gave up.") == error.reasons
    assert ("failed", 5, 2) == (error.state, error.successful_records, error.failed_records)
    assert "No such table: orders" in str(error)


def test_a_run_that_lasts_too_long(simulator: Simulator) -> None:
    """The deadline leads to an event, so that the task can report the state of the run."""
    run = simulator.add_run("orders", "queued")
    began = time.monotonic()

    event = event_of(trigger(run["pipeline_run_id"], seconds=0.5))

    error = Outcome.from_event(event).error
    assert isinstance(error, RunTimeoutError)
    assert "queued" == error.state
    assert run["pipeline_run_id"] == error.pipeline_run_id
    assert 0.4 < time.monotonic() - began < 60


def test_after_the_deadline_the_run_is_polled_once(simulator: Simulator) -> None:
    """The run may have succeeded while the triggerer was down."""
    run = simulator.add_run("orders", "success")

    event = event_of(trigger(run["pipeline_run_id"], seconds=-60))

    assert "success" == event["status"]


async def first_poll(simulator: Simulator, path: str) -> None:
    """Return after the trigger has polled once, however slow the machine is."""
    while not simulator.count("GET", path):  # noqa: ASYNC110 - the simulator knows no events of this loop
        await asyncio.sleep(0.02)


def test_without_a_run_id_it_waits_for_the_latest_run_at_its_first_poll(simulator: Simulator) -> None:
    """A scheduled run that begins later is another run."""
    mine = simulator.add_run("orders", "running", ends_in_s=1.5)

    async def wait_while_another_begins() -> Any:
        waiting = asyncio.create_task(all_events(trigger(None)))
        await first_poll(simulator, "/status")
        simulator.add_run("orders", "failed", logical_date=datetime.now(UTC))
        return await waiting

    [event] = asyncio.run(wait_while_another_begins())

    assert "success" == event["status"]
    assert mine["pipeline_run_id"] == event["run"]["pipeline_run_id"]


@pytest.mark.parametrize("seed", range(3))
def test_each_wait_keeps_the_run_that_was_the_latest_when_it_began(simulator: Simulator, seed: int) -> None:
    """Waits for the latest run share polls, but only until they have found it."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets

    async def wait_one_after_the_other() -> tuple[list[int], list[Any]]:
        expected, waits = list[int](), list[Any]()
        for _ in range(4):
            ends_as = chance.choice(["success", "failed"])
            fields = {"logical_date": datetime.now(UTC), "ends_in_s": 3600.0, "ends_as": ends_as}
            run = simulator.add_run("orders", "running", **fields)
            number = chance.randint(1, 3)
            waits += [asyncio.create_task(all_events(trigger(None))) for _ in range(number)]
            expected += [run["pipeline_run_id"]] * number
            await first_poll(simulator, f"/runs/{run['pipeline_run_id']}")
        simulator.advance(3600.0)
        return expected, await asyncio.gather(*waits)

    expected, told = asyncio.run(wait_one_after_the_other())

    assert expected == [event["run"]["pipeline_run_id"] for [event] in told]


def test_an_unreachable_api_does_not_end_the_wait(simulator: Simulator) -> None:
    """The run continues while mParticle is unreachable."""
    run = simulator.add_run("orders", "running", ends_in_s=0.3)
    for fault in (Fault(status=503), Fault(lose="before"), Fault(status=200, body="<html>"), Fault(status=429)):
        simulator.inject(Fault(path="/runs/", status=fault.status, lose=fault.lose, body=fault.body))

    event = event_of(trigger(run["pipeline_run_id"]))

    assert "success" == event["status"]
    assert 5 <= simulator.count("GET", "/runs/")


def test_a_refused_login_ends_the_wait(simulator: Simulator) -> None:
    """Another request with the same credentials cannot help."""
    run = simulator.add_run("orders", "running")
    simulator.rotate_credentials()

    event = event_of(trigger(run["pipeline_run_id"]))

    assert isinstance(Outcome.from_event(event).error, AuthenticationError)
    assert 1 == simulator.count("POST", "/oauth/token")


def test_triggers_in_one_loop_share_a_token(simulator: Simulator) -> None:
    """One triggerer may wait for a thousand tasks."""
    run_id = simulator.add_run("orders", "running", ends_in_s=0.5)["pipeline_run_id"]

    async def run_both() -> Any:
        return await asyncio.gather(all_events(trigger(run_id)), all_events(trigger(str(run_id))))

    [first], [second] = asyncio.run(run_both())

    assert first == second
    assert 1 == simulator.tokens_minted
    assert 1 == simulator.count("POST", "/oauth/token")


@pytest.mark.parametrize(("method", "path"), [("POST", "/oauth/token"), ("GET", "/runs/")])
def test_it_does_not_block_the_loop(simulator: Simulator, method: str, path: str) -> None:
    """A blocked loop stops all other triggers, and Airflow logs a warning."""
    run = simulator.add_run("orders", "success")
    simulator.inject(Fault(path=path, latency_s=50.0))  # less than the client's own limit

    async def meanwhile() -> Any:
        waiting = asyncio.create_task(all_events(trigger(run["pipeline_run_id"])))
        while not simulator.count(method, path):  # noqa: ASYNC110 - the simulator knows no events of this loop
            await asyncio.sleep(0.005)
        answered = simulator.requests[-1]["status"]
        simulator.stop()  # so that nobody waits for the answer
        simulator.start()
        return answered, await waiting

    answered, [event] = asyncio.run(meanwhile())

    assert (None, "success") == (answered, event["status"])


def test_a_cancelled_trigger_ends_without_an_event(simulator: Simulator) -> None:
    """A triggerer that stops cancels its triggers, and another triggerer creates them again."""
    run = simulator.add_run("orders", "running")

    async def cancel() -> None:
        waiting = asyncio.create_task(all_events(trigger(run["pipeline_run_id"])))
        await first_poll(simulator, "/runs/")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(cancel())

    assert 1 <= simulator.count("GET", "/runs/")


def test_a_kill_is_logged_and_nothing_is_sent(
    simulator: Simulator, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """mParticle does not document how to cancel a run, so the log says that the run continues."""
    caplog.set_level(logging.WARNING)

    asyncio.run(trigger(13325).on_kill())

    said = caplog.text + "".join(capfd.readouterr())  # Airflow 3 logs past Python's logging
    assert "run 13325 of pipeline 'orders'" in said
    assert "continues in mParticle" in said
    assert [] == simulator.requests


def test_a_kill_of_a_wait_for_any_run_names_no_run(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The task has started none."""
    caplog.set_level(logging.INFO)

    asyncio.run(trigger(None, covers=0.0).on_kill())

    said = caplog.text + "".join(capfd.readouterr())
    assert "no longer waits for a run of pipeline 'orders'" in said
    assert "continues in mParticle" not in said


@pytest.mark.parametrize("layout", ["v2", "v1"])
@pytest.mark.parametrize("run_routes", [True, False])
def test_it_waits_with_any_existing_route(
    start_simulator: Callable[..., Simulator], layout: str, run_routes: bool
) -> None:
    """Without the route for one run, the list or the status shows the state."""
    simulator = start_simulator(layout=layout, run_routes=run_routes)
    simulator.add_pipeline("orders")
    run = simulator.add_run("orders", "running", ends_in_s=0.3)

    event = event_of(trigger(run["pipeline_run_id"]))

    assert "success" == event["status"]
    assert run["pipeline_run_id"] == event["run"]["pipeline_run_id"]


def test_a_trigger_in_a_triggerer_delays_its_event_until_the_task_can_be_resumed(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's scheduler can fail a task that is resumed before it knows of the exit of the worker."""
    ended = simulator.add_run("orders", "success")
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "1")
    monkeypatch.setattr(triggers, "EXIT_REPORT_MARGIN_S", 1.0)
    held_back = rebuilt(trigger(ended["pipeline_run_id"]))
    held_back.trigger_id = 1  # a triggerer sets it
    started_at = time.monotonic()

    [event] = asyncio.run(all_events(held_back))

    assert "success" == Outcome.from_event(event).run["state"]
    assert time.monotonic() - started_at >= 2.0


def test_a_trigger_in_dag_test_does_not_delay_its_event(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """No scheduler could fail the task, and the user waits for the result."""
    ended = simulator.add_run("orders", "success")
    monkeypatch.setattr(triggers, "EXIT_REPORT_MARGIN_S", 3600.0)

    event = event_of(trigger(ended["pipeline_run_id"]))

    assert "success" == Outcome.from_event(event).run["state"]


@pytest.mark.parametrize(("interval_s", "delay_s"), [(None, 10.0), ("30", 35.0)])
def test_a_task_resumes_after_the_time_in_which_a_supervisor_notices_an_exit(
    monkeypatch: pytest.MonkeyPatch, interval_s: str | None, delay_s: float
) -> None:
    """Users can change this time in Airflow's configuration."""
    if interval_s:
        monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", interval_s)

    assert delay_s == triggers.resume_delay_s()
