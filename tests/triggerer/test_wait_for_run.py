"""A wait in the triggerer always ends with an outcome, whatever fails there."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from airflow_provider_mparticle.client import clocks
from airflow_provider_mparticle.client.errors import ConfigError, RunTimeoutError, TriggererError
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault
from airflow_provider_mparticle.slices.slice import EARLIEST, LATEST
from airflow_provider_mparticle.tasks.failures import NON_RETRYABLE
from airflow_provider_mparticle.triggerer import wait_for_run as module
from airflow_provider_mparticle.triggerer.wait_for_run import wait_for_run
from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger


async def wait(pipeline_id: str, run_id: Any, seconds: float = 300.0, **changes: Any) -> Outcome:
    arguments: dict[str, Any] = {
        "mparticle_conn_id": "mparticle_default",
        "poll_interval": 0.1,
        "deadline": time.time() + seconds,
        "retry_after_s": 0.0,
        "covers": None,
        "began": None,
        "run_durations": [],
        **changes,
    }
    return await wait_for_run(pipeline_id=pipeline_id, pipeline_run_id=run_id, **arguments)


def outcomes(*waits: Any) -> list[Outcome]:
    async def main() -> list[Outcome]:
        return list(await asyncio.gather(*waits))

    return asyncio.run(main())


class _Broken(RunLookup):
    """Fails in an unexpected way when it polls one particular run."""

    def select(self, seen: Any) -> Any:
        if self.pipeline_run_id == self.broken_run_id:
            raise ZeroDivisionError("the half of a secret")
        return super().select(seen)

    broken_run_id: Any = None


@pytest.mark.parametrize("shared", [False, True])
def test_an_unexpected_error_ends_only_its_own_wait(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    """A fault of this package costs one wait one try, and the error says what happens to the run."""
    run_id = simulator.add_run("orders", "running", ends_in_s=0.8)["pipeline_run_id"]
    monkeypatch.setattr(module, "RunLookup", _Broken)
    monkeypatch.setattr(_Broken, "broken_run_id", str(run_id))  # waits for the same run, with its id as a number

    broken, *others = outcomes(wait("orders", str(run_id)), *(wait("orders", run_id) for _ in range(3 * shared + 1)))

    assert [None] * len(others) == [other.error for other in others]
    assert isinstance(broken.error, TriggererError)
    assert f"run {run_id} of pipeline 'orders': an unexpected ZeroDivisionError" in str(broken.error)
    assert "secret" not in str(broken.error)


def test_a_connection_that_only_the_workers_know_is_named_and_may_be_retried(simulator: Simulator) -> None:
    """A worker has started the run, which continues; another triggerer may know the connection."""
    [outcome] = outcomes(wait("orders", 7, mparticle_conn_id="only_in_workers"))

    said = str(outcome.error)
    assert isinstance(outcome.error, TriggererError)
    assert not isinstance(outcome.error, NON_RETRYABLE)
    for part in ("The triggerer on ", "run 7 of pipeline 'orders'", "'only_in_workers'", "continues", "Retry the task"):
        assert part in said


def test_a_proxy_variable_that_is_wrong_in_the_triggerer_only_may_be_retried(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is wrong in the environment of one process, not in the task."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy:1080")

    [outcome] = outcomes(wait("orders", 7))

    assert isinstance(outcome.error, TriggererError)
    assert "HTTPS_PROXY names a SOCKS proxy" in str(outcome.error)


def test_the_error_survives_the_way_to_the_worker(simulator: Simulator) -> None:
    """Airflow encodes events with msgpack between the two processes of the triggerer."""
    [outcome] = outcomes(wait("orders", 7, mparticle_conn_id="only_in_workers"))

    event = msgspec.msgpack.decode(msgspec.msgpack.encode(outcome.as_event()))

    assert isinstance(Outcome.from_event(event).error, TriggererError)
    assert not isinstance(Outcome.from_event(event).error, ConfigError)


def test_a_poll_that_gets_no_answer_ends_with_the_deadline(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection's timeout may be longer than the time that the task has left."""
    run_id = simulator.add_run("orders", "running", ends_in_s=60)["pipeline_run_id"]
    simulator.inject(Fault(method="GET", path="/status", latency_s=3600.0, times=None))
    monkeypatch.setattr("airflow_provider_mparticle.runs.wait.LAST_POLL_S", 0.2)
    began = time.monotonic()

    [outcome] = outcomes(wait("orders", run_id, seconds=1.0))

    assert isinstance(outcome.error, RunTimeoutError)
    assert time.monotonic() - began < 50.0


