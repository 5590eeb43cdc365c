"""A sensor in any mode continues to wait while mParticle refuses its polls for a short time."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from sensor_run import sense

from airflow_provider_mparticle.client.errors import PermissionDeniedError, RunFailedError, RunLostError
from airflow_provider_mparticle.runs import outcome
from airflow_provider_mparticle.simulator import Fault, Simulator

ROUTES = "/status"  # of one run, of all runs, and of the pipeline
MODES: list[dict[str, Any]] = [{"deferrable": False}, {"deferrable": True}, {"mode": "reschedule"}]


@pytest.fixture(params=MODES, ids=str)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each of the three modes, as arguments of the sensor."""
    return request.param


@pytest.fixture
def simulator(start_simulator: Callable[..., Simulator]) -> Simulator:
    """A simulator whose pipeline ``orders`` has a run in progress."""
    simulator = start_simulator()
    simulator.add_pipeline("orders")
    simulator.add_run("orders", "running")
    return simulator


@pytest.mark.parametrize(
    "refusals", [[400], [403], [404] * 3, [403, *[404] * 6, 400], [404, 404, 405, 503, 403, 403]], ids=str
)
@pytest.mark.parametrize("state", ["success", "failed"])
def test_polls_that_are_refused_for_a_moment_do_not_end_the_wait(
    simulator: Simulator, mode: dict[str, Any], refusals: list[int], state: Any
) -> None:
    """A firewall may refuse them by mistake. A poll that is answered with 404 or 405 tries all three routes."""
    for status in refusals:
        simulator.inject(Fault(path=ROUTES, status=status, skip=1))
    is_over = Event()

    def end_the_run() -> None:
        while not is_over.wait(0.01) and simulator.count("GET", ROUTES) <= len(refusals) + 1:
            pass
        simulator.end_runs(state)

    ending = Thread(target=end_the_run)
    ending.start()
    try:
        ended_as = sense(pipeline_run_id=13325, **mode)["state"]
    except RunFailedError:
        ended_as = "failed"
    finally:
        is_over.set()
        ending.join()

    assert state == ended_as
    assert simulator.count("GET", ROUTES) > len(refusals)


@pytest.mark.parametrize(("status", "kind"), [(403, PermissionDeniedError), (404, RunLostError)])
def test_refusals_that_last_end_the_wait(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, mode: dict[str, Any], status: int, kind: type[Exception]
) -> None:
    """The API user may have lost a role, or the run may have been deleted."""
    monkeypatch.setattr(outcome, "MISSING_GRACE_S", 0.3)
    simulator.inject(Fault(path=ROUTES, status=status, skip=1, times=None))
    began = time.monotonic()

    with pytest.raises((AirflowFailException, kind)) as failed:
        sense(pipeline_run_id=13325, **mode)

    assert kind in (type(failed.value), type(failed.value.__context__))
    assert time.monotonic() - began >= 0.3
