"""Faults while a task waits: only the end of the run, a refused login or the deadline ends the wait."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from task_run import POLL, TRIGGER, Instant, facts, our_run

from airflow_provider_mparticle.client.errors import AuthenticationError, RunFailedError, RunLostError
from airflow_provider_mparticle.simulator import Fault


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(path=POLL, status=503), id="answered 503 once"),
        pytest.param(Fault(path=POLL, status=503, times=12), id="answered 503 twelve times"),
        pytest.param(Fault(path=POLL, status=429), id="answered 429 without Retry-After"),
        pytest.param(Fault(path=POLL, status=401), id="answered 401 once"),
        pytest.param(Fault(path=POLL, status=404), id="answered 404 once"),
        pytest.param(Fault(path=POLL, lose="before", times=2), id="dropped twice"),
        pytest.param(Fault(path=POLL, body="<html>Maintenance</html>", content_type="text/html"), id="HTML with 200"),
        pytest.param(Fault(path=POLL, body=""), id="200 without a body"),
        pytest.param(Fault(path=POLL, body=[]), id="200 with another shape"),
    ],
)
def test_a_wait_outlasts_an_api_that_does_not_answer(task, simulator, fault):
    """If the API cannot be reached, the run has not failed, and the task must not fail either."""
    simulator.inject(fault)

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_retry_after_header_is_obeyed_while_waiting(task, simulator):
    """mParticle decides about its length, and the poll interval is shorter."""
    simulator.inject(Fault(path=POLL, status=429, headers={"Retry-After": "1"}))

    result = task.run()

    first, second, *_ = [request["at"] for request in simulator.requests if POLL in request["path"]]
    assert 1.0 <= second - first
    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_an_expired_token_is_renewed_once_while_waiting(task, simulator):
    """A token may expire early, which says nothing about the run."""
    task.at(Instant.KNOWN, simulator.expire_tokens)

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 2 == simulator.tokens_minted


def test_a_wait_outlasts_a_token_endpoint_that_is_down(task, simulator):
    """The login is another service, which may fail for a while."""
    simulator.inject(Fault(path="/oauth/token", status=503, skip=1, times=3))
    task.at(Instant.KNOWN, simulator.expire_tokens)

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert (1, 5) == (simulator.starts("orders"), simulator.count("POST", "/oauth/token"))


def test_an_outage_of_everything_is_waited_out(task, simulator):
    """For a while every connection is refused."""
    faults = [Fault(lose="before", times=3), Fault(status=503, times=3), Fault(lose="after", times=3)]
    task.at(Instant.KNOWN, lambda: [simulator.inject(fault) for fault in faults])

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_rotated_credentials_end_the_wait_at_once(task, simulator):
    """A login will be refused again, so the task fails without a retry and says why; its run continues."""
    task.at(Instant.KNOWN, simulator.rotate_credentials)

    with pytest.raises(AirflowFailException, match="refused the login") as failed:
        task.run()

    assert AuthenticationError is type(failed.value.__context__)
    assert 401 == failed.value.__context__.status
    assert (1, 2) == (simulator.starts("orders"), simulator.count("POST", "/oauth/token"))


def test_credentials_that_are_rotated_in_the_connection_too_do_not_end_the_wait(task, simulator, monkeypatch):
    """The worker has read the connection before, but it has the new secret by now."""

    def rotate() -> None:
        simulator.rotate_credentials()
        monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", simulator.airflow_connection_json())
        simulator.end_runs()

    task.at(Instant.WAITING, rotate)

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_failed_run_fails_the_task_with_its_reason_and_counts(task, simulator):
    """A user needs mParticle's words, not only the word "failed"."""
    simulator.script_next_run(
        "orders", [("running", 0.1), ("failed", None)], errors=["Column x is gone."], failed_records=3
    )

    with pytest.raises(RunFailedError, match="Column x is gone") as failed:
        task.run()

    error = failed.value
    assert ("orders", our_run(simulator)["pipeline_run_id"]) == (error.pipeline_id, error.pipeline_run_id)
    assert ("failed", ("Column x is gone.",)) == (error.state, error.reasons)
    assert (0, 3) == (error.successful_records, error.failed_records)
    assert 1 == simulator.starts("orders")


def test_a_retry_after_a_failed_run_starts_a_new_one(task, simulator):
    """Retries are for that, and the second start is correct."""
    simulator.script_next_run("orders", [("failed", None)])
    with pytest.raises(RunFailedError):
        task.run()

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 2 == simulator.starts("orders")


@pytest.mark.parametrize(
    ("states", "ends"),
    [
        pytest.param([("Triggered", 0.05), ("RUNNING", 0.05), ("SUCCESS", None)], "SUCCESS", id="odd case"),
        pytest.param([("warming_up", 0.1), ("Dataset_Triggered", 0.05), ("success", None)], "success", id="unknown"),
    ],
)
def test_a_state_word_in_odd_case_or_unknown_does_not_end_a_wait_wrongly(task, simulator, states, ends):
    """The documentation does not have all states, so an unknown one means that the run continues."""
    simulator.script_next_run("orders", states)

    result = task.run()

    assert our_run(simulator) | {"state": ends} == facts(result)
    assert 1 == simulator.starts("orders")


def test_a_missing_route_to_one_run_is_replaced_by_the_list(task, simulator):
    """The run routes of v2 are assumed, so the wait uses any that answers."""
    simulator.script_next_run("orders", [("running", 0.2), ("success", None)], answer_404=True)

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert 1 == simulator.count("GET", POLL) if not task.deferrals else 2 == simulator.count("GET", POLL)


def test_a_later_dated_run_in_the_status_is_not_ours(start_simulator, new_task):
    """A status may show another run, whose end must not be taken for the end of ours."""
    simulator = start_simulator(run_s=0.1, run_routes=False)
    simulator.add_pipeline("orders")
    later = {"type": "scheduled", "logical_date": "2999-01-01T00:00:00Z"}
    task = new_task().at(Instant.KNOWN, lambda: simulator.add_run("orders", "success", **later))

    with pytest.raises(RunLostError, match="status shows run 13326 instead") as failed:
        task.run()

    assert 13325 == failed.value.pipeline_run_id
    assert 1 == simulator.starts("orders")


def test_a_later_dated_run_does_not_disturb_where_runs_can_be_looked_up(task, simulator):
    """With an id the wait need not guess."""
    later = {"type": "scheduled", "logical_date": "2999-01-01T00:00:00Z"}
    task.at(Instant.KNOWN, lambda: simulator.add_run("orders", "failed", **later))

    result = task.run()

    assert (13325, "success") == (result["pipeline_run_id"], result["state"])


def test_a_run_that_vanishes_for_good_is_lost(task, simulator):
    """After the grace period its outcome is not known; a retry polls the same run and starts no other."""
    simulator.script_next_run("orders", [("running", None)], vanish_after_s=0.3)
    task.at(Instant.WAITING, lambda: None)  # it is seen before it vanishes

    with pytest.raises(RunLostError, match="has not known run 13325") as failed:
        task.run()
    with pytest.raises(RunLostError):
        task.run()

    assert ("orders", 13325, "running") == (failed.value.pipeline_id, failed.value.pipeline_run_id, failed.value.state)
    assert (1, 1) == (simulator.starts("orders"), simulator.count("POST", TRIGGER))
