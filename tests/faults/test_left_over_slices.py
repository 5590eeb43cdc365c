"""A run without a slice reads only one slice if a sync of slices has left its SQL in the data model."""

from __future__ import annotations

import logging

import pytest
from task_run import Instant, WorkerLost, facts, our_run

from airflow_provider_mparticle.operators import MParticleSyncSliceOperator, MParticleTriggerPipelineOperator
from airflow_provider_mparticle.simulator.faults import Fault

PIPELINE = "/inputs/data-pipelines/orders"
DATA_MODEL = "/data-models/orders-model"
SQL = "SELECT id, at FROM shop.public.orders"


@pytest.fixture(autouse=True)
def _heard(monkeypatch):
    """Let caplog get the log of tasks: Airflow's own logger of a task does not pass it on."""
    monkeypatch.setattr(MParticleTriggerPipelineOperator, "log", logging.getLogger("task"), raising=False)


def slice_task(new_task, **options):
    """A task that syncs one slice of the same pipeline."""
    return new_task(
        operator_class=MParticleSyncSliceOperator,
        run_id="backfill__2026-01-01",
        data_model_id="orders-model",
        sql=SQL,
        time_column="at",
        window_start="2026-01-01",
        window_end="2026-01-02",
        **options,
    )


def reads(simulator):
    """How often a task has read the pipeline and the data model."""
    paths = [request["path"] for request in simulator.requests if request["method"] == "GET"]
    return [sum(path.endswith(end) for path in paths) for end in (PIPELINE, DATA_MODEL)]


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("killed", [True, False], ids=["interrupted", "ended"])
def test_a_task_warns_that_its_run_reads_one_slice(new_task, simulator, task, caplog, killed):
    """Without the warning, the task would succeed although its run has read only some of the rows."""
    slices = slice_task(new_task, deferrable=False)
    if killed:
        with pytest.raises(WorkerLost):
            slices.dies_at(Instant.WAITING).run()
        simulator.end_runs("success")
    else:
        slices.run()

    result = task.run()

    run_id = our_run(simulator)["pipeline_run_id"]
    assert our_run(simulator) == facts(result)
    [said] = [text for text in warnings(caplog) if "SQL of one slice" in text]
    assert "Data model 'orders-model' contains the SQL of one slice, written by task" in said
    assert "run 'backfill__2026-01-01'" in said
    assert f"so run {run_id} reads only the rows of that slice" in said
    assert "MParticleCreateDataModelOperator" in said


def test_a_task_does_not_warn_about_a_whole_query(simulator, task, caplog):
    """It reads the pipeline and the data model once each."""
    task.run()

    assert [] == warnings(caplog)
    assert [1, 1] == reads(simulator)


def test_a_slice_does_not_warn_about_its_own_sql(new_task, simulator, caplog):
    """It has written it."""
    slice_task(new_task).run()

    assert [] == warnings(caplog)


def test_a_retry_that_reattaches_does_not_check_again(simulator, task):
    """The try that started the run has checked."""
    simulator.script_next_run("orders", [("running", None)])
    with pytest.raises(WorkerLost):
        task.dies_at(Instant.WAITING).run()
    simulator.end_runs()

    task.run()

    assert [1, 1] == reads(simulator)
    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize("path", [PIPELINE, DATA_MODEL])
@pytest.mark.parametrize(
    "fault",
    [
        *({"status": status} for status in (302, 400, 401, 404, 429, 503)),  # one of each kind of refusal
        *({"status": 200, "body": body} for body in ("", "null", "[]", "{}", "<html>", "\x00", '{"id": "another"}')),
        *({"status": 200, "body": f'{{"id": "orders", "data_model_id": {value}}}'} for value in ("null", '".."', "7")),
        {"lose": "before"},
        {"lose": "after"},
    ],
    ids=str,
)
@pytest.mark.parametrize("deferrable", [True], indirect=True, ids=["deferrable"])  # the check is before the wait
def test_a_failed_check_does_not_fail_the_task(simulator, task, caplog, path, fault):
    """The run has been started and is waited for; the check is made once."""
    before = 1 if path == PIPELINE else 0  # the list of its runs is read before the start
    simulator.inject(Fault(method="GET", path=path, skip=before, **fault))

    result = task.run()

    assert our_run(simulator) == facts(result)
    assert [] == [text for text in warnings(caplog) if "slice" in text]
    at_most = 2 if fault.get("status") == 401 else 1  # a login, and the same request again
    assert all(count <= at_most for count in reads(simulator))
    assert 1 == simulator.starts("orders")
