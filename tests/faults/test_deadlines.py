"""A wait ends at its deadline, which is set once, and the error does not say that the run has ended, too."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from types import SimpleNamespace

import pytest
from task_run import TRIGGER, Instant, TaskRun, rebuilt

from airflow_provider_mparticle.client import clocks
from airflow_provider_mparticle.client.errors import RunTimeoutError
from airflow_provider_mparticle.triggerer import wait_for_run
from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger, resume_delay_s
from tests.hostile.raw_server import RawServer, answer, dripping

ENDLESS = [("running", None)]
# So long that its end shows that the deadline was missed.
LONG = [("running", 90.0), ("success", None)]
# The answer lasts longer than this, so a wait without a limit is found on a machine of any speed.
GIVE_UP_S = 45.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n"


@pytest.fixture
def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Stop the clock of worker and triggerer, and return a function that moves it forward."""
    began, ahead_s = time.time(), [0.0]
    clock = SimpleNamespace(time=lambda: began + ahead_s[0], monotonic=lambda: ahead_s[0])
    for module in (clocks, wait_for_run):
        monkeypatch.setattr(module, "time", clock)

    def move(seconds: float) -> None:
        ahead_s[0] += seconds

    return move


@pytest.fixture
def said(caplog, capfd):
    """Everything that was logged, wherever this Airflow logs."""
    return lambda: caplog.text + "".join(capfd.readouterr())


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param({"timeout": 0.3}, id="timeout"),
        pytest.param({"timeout": 60, "execution_timeout": timedelta(seconds=0.3)}, id="execution_timeout"),
        pytest.param({"timeout": 0.3, "execution_timeout": timedelta(seconds=60)}, id="the smaller of both"),
    ],
)
def test_a_wait_ends_at_its_deadline_and_says_what_becomes_of_the_run(new_task, simulator, limits):
    """A run cannot be cancelled, so the error must not sound as if it were."""
    simulator.script_next_run("orders", ENDLESS)
    began = time.monotonic()

    with pytest.raises(RunTimeoutError, match=r"continues in mParticle.*MParticlePipelineRunSensor.*attach") as failed:
        new_task(**limits).run()

    assert 0.3 <= time.monotonic() - began < GIVE_UP_S
    assert ("orders", 13325, "running") == (failed.value.pipeline_id, failed.value.pipeline_run_id, failed.value.state)
    assert 1 == simulator.starts("orders")


def test_an_outage_up_to_the_deadline_is_named_in_the_error(new_task, simulator):
    """A user first wants to know whether mParticle was slow or did not answer."""
    simulator.script_next_run("orders", ENDLESS)
    task = new_task(timeout=0.4).at(Instant.KNOWN, lambda: simulator.fail_next(503, times=None))

    with pytest.raises(RunTimeoutError, match=r"The last poll failed.*503") as failed:
        task.run()

    assert (503, 13325) == (failed.value.status, failed.value.pipeline_run_id)


def test_a_retry_does_not_get_a_deadline_of_its_own(new_task, simulator, pass_time):
    """The deadline says how late the data may be, not how long after the last crash."""
    simulator.script_next_run("orders", LONG)
    task = new_task(timeout=3600).dies_at(Instant.WAITING)
    task.run_and_die()
    pass_time(3000)
    waits = iter([lambda: pass_time(700)])
    task.pass_time = lambda: next(waits, simulator.end_runs)()

    with pytest.raises(RunTimeoutError):
        task.run()

    assert 1 == simulator.starts("orders")


def test_a_retry_after_the_deadline_polls_the_run_once_more(new_task, simulator):
    """The run may have ended meanwhile, and then the task has finished."""
    simulator.script_next_run("orders", ENDLESS)
    task = new_task(timeout=0.2)
    with pytest.raises(RunTimeoutError):
        task.run()
    simulator.end_runs()

    result = task.run()

    assert (13325, "success") == (result["pipeline_run_id"], result["state"])
    assert 1 == simulator.starts("orders")


def test_a_wait_for_another_run_has_the_same_deadline(new_task, simulator):
    """Otherwise ``if_running="wait"`` would have no end."""
    simulator.add_run("orders", "running")

    with pytest.raises(RunTimeoutError, match=r"Run 13325 .*continues in mParticle"):
        new_task(if_running="wait", timeout=0.3).run()

    assert 0 == simulator.count("POST", TRIGGER)