@pytest.mark.parametrize("skew_s", [-86_400.0, -60.0, 60.0, 86_400.0])
def test_the_clock_of_the_worker_does_not_lengthen_the_first_pause(simulator: Simulator, skew_s: float) -> None:
    """The worker says when the run began, on its own clock."""
    run_id = simulator.add_run("orders", "success")["pipeline_run_id"]

    [outcome] = outcomes(wait("orders", run_id, seconds=5.0, began=time.time() + skew_s, run_durations=None))

    assert outcome.error is None


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_a_clock_that_is_set_during_a_wait_changes_nothing(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, step_s: float
) -> None:
    """If it is set forward, the wait would end at once; if it is set back, it would last an hour longer."""
    run_id = simulator.add_run("orders", "running", ends_in_s=1.0)["pipeline_run_id"]
    step = [0.0]
    set_clock = SimpleNamespace(time=lambda: time.time() + step[0], monotonic=time.monotonic)
    for one in (module, clocks):  # only there: the simulator has the same clock as this test
        monkeypatch.setattr(one, "time", set_clock)

    async def main() -> list[Outcome]:
        waits = asyncio.gather(wait("orders", run_id), wait("orders", None, seconds=3.0, covers=time.time() + 86_400))
        await asyncio.sleep(0.5)
        step[0] = step_s
        return list(await asyncio.wait_for(waits, 120))

    ended, timed_out = asyncio.run(main())

    assert ended.error is None
    assert isinstance(timed_out.error, RunTimeoutError)


def test_a_missing_answer_is_not_the_end_of_a_wait(simulator: Simulator) -> None:
    """mParticle may not answer for a while."""
    run_id = simulator.add_run("orders", "running", ends_in_s=0.5)["pipeline_run_id"]
    simulator.inject(Fault(method="GET", path="/status", lose="after", times=3))

    [outcome] = outcomes(wait("orders", run_id))

    assert outcome.error is None


def test_a_wait_without_a_change_logs_nothing(simulator: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    """Log lines are what limits a triggerer with thousands of waits; the worker has logged the state already."""
    caplog.set_level(logging.INFO)
    run_id = simulator.add_run("orders", "running")["pipeline_run_id"]

    async def end_after_some_polls() -> Outcome:
        waiting = asyncio.create_task(wait("orders", run_id))
        while simulator.count("GET", "/runs") < 3:  # noqa: ASYNC110 - the simulator knows no events of this loop
            await asyncio.sleep(0.01)
        simulator.end_runs()
        return await waiting

    outcome = asyncio.run(end_after_some_polls())

    assert outcome.error is None
    assert [] == [record.message for record in caplog.records if record.name.startswith("airflow_provider_mparticle")]


@pytest.mark.parametrize(("covers", "is_covered"), [(-1e300, True), (1e300, False)])
def test_an_instant_that_no_datetime_can_hold_is_the_first_or_the_last(
    simulator: Simulator, covers: float, is_covered: bool
) -> None:
    """Any other error would fail the task without a word about the run."""
    simulator.add_run("orders", "success")

    [outcome] = outcomes(wait("orders", None, 0.3, covers=covers))

    assert is_covered is (outcome.error is None)


@pytest.mark.parametrize("covers", [EARLIEST, LATEST])
def test_the_first_and_the_last_instant_can_be_waited_for(simulator: Simulator, covers: datetime) -> None:
    """As seconds since the epoch, the last one is rounded to the year 10000."""
    trigger = MParticlePipelineRunTrigger("mparticle_default", "orders", None, 0.05, time.time() + 0.5, covers=covers)
    if covers == EARLIEST:
        simulator.add_run("orders", "success")

    [outcome] = outcomes(wait_for_run(**trigger.serialize()[1]))

    assert isinstance(outcome.error, RunTimeoutError) if covers == LATEST else outcome.error is None
