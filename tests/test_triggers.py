"""The trigger, run in an event loop as the triggerer runs it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from typing import Any

import pytest

from airflow_provider_mparticle import triggers
from airflow_provider_mparticle.client.errors import AuthenticationError, RunFailedError, RunTimeoutError
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault
from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger


def trigger(run_id: int | str | None, *, seconds: float = 30, **changes: Any) -> MParticlePipelineRunTrigger:
    """A trigger for that run of ``orders`` whose deadline is so many seconds away."""
    arguments = {"poll_interval": 0.1, "deadline": time.time() + seconds, **changes}
    return MParticlePipelineRunTrigger("mparticle_default", "orders", run_id, **arguments)


def rebuilt(original: MParticlePipelineRunTrigger) -> MParticlePipelineRunTrigger:
    """The trigger that Airflow makes of what it stored."""
    classpath, kwargs = json.loads(json.dumps(original.serialize()))
    module, _, name = classpath.rpartition(".")
    return getattr(import_module(module), name)(**kwargs)


async def all_events(of: MParticlePipelineRunTrigger) -> list[Any]:
    """Everything that a trigger yields, as Airflow would store it."""
    async with aclosing(of.run()) as events:
        return [json.loads(json.dumps(event.payload)) async for event in events]


def event_of(one: MParticlePipelineRunTrigger) -> Any:
    """The one event of a trigger, which was stored and built again before."""
    [event] = asyncio.run(all_events(rebuilt(one)))
    return event


@pytest.mark.parametrize("run_id", [13325, "13325", None])
def test_it_survives_being_stored(run_id: int | str | None) -> None:
    """Airflow stores a trigger as JSON and may build it again at any time, in another triggerer."""
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


def test_what_is_stored_holds_no_secret(simulator: Simulator) -> None:
    """Airflow stores it in plain text, and shows it."""
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
    """A person writes a datetime, Airflow gives back what was stored; without a zone it is UTC."""
    one = trigger(1, deadline=deadline)

    assert 1_800_000_000.0 == rebuilt(one).deadline


def test_a_run_that_succeeds(simulator: Simulator) -> None:
    """The event carries what the task returns."""
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
    """The event carries mParticle's reasons and counts."""
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
    """The deadline yields an event, so that the task can say in which state the run was."""
    run = simulator.add_run("orders", "queued")
    began = time.monotonic()

    event = event_of(trigger(run["pipeline_run_id"], seconds=0.5))

    error = Outcome.from_event(event).error
    assert isinstance(error, RunTimeoutError)
    assert "queued" == error.state
    assert run["pipeline_run_id"] == error.pipeline_run_id
    assert 0.4 < time.monotonic() - began < 3


def test_a_deadline_that_is_over_still_lets_the_run_be_looked_at(simulator: Simulator) -> None:
    """The triggerer may have been down while the run ended well."""
    run = simulator.add_run("orders", "success")

    event = event_of(trigger(run["pipeline_run_id"], seconds=-60))

    assert "success" == event["status"]


async def looked_at(simulator: Simulator, path: str) -> None:
    """Return when the trigger has looked once, however slow the machine is."""
    while not simulator.count("GET", path):  # noqa: ASYNC110 - the simulator knows no events of this loop
        await asyncio.sleep(0.02)


def test_without_a_run_id_it_stays_with_the_latest_run_of_its_first_look(simulator: Simulator) -> None:
    """A scheduled run that begins meanwhile is somebody else's."""
    mine = simulator.add_run("orders", "running", ends_in_s=1.5)

    async def wait_while_another_begins() -> Any:
        waiting = asyncio.create_task(all_events(trigger(None)))
        await looked_at(simulator, "/status")
        simulator.add_run("orders", "failed", logical_date=datetime.now(UTC))
        return await waiting

    [event] = asyncio.run(wait_while_another_begins())

    assert "success" == event["status"]
    assert mine["pipeline_run_id"] == event["run"]["pipeline_run_id"]


def test_an_unreachable_api_does_not_end_the_wait(simulator: Simulator) -> None:
    """The run goes on whether or not anybody can ask for it."""
    run = simulator.add_run("orders", "running", ends_in_s=0.3)
    for fault in (Fault(status=503), Fault(lose="before"), Fault(status=200, body="<html>"), Fault(status=429)):
        simulator.inject(Fault(path="/runs/", status=fault.status, lose=fault.lose, body=fault.body))

    event = event_of(trigger(run["pipeline_run_id"]))

    assert "success" == event["status"]
    assert 5 <= simulator.count("GET", "/runs/")