def test_a_wait_for_both_runs_has_one_deadline(new_task, simulator, pass_time):
    """The wait for the other run uses up a part of the time for ours."""
    simulator.add_run("orders", "running")
    simulator.script_next_run("orders", LONG)
    task = new_task(if_running="wait", timeout=3600)
    waits = iter([lambda: (pass_time(3000), simulator.end_runs()), lambda: pass_time(700)])
    task.pass_time = lambda: next(waits, simulator.end_runs)()

    with pytest.raises(RunTimeoutError, match="Run 13326 "):
        task.run()


@pytest.mark.parametrize("deferrable", [True], ids=["deferrable"], indirect=True)
def test_airflows_own_limit_comes_after_the_deadline(new_task, simulator, pass_time):
    """Airflow ends a deferred task without a message about its run, so the event must come first, delayed or not."""
    task = new_task(timeout=3600)
    task.pass_time = lambda: pass_time(3700)
    behind = timedelta(seconds=3600 + 60 + resume_delay_s())
    simulator.script_next_run("orders", ENDLESS)

    with pytest.raises(RunTimeoutError):
        task.run()

    assert behind == task.deferrals[0].timeout


@pytest.mark.parametrize("deferrable", [False], ids=["blocking"], indirect=True)
def test_a_killed_task_says_that_its_run_continues_and_sends_nothing(task, simulator, said):
    """``on_kill`` runs inside whatever was interrupted, where a request may block for ever."""
    task.dies_at(Instant.WAITING).run_and_die()
    simulator.stop()

    task.operator.on_kill()

    assert "Run 13325 of pipeline 'orders' continues in mParticle" in said()


@pytest.mark.parametrize("deferrable", [False], ids=["blocking"], indirect=True)
def test_a_task_killed_before_its_start_says_nothing_of_a_run(task, simulator, said):
    """No run is known."""
    task.dies_at(Instant.NOTED).run_and_die()

    task.operator.on_kill()

    assert "continues in mParticle" not in said()


@pytest.mark.parametrize("deferrable", [True], ids=["deferrable"], indirect=True)
def test_a_killed_trigger_says_that_its_run_continues_and_sends_nothing(task, simulator, said):
    """Airflow 3.3 calls it when a deferred task is cleared or marked; the run cannot be cancelled."""
    trigger = MParticlePipelineRunTrigger("no_such_connection", "orders", 13325, 60, 0.0)

    asyncio.run(trigger.on_kill())

    assert re.search("run 13325 of pipeline 'orders'.*continues in mParticle", said())
    assert [] == simulator.requests


@pytest.mark.parametrize("deferrable", [True], ids=["deferrable"], indirect=True)
def test_what_airflow_stores_of_a_trigger_holds_no_secret(task, simulator):
    """The arguments of a trigger are in the metadata database in plain text."""
    simulator.script_next_run("orders", [("running", 0.3), ("success", None)])
    task.run()

    stored = json.dumps(task.deferrals[0].trigger.serialize())

    assert simulator.client_secret not in stored
    assert simulator.client_id not in stored
    assert "mparticle_default" == rebuilt(stored).mparticle_conn_id


def drip(head: bytes) -> Iterable[bytes | float]:
    """Start run 7, and send every answer about it byte by byte."""
    line = head.split(b"\r\n")[0]
    if b"/oauth/token" in line:
        return [answer(b'{"access_token": "t0ken", "expires_in": 28800}')]
    if line.startswith(b"POST"):
        return [answer(b'{"pipeline_run_id": 7}')]
    if b"/runs/7" in line:
        return (part for whole in ([HEAD], dripping(b" " * 600, 0.1)) for part in whole)
    return [answer(b"[]" if b"/runs" in line else b'{"status": "healthy", "latest_pipeline_run": null}')]


def test_a_dripping_answer_ends_with_the_timeout_of_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection allows 60 s for an answer, but the task has less time."""
    with RawServer(drip) as server:
        connection = {
            "conn_type": "mparticle",
            "host": server.url,
            "login": "client-of-the-drip",
            "password": "s3cret",
            "extra": {"workspace_id": "1234", "token_url": f"{server.url}/oauth/token"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps(connection))
        began = time.monotonic()

        with pytest.raises(RunTimeoutError, match=r"(?s)Run 7.*continues in mParticle"):
            TaskRun(pipeline_id="orders", poll_interval=0.03, timeout=1.0, deferrable=False).run()

        assert time.monotonic() - began < GIVE_UP_S
        assert 1 == sum(head.startswith(b"POST") and b"/trigger" in head for head in server.requests)
