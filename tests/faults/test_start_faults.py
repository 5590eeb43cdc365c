"""Faults of a start: one run begins, and the task knows it."""

from __future__ import annotations

import time

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from task_run import TRIGGER, Instant, facts, our_run

from airflow_provider_mparticle.client.errors import (
    AuthenticationError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    PipelineBusyError,
    StartAmbiguousError,
    WarehouseUnreachableError,
)
from airflow_provider_mparticle.simulator import Fault


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(path=TRIGGER, status=503), id="answered 503 once"),
        pytest.param(Fault(path=TRIGGER, lose="after"), id="accepted, answer lost"),
        pytest.param(Fault(path=TRIGGER, status=502, after=True), id="accepted, answered 502"),
        pytest.param(Fault(path=TRIGGER, body="<html>OK</html>"), id="accepted, answered HTML with 200"),
        pytest.param(Fault(path=TRIGGER, body=""), id="accepted, answered without a body"),
        pytest.param(Fault(path=TRIGGER, lose="before"), id="dropped before mParticle saw it"),
        pytest.param(Fault(path="/oauth/token", status=503, times=2), id="token endpoint 503"),
        pytest.param(Fault(path="/status/runs", status=503, times=2), id="look before the start answered 503"),
        pytest.param(Fault(path="/status/runs", status=503, skip=1, times=2, method="GET"), id="look after it 503"),
    ],
)
def test_a_start_with_a_fault_makes_one_run(task, simulator, fault):
    """mParticle has no idempotency key, and a duplicate sync costs money."""
    simulator.inject(fault)

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert our_run(simulator)["pipeline_run_id"] == task.xcoms["pipeline_run_id"]
    assert 1 == simulator.starts("orders")
    assert True is task.kept["is_finished"]


@pytest.mark.parametrize("trigger_answer", ["empty", "no_id"])
@pytest.mark.parametrize("lose", [None, "after"], ids=["answered", "answer lost"])
@pytest.mark.parametrize("run_routes", [True, False], ids=["runs listed", "run routes missing"])
def test_a_run_whose_id_is_never_given_is_found(start_simulator, new_task, trigger_answer, lose, run_routes):
    """The answer to a trigger is not documented for v2, so it may be empty; then the unknown run is ours."""
    simulator = start_simulator(run_s=0.1, trigger_answer=trigger_answer, run_routes=run_routes)
    simulator.add_pipeline("orders")
    simulator.add_run("orders", "failed", errors=["An old failure."])
    if lose:
        simulator.inject(Fault(path=TRIGGER, lose=lose))

    result = new_task().run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize("deferrable", [False], ids=["blocking"], indirect=True)
def test_a_run_whose_id_is_never_given_is_found_though_mparticle_is_slow(start_simulator, new_task):
    """The date of a slow answer does not show how far mParticle's clock is ahead, so no run is missed by it."""
    simulator = start_simulator(run_s=0.1, trigger_answer="no_id")
    simulator.add_pipeline("orders")
    simulator.inject(Fault(method="GET", path="/status/runs", latency_s=6.0))

    result = new_task().run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_retry_after_header_on_the_start_is_obeyed(task, simulator):
    """It says when the next call will be accepted; an earlier one would only prolong the refusal."""
    simulator.fail_next(429, path=TRIGGER, headers={"Retry-After": "1"})

    result = task.run()

    first, second = [request["at"] for request in simulator.requests if request["path"].endswith(TRIGGER)]
    assert 1.0 <= second - first
    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        pytest.param(400, InvalidRequestError, id="400 refused with a reason"),
        pytest.param(422, InvalidRequestError, id="422 refused by a business rule"),
        pytest.param(403, PermissionDeniedError, id="403 not allowed"),
        pytest.param(404, NotFoundError, id="404 no such pipeline"),
        pytest.param(505, WarehouseUnreachableError, id="505 warehouse unreachable"),
    ],
)
def test_a_start_refused_for_good_is_not_repeated_and_fails_at_once(task, simulator, status, cause):
    """A retry cannot cure a refusal; a user needs mParticle's reason, and the next try has no run to look for."""
    simulator.fail_next(status, path=TRIGGER, times=None, body={"errors": [{"message": "The model is gone."}]})

    with pytest.raises(AirflowFailException, match="The model is gone") as failed:
        task.run()

    error = failed.value.__context__
    assert (cause, status, ("The model is gone.",)) == (type(error), error.status, error.reasons)
    assert "orders" == error.pipeline_id
    assert (1, 0) == (simulator.count("POST", TRIGGER), simulator.starts("orders"))
    assert None is task.kept


