"""Which calls of the triggers block the event loop; each test starts an interpreter of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from wait_until import wait_until

from airflow_provider_mparticle.simulator import Fault, Simulator

# Python reports these calls to audit hooks. Each can block the event loop, and with it all triggers of a triggerer.
BLOCKING = ["import", "open", "compile", "socket.getaddrinfo", "time.sleep", "subprocess.Popen", "sqlite3.connect"]

SCRIPT = """
import asyncio, concurrent.futures.thread, importlib, json, sys, threading  # the threads of the loop itself

import airflow.jobs.triggerer_job_runner  # a triggerer has loaded it before any trigger

module, name, arguments, blocking = json.loads(sys.argv[1])
trigger = getattr(importlib.import_module(module), name)(**arguments)
calls = []

def audit(event, details):
    if event in blocking and watched and threading.current_thread() is threading.main_thread():
        frame, stack = sys._getframe(1), []
        while frame:
            stack.append(frame.f_code.co_filename)
            frame = frame.f_back
        calls.append(f"{event} {details[0]!r} in {next((file for file in stack if 'importlib' not in file), '')}")

async def first_event():
    global watched
    watched = True
    event = await anext(trigger.run())
    watched = False  # what follows is the end of the loop, which a triggerer does not have
    return event

watched = False
sys.addaudithook(audit)
event = asyncio.run(first_event())
print(json.dumps({"calls": calls, "event": str(event)}))
"""

pytestmark = pytest.mark.interpreter


@contextmanager
def triggerer(module: str, name: str, **arguments: object) -> Iterator[dict[str, Any]]:
    """Run a trigger in a fresh interpreter. At the end the result has its event and the blocking calls of the loop."""
    order = json.dumps([f"airflow_provider_mparticle.{module}", name, arguments, BLOCKING])
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, order], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    result: dict[str, Any] = {}
    try:
        yield result
        printed, errors = process.communicate(timeout=300)
    finally:
        process.kill()
    assert 0 == process.returncode, errors
    result.update(json.loads(printed.splitlines()[-1]))


FAULTS = [
    Fault(path="/oauth/token", status=503),
    Fault(path="/runs/", status=500),
    Fault(path="/runs/", status=429),
    Fault(path="/runs/", status=401),
    Fault(path="/runs/", lose="before"),
    Fault(path="/runs/", body="<html>"),
]
ARGUMENTS = {"mparticle_conn_id": "mparticle_default", "pipeline_id": "orders", "poll_interval": 0.1}


def test_a_wait_makes_no_blocking_call(simulator: Simulator) -> None:
    """The first wait of a process loads what all need in a thread, including Airflow's table of metrics."""
    run = simulator.add_run("orders", "running")
    for fault in FAULTS:
        simulator.inject(fault)

    run_id = run["pipeline_run_id"]
    with triggerer(
        "triggers", "MParticlePipelineRunTrigger", **ARGUMENTS, pipeline_run_id=run_id, deadline=4e9
    ) as result:
        wait_until(lambda: simulator.count("GET", "/runs/") > len(FAULTS))
        simulator.end_runs()

    assert "success" in result["event"]
    assert not result["calls"], "\n".join(result["calls"])


def test_a_refused_login_makes_no_blocking_call(simulator: Simulator) -> None:
    """The wait ends with an error, and loads nothing for it."""
    simulator.rotate_credentials()

    with triggerer("triggers", "MParticlePipelineRunTrigger", **ARGUMENTS, pipeline_run_id=1, deadline=4e9) as result:
        pass

    assert "AuthenticationError" in result["event"]
    assert not result["calls"], "\n".join(result["calls"])


def test_a_watcher_makes_no_blocking_call(simulator: Simulator) -> None:
    """The trigger of an AssetWatcher loads other modules than a wait."""
    simulator.add_run("orders", "running")

    with triggerer("event_triggers", "MParticlePipelineRunEventTrigger", **ARGUMENTS, run_types=None) as result:
        wait_until(lambda: simulator.count("GET", "/status/runs") > 1)
        simulator.end_runs()

    assert "success" in result["event"]
    assert not result["calls"], "\n".join(result["calls"])
