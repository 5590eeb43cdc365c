"""Tasks that run against the simulator over real HTTP, blocking and deferrable, with short pauses."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from task_run import RUN_S, TaskRun, Variables, sleep_of_the_task

import airflow_provider_mparticle.client.aio  # noqa: F401 - now, rather than while a test measures time
from airflow_provider_mparticle.client import retrying
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.runs import outcome, start, visible_runs
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.tasks import record_store, waiting


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll, repeat and time out after tenths of seconds: the order matters here, not the length."""
    monkeypatch.setattr(start, "LOOKUP_PAUSES_S", (0.01, 0.02, 0.03, 0.03))
    monkeypatch.setattr(visible_runs, "PAUSE_BEFORE_SECOND_404_S", 0.01)
    monkeypatch.setattr(outcome, "MISSING_GRACE_S", 0.3)
    monkeypatch.setattr(retrying, "_jitter_s", lambda _: 0.01)


@pytest.fixture(autouse=True)
def _mortal_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker die while it waits for a run. Only the sleep between its polls changes."""
    monkeypatch.setattr(waiting, "time", SimpleNamespace(time=time.time, sleep=sleep_of_the_task))


@pytest.fixture(autouse=True)
def _variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a task outside of a real Airflow use its variables."""
    monkeypatch.setattr(record_store, "Variable", Variables)


@pytest.fixture(params=[False, True], ids=["blocking", "deferrable"])
def deferrable(request: pytest.FixtureRequest) -> bool:
    """Both modes of waiting."""
    return request.param


@pytest.fixture
def new_task(deferrable: bool, simulator: Simulator) -> Callable[..., TaskRun]:
    """Make a task that triggers the pipeline ``orders``, in the mode of the test."""

    def make(**options: Any) -> TaskRun:
        usual = {"pipeline_id": "orders", "poll_interval": 0.03, "timeout": 300.0, "deferrable": deferrable}
        return TaskRun(pass_time=lambda: simulator.advance(RUN_S), **{**usual, **options})

    return make


@pytest.fixture
def task(new_task: Callable[..., TaskRun]) -> TaskRun:
    """A task that triggers the pipeline ``orders``, in the mode of the test."""
    return new_task()


@pytest.fixture
def simulator(start_simulator: Callable[..., Simulator]) -> Simulator:
    """A simulator with a pipeline ``orders`` whose runs end when the task waits for them."""
    simulator = start_simulator(run_s=RUN_S)
    simulator.add_pipeline("orders")
    MParticleHook().get_conn()  # the imports of Airflow take longer than a run here
    return simulator
