"""The complete log of a task: one line per change of state, one summary, and a reason once."""

from __future__ import annotations

import inspect
import logging
import re
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred
from sensor_run import sensor

from airflow_provider_mparticle.client.errors import RunFailedError
from airflow_provider_mparticle.operators import MParticleCreateDataModelOperator, MParticleTriggerPipelineOperator
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault

Log = Callable[..., tuple[list[str], BaseException | None]]


@pytest.fixture
def log_of(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Log:
    """Execute a task once; return the lines that it logs at INFO and above, and what it raises."""
    caplog.set_level(logging.INFO)

    def run(operator: Any) -> tuple[list[str], BaseException | None]:
        # Airflow's own logger of a task writes past caplog.
        monkeypatch.setattr(type(operator), "log", logging.getLogger("airflow_provider_mparticle.task"))
        ti = SimpleNamespace(
            max_tries=0,
            try_number=1,
            map_index=-1,
            xcom_push=lambda key, value: None,
            get_first_reschedule_date=lambda _: None,
        )
        store = SimpleNamespace(get=lambda _: None, set=lambda *_: None, delete=lambda _: None)
        dag_run = SimpleNamespace(start_date=None, clear_number=0)
        context = {"ti": ti, "dag_run": dag_run, "task_state_store": store}
        error = None
        try:
            inspect.unwrap(type(operator).execute)(operator, context)
        except (Exception, TaskDeferred) as raised:
            error = raised
        lines = [
            f"{record.levelname} {record.getMessage()}"
            for record in caplog.records
            if record.name.startswith("airflow_provider_mparticle")
        ]
        return [re.sub(r" in \d+ s:", " in N s:", line) for line in lines], error

    return run


@pytest.fixture
def pauses_pass_time(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Move mParticle's clock by 10 s at each pause of a worker, so that each state of a run is seen."""
    clock = SimpleNamespace(sleep=lambda _: simulator.advance(10.0))
    monkeypatch.setattr("airflow_provider_mparticle.tasks.waiting.time", clock)


def trigger(**options: Any) -> MParticleTriggerPipelineOperator:
    """A trigger operator that waits in the worker."""
    usual = {"pipeline_id": "orders", "poll_interval": 0.05, "timeout": 20, "deferrable": False}
    return MParticleTriggerPipelineOperator(task_id="sync", **{**usual, **options})


@pytest.mark.usefixtures("pauses_pass_time")
def test_a_run_that_succeeds(log_of: Log, simulator: Simulator) -> None:
    """Started, each state once, and a summary with the duration and the counts."""
    simulator.script_next_run("orders", [("queued", 25.0), ("running", 25.0), ("success", None)])

    lines, error = log_of(trigger())

    assert error is None
    assert [
        "INFO Started run 13325 of pipeline 'orders'.",
        "INFO Run 13325 is in state 'queued'.",
        "INFO Run 13325 is in state 'running'.",
        "INFO Run 13325 of pipeline 'orders' succeeded in N s: 1000 records ingested, 0 rejected.",
    ] == lines


@pytest.mark.usefixtures("pauses_pass_time")
def test_a_run_that_fails(log_of: Log, simulator: Simulator) -> None:
    """The error has the reason, and the log does not repeat it."""
    simulator.script_next_run("orders", [("running", 25.0), ("failed", None)], errors=["No such table: orders"])

    lines, error = log_of(trigger())

    assert ["INFO Started run 13325 of pipeline 'orders'.", "INFO Run 13325 is in state 'running'."] == lines
    assert isinstance(error, RunFailedError)
    assert 1 == str(error).count("No such table: orders")


@pytest.mark.usefixtures("airflow_db", "simulator")
def test_a_resource_that_is_created_kept_or_updated(log_of: Log) -> None:
    """The log says which of the three it was, since all three succeed."""
    first = {"data_model_id": "refunds-model", "name": "Refunds", "sql_query": "SELECT id FROM shop.public.refunds"}
    said = [
        log_of(MParticleCreateDataModelOperator(task_id="create", **fields, if_exists="update"))[0][-1]
        for fields in (first, first, {**first, "name": "Returns"})
    ]

    assert [
        "INFO Data model 'refunds-model' was created: type, id, name, config.",
        "INFO Data model 'refunds-model' exists, and was not changed.",
        "INFO Data model 'refunds-model' was updated: name.",
    ] == said


def test_a_login_that_is_refused(log_of: Log, simulator: Simulator) -> None:
    """The log shows only the error, without frames."""
    simulator.rotate_credentials()

    lines, error = log_of(trigger())

    assert [] == lines
    assert isinstance(error, AirflowFailException)
    shown = "".join(traceback.format_exception(error))
    assert 1 == shown.count("client_id or client_secret is wrong")
    assert "/client/" not in shown


def test_a_pipeline_that_is_busy(log_of: Log, simulator: Simulator) -> None:
    """A skipped task names the other run."""
    run = simulator.add_run("orders", "running")

    lines, error = log_of(trigger(if_running="skip"))

    assert [] == lines
    assert isinstance(error, AirflowSkipException)
    assert f"Pipeline 'orders' has run {run['pipeline_run_id']} in progress, and if_running='skip'." == str(error)


def test_a_rescheduled_poll(log_of: Log, simulator: Simulator) -> None:
    """Each poll has its own log, so each log says what the task waits for, and the state."""
    run_id = simulator.add_run("orders", "running")["pipeline_run_id"]

    lines, error = log_of(sensor(mode="reschedule"))

    assert [
        f"INFO Waiting for run {run_id} of pipeline 'orders'.",
        f"INFO Run {run_id} is in state 'running'.",
    ] == lines
    assert isinstance(error, AirflowRescheduleException)


def test_an_outage_while_a_task_waits(log_of: Log, simulator: Simulator) -> None:
    """One line reports the beginning and one the end."""
    run_id = simulator.add_run("orders", "success")["pipeline_run_id"]
    for _ in range(3):
        simulator.inject(Fault(path="/status/runs/", status=503))

    lines, error = log_of(sensor(pipeline_run_id=run_id))

    assert error is None
    assert ["WARNING", "INFO", "INFO"] == [line.split()[0] for line in lines]
    assert "503" in lines[0]
    assert lines[0].endswith("Still waiting (1 failed polls so far).")
    assert "INFO mParticle answers again after 3 failed polls." == lines[1]
    assert lines[2].startswith(f"INFO Run {run_id} of pipeline 'orders' succeeded in N s: ")


def test_a_task_that_defers(log_of: Log, simulator: Simulator) -> None:
    """Airflow itself logs the deferral."""
    simulator.script_next_run("orders", [("running", None)])

    lines, error = log_of(trigger(deferrable=True))

    assert ["INFO Started run 13325 of pipeline 'orders'.", "INFO Run 13325 is in state 'running'."] == lines
    assert isinstance(error, TaskDeferred)
