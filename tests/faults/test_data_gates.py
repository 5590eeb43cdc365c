"""A run succeeded, but its counts do not pass the gates: the task says so, and does not start another run."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from task_run import TRIGGER, Instant, facts, our_run

from airflow_provider_mparticle.client.errors import ConfigError, DataGateError, RunFailedError


def test_a_run_that_passes_is_returned_as_usual(new_task, simulator):
    """Gates only check."""
    simulator.script_next_run("orders", successful_records=90, failed_records=10)

    result = new_task(min_records=90, max_failed_ratio=0.1, on_empty="fail").run()

    assert (90, 10) == (result["successful_records"], result["failed_records"])
    assert our_run(simulator)["pipeline_run_id"] == result["pipeline_run_id"]


@pytest.mark.parametrize(
    ("gate", "counted", "said"),
    [
        ({"min_records": 4}, (3, 0), "it ingested 3 records, fewer than min_records=4"),
        ({"max_failed_ratio": 0.2}, (3, 1), "rejected 1 of 4 records"),
        ({"on_empty": "fail"}, (0, 0), "it read nothing, and on_empty='fail'"),
    ],
    ids=["min_records", "max_failed_ratio", "on_empty"],
)
def test_a_run_that_does_not_pass_fails_the_task_for_good(new_task, simulator, gate, counted, said):
    """A retry would find the same run with the same counts."""
    simulator.script_next_run("orders", successful_records=counted[0], failed_records=counted[1])
    task = new_task(**gate)

    with pytest.raises(AirflowFailException, match=said) as failed:
        task.run()

    error = failed.value.__context__
    assert isinstance(error, DataGateError)
    assert (13325, *counted) == (error.pipeline_run_id, error.successful_records, error.failed_records)
    assert ("failed", 1) == (task.state, simulator.starts("orders"))


def test_an_empty_run_skips_the_task_with_on_empty_skip(new_task, simulator):
    """The next tasks have nothing to do; on_empty comes before min_records."""
    simulator.script_next_run("orders", successful_records=0)
    task = new_task(on_empty="skip", min_records=10)

    with pytest.raises(AirflowSkipException, match="Run 13325 of pipeline 'orders' read nothing"):
        task.run()

    assert ("skipped", 1) == (task.state, simulator.starts("orders"))


def test_a_count_that_mparticle_does_not_tell_fails_the_task(start_simulator, new_task):
    """v1 does not count rejected records, and unknown counts must not pass."""
    simulator = start_simulator(layout="v1", run_s=0.1)
    simulator.add_pipeline("orders")

    with pytest.raises(AirflowFailException, match=r"max_failed_ratio=0.5 cannot be checked.*run_fields"):
        new_task(max_failed_ratio=0.5).run()

    assert 1 == simulator.starts("orders")


def test_a_run_that_failed_is_a_failed_run(new_task, simulator):
    """Its counts do not matter, and a retry may cure it."""
    simulator.script_next_run("orders", errors=["No such table."])
    task = new_task(min_records=10, on_empty="skip")

    with pytest.raises(RunFailedError, match="No such table"):
        task.run()

    assert "up_for_retry" == task.state


@pytest.mark.parametrize(
    ("gate", "outcome"),
    [({"min_records": 10}, AirflowFailException), ({"on_empty": "skip"}, AirflowSkipException)],
    ids=["failed", "skipped"],
)
class TestLostWorkers:
    """One run, whatever the gates say about it."""

    def test_a_worker_lost_after_the_gates_leads_to_no_second_run(self, new_task, simulator, gate, outcome):
        """Airflow does not know of the end, so it makes another try of the same task."""
        simulator.script_next_run("orders", successful_records=0)
        task = new_task(**gate)
        with pytest.raises(outcome):
            task.run()

        with pytest.raises(outcome):
            task.run()

        assert (1, 1) == (simulator.starts("orders"), simulator.count("POST", TRIGGER))

    @pytest.mark.parametrize("instant", [Instant.ACCEPTED, Instant.KNOWN, Instant.WAITING])
    def test_a_worker_lost_before_the_gates_leaves_them_to_the_retry(self, new_task, simulator, gate, outcome, instant):
        """The retry finds the run, and checks it with the same gates."""
        simulator.script_next_run("orders", [("running", 0.2), ("success", None)], successful_records=0)
        task = new_task(**gate).dies_at(instant)
        task.run_and_die()

        with pytest.raises(outcome):
            task.run()

        assert 1 == simulator.starts("orders")

    @pytest.mark.parametrize("retries", [3, 2], ids=["as before", "with fewer retries"])
    def test_a_clear_starts_a_new_run(self, new_task, simulator, gate, outcome, retries):
        """The user has corrected the source, and wants a new run; with fewer retries ``max_tries`` stays."""
        simulator.script_next_run("orders", successful_records=0)
        task = new_task(**gate)
        with pytest.raises(outcome):
            task.run()
        task.retries = retries

        result = task.clear()

        assert our_run(simulator) == facts(result)
        assert (13326, 2) == (result["pipeline_run_id"], simulator.starts("orders"))


@pytest.mark.parametrize(
    "gate", [{"min_records": 0}, {"max_failed_ratio": 1}, {"on_empty": "skip"}, {"on_empty": "fail"}], ids=str
)
def test_a_gate_needs_a_run_that_is_waited_for(new_task, simulator, gate):
    """The counts of a run that has just begun are not known, so the gate would never be checked."""
    task = new_task(wait_for_completion=False, **gate)

    with pytest.raises(AirflowFailException, match="wait_for_completion=True") as refused:
        task.run()

    assert isinstance(refused.value.__context__, ConfigError)
    assert [] == simulator.requests


@pytest.mark.parametrize(
    ("name", "value"),
    [("min_records", -1), ("min_records", "10"), ("max_failed_ratio", 5), ("on_empty", "ignore")],
)
@pytest.mark.parametrize("waits", [True, False])
def test_an_invalid_gate_is_refused_before_anything_is_sent(new_task, simulator, name, value, waits):
    """A run cannot be undone."""
    with pytest.raises((AirflowFailException, ConfigError), match=f"{name} must be") as refused:
        new_task(wait_for_completion=waits, **{name: value}).run()

    assert ConfigError in {type(refused.value), type(refused.value.__context__)}
    assert [] == simulator.requests