def test_rotated_credentials_fail_the_start_at_once(task, simulator):
    """A login will be refused again: no start, no retry, no minutes of waiting."""
    simulator.rotate_credentials()

    with pytest.raises(AirflowFailException, match="refused the login") as failed:
        task.run()

    assert AuthenticationError is type(failed.value.__context__)
    assert 0 == simulator.starts("orders")
    assert 1 == simulator.count("POST", "/oauth/token")


def test_a_start_whose_answer_is_lost_every_time_ends_as_ambiguous(task, simulator):
    """If several requests start no run, a user must check the pipeline; the next try reads the runs first."""
    simulator.fail_next(503, path=TRIGGER, times=3)

    with pytest.raises(StartAmbiguousError, match="Injected by the simulator: 503") as failed:
        task.run()
    result = task.run()

    assert ("orders", 503) == (failed.value.pipeline_id, failed.value.status)
    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_start_is_ambiguous_if_the_runs_cannot_be_read_and_a_retry_finds_its_run(task, simulator):
    """If the answer is lost and the runs cannot be read, a second request could start a second run."""
    simulator.inject(Fault(path=TRIGGER, lose="after"))
    task.at(Instant.NOTED, lambda: simulator.fail_next(503, path="/status", times=None))

    with pytest.raises(StartAmbiguousError):
        task.run()
    simulator.clear_faults()
    result = task.run()

    assert our_run(simulator) == facts(result)
    assert (1, 1) == (simulator.count("POST", TRIGGER), simulator.starts("orders"))


def test_a_last_read_that_fails_leaves_the_start_ambiguous(task, simulator):
    """A run may have begun since an earlier read, so only the last read shows that none did."""
    simulator.inject(Fault(path=TRIGGER, lose="before"))
    task.at(
        Instant.NOTED, lambda: simulator.inject(Fault(method="GET", path="/status", skip=1, times=None, status=503))
    )

    with pytest.raises(StartAmbiguousError):
        task.run()

    assert 1 == simulator.count("POST", TRIGGER)


def test_an_older_failed_run_is_not_taken_for_ours(task, simulator):
    """The latest run before the start belongs to others."""
    simulator.add_run("orders", "failed", errors=["An old failure."])

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_scheduled_run_is_never_taken_for_ours(task, simulator):
    """A request that was lost started nothing, even if the schedule started a run meanwhile."""
    simulator.inject(Fault(path=TRIGGER, lose="before"))
    task.at(Instant.NOTED, lambda: simulator.add_run("orders", "running", type="scheduled", started_on=time.time()))

    with pytest.raises(PipelineBusyError, match="run 13325 in progress") as failed:
        task.run()

    assert (13325, 0) == (failed.value.pipeline_run_id, simulator.starts("orders"))


def test_a_lost_start_waits_for_a_scheduled_run_and_then_starts_ours(new_task, simulator):
    """With ``if_running="wait"`` the task only waits for the end of the schedule's run."""
    task = new_task(if_running="wait")
    simulator.inject(Fault(path=TRIGGER, lose="before"))
    scheduled = {"type": "scheduled", "started_on": time.time(), "ends_in_s": 0.3}
    task.at(Instant.NOTED, lambda: simulator.add_run("orders", "running", **scheduled))

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_later_dated_scheduled_run_does_not_hide_ours_after_a_lost_answer(task, simulator):
    """The latest run by logical date may not be the one that was started."""
    simulator.inject(Fault(path=TRIGGER, lose="after"))
    later = {"started_on": time.time() - 1, "ended_on": time.time() - 0.5, "logical_date": time.time() + 3600}
    task.at(Instant.NOTED, lambda: simulator.add_run("orders", "success", type="scheduled", **later))

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_pipeline_created_seconds_ago_is_triggered_and_waited_for(start_simulator, new_task):
    """A pipeline's status answers 404 for about a minute after the pipeline was created."""
    simulator = start_simulator(run_s=0.3, status_404_s=0.15, run_routes=False)
    simulator.add_pipeline("orders")

    result = new_task().run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_v1_workspace_works_as_well(start_simulator, new_task):
    """Routes and field names are data: in v1 the ``id`` of a run is that of its pipeline."""
    simulator = start_simulator(run_s=0.1, layout="v1")
    simulator.add_pipeline("orders")
    simulator.inject(Fault(method="POST", path="/data-pipelines/orders", lose="after"))

    result = new_task().run()

    assert our_run(simulator) == facts(result)
    assert "orders" == result["pipeline_id"]
    assert 1 == simulator.starts("orders")


def test_a_task_that_does_not_wait_returns_the_id_of_its_run(new_task, simulator):
    """A sensor waits for it."""
    result = new_task(wait_for_completion=False).run()

    assert our_run(simulator)["pipeline_run_id"] == result["pipeline_run_id"]
    assert None is result["state"]
    assert (1, 0) == (simulator.starts("orders"), simulator.count("GET", "/status/runs/"))