def test_a_refused_login_ends_the_wait(simulator: Simulator) -> None:
    """Asking again with the same credentials cannot help."""
    run = simulator.add_run("orders", "running")
    simulator.rotate_credentials()

    event = event_of(trigger(run["pipeline_run_id"]))

    assert isinstance(Outcome.from_event(event).error, AuthenticationError)
    assert 1 == simulator.count("POST", "/oauth/token")


def test_triggers_in_one_loop_share_a_token(simulator: Simulator) -> None:
    """One triggerer waits for a thousand tasks."""
    run_id = simulator.add_run("orders", "running", ends_in_s=0.5)["pipeline_run_id"]

    async def run_both() -> Any:
        return await asyncio.gather(all_events(trigger(run_id)), all_events(trigger(str(run_id))))

    [first], [second] = asyncio.run(run_both())

    assert first == second
    assert 1 == simulator.tokens_minted
    assert 1 == simulator.count("POST", "/oauth/token")


def test_it_does_not_hold_up_the_loop(simulator: Simulator) -> None:
    """Airflow warns of triggers that block, and all others stand still meanwhile."""
    run = simulator.add_run("orders", "running", ends_in_s=0.6)
    simulator.inject(Fault(path="/", latency_s=0.2, times=None))

    async def longest_standstill() -> float:
        waiting = asyncio.create_task(all_events(trigger(run["pipeline_run_id"])))
        longest = 0.0
        while not waiting.done():
            before = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - before)
        return longest

    event_of(trigger(run["pipeline_run_id"]))  # so that everything is imported
    standstill = asyncio.run(longest_standstill())

    assert standstill < 0.15


def test_a_cancelled_trigger_goes_quietly(simulator: Simulator) -> None:
    """A triggerer that is stopped cancels its triggers; another one builds them again."""
    run = simulator.add_run("orders", "running")

    async def cancel() -> None:
        waiting = asyncio.create_task(all_events(trigger(run["pipeline_run_id"])))
        await looked_at(simulator, "/runs/")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(cancel())

    assert 1 <= simulator.count("GET", "/runs/")


def test_a_kill_is_said_and_nothing_is_sent(
    simulator: Simulator, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """There is no documented way to cancel a run; who killed the task should know that it goes on."""
    caplog.set_level(logging.WARNING)

    asyncio.run(trigger(13325).on_kill())

    said = caplog.text + "".join(capfd.readouterr())  # Airflow 3 logs past Python's logging
    assert "run 13325 of pipeline 'orders'" in said
    assert "goes on in mParticle" in said
    assert [] == simulator.requests


@pytest.mark.parametrize("layout", ["v2", "v1"])
@pytest.mark.parametrize("run_routes", [True, False])
def test_it_waits_by_whichever_route_there_is(
    start_simulator: Callable[..., Simulator], layout: str, run_routes: bool
) -> None:
    """Where one run cannot be asked for, the list or the status tells."""
    simulator = start_simulator(layout=layout, run_routes=run_routes)
    simulator.add_pipeline("orders")
    run = simulator.add_run("orders", "running", ends_in_s=0.3)

    event = event_of(trigger(run["pipeline_run_id"]))

    assert "success" == event["status"]
    assert run["pipeline_run_id"] == event["run"]["pipeline_run_id"]


def test_a_trigger_in_a_triggerer_holds_its_event_back_until_the_task_can_be_resumed(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow's scheduler fails a task that is resumed before it has heard of the worker's exit."""
    ended = simulator.add_run("orders", "success")
    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "1")
    monkeypatch.setattr(triggers, "EXIT_REPORT_MARGIN_S", 1.0)
    held_back = rebuilt(trigger(ended["pipeline_run_id"]))
    held_back.trigger_id = 1  # a triggerer sets it
    started_at = time.monotonic()

    [event] = asyncio.run(all_events(held_back))

    assert "success" == Outcome.from_event(event).run["state"]
    assert time.monotonic() - started_at >= 2.0


def test_a_trigger_that_dag_test_runs_holds_nothing_back(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no scheduler that could fail the task, and a person waits in front of the screen."""
    ended = simulator.add_run("orders", "success")
    monkeypatch.setattr(triggers, "EXIT_REPORT_MARGIN_S", 3600.0)

    event = event_of(trigger(ended["pipeline_run_id"]))

    assert "success" == Outcome.from_event(event).run["state"]


@pytest.mark.parametrize(("interval_s", "delay_s"), [(None, 10.0), ("30", 35.0)])
def test_a_task_resumes_after_the_time_in_which_a_supervisor_notices_an_exit(
    monkeypatch: pytest.MonkeyPatch, interval_s: str | None, delay_s: float
) -> None:
    """Airflow lets users set how long that may take."""
    if interval_s:
        monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", interval_s)

    assert delay_s == triggers.resume_delay_s()
