"""What Airflow logs of a task that no retry cures: the reason, once, and no frame below ``tasks/``."""

from __future__ import annotations

import inspect
import json
import re
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_mparticle import operators
from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.simulator import Fault, Simulator
from airflow_provider_mparticle.tasks.failures import NON_RETRYABLE

PACKAGE = Path(operators.__file__).parents[1]
WAIT = {"pipeline_id": "orders", "poll_interval": 0.05, "timeout": 5, "deferrable": False}
SLICE = {"data_model_id": "orders-model", "window_start": "2026-01-01", "window_end": "2026-01-02"}
SLICE |= {"sql": "SELECT id, at FROM s.orders", "time_column": "at"}
WAITING: dict[Any, dict[str, Any]] = {
    operators.MParticleTriggerPipelineOperator: WAIT,
    operators.MParticleSyncSliceOperator: {**WAIT, **SLICE},
    MParticlePipelineRunSensor: WAIT,
}
OTHERS: dict[Any, dict[str, Any]] = {
    operators.MParticlePlatformOperator: {"path": "/apps"},
    operators.MParticleApplyOperator: {"spec": {"pipelines": []}},
    operators.MParticleDeleteResourceOperator: {"kind": "pipeline", "resource_id": "orders"},
    operators.MParticleUpdatePipelineOperator: {"pipeline_id": "orders", "fields": {"name": "Orders"}},
    operators.MParticlePausePipelineOperator: {"pipeline_id": "orders"},
    operators.MParticleCreateDataModelOperator: {"data_model_id": "m", "name": "M", "sql_query": "SELECT id FROM s.t"},
}
ALL = [
    *(pytest.param(kind, arguments, id=kind.__name__) for kind, arguments in {**WAITING, **OTHERS}.items()),
    pytest.param(MParticlePipelineRunSensor, {**WAIT, "mode": "reschedule"}, id="rescheduled sensor"),
]


def failure(operator: Any, method: str = "execute", **arguments: Any) -> AirflowFailException:
    """Execute a method of an operator, and return the error with which the task fails."""
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=-1, max_tries=0, try_number=1)
    ti.get_first_reschedule_date = ti.xcom_push = lambda *_, **__: None
    store = SimpleNamespace(get=lambda _: None, set=lambda *_: None, delete=lambda _: None)
    context = {"ti": ti, "dag_run": SimpleNamespace(start_date=None, clear_number=0), "task_state_store": store}
    with pytest.raises(AirflowFailException) as failed:
        inspect.unwrap(getattr(type(operator), method))(operator, context, **arguments)
    return failed.value


def check_log(error: AirflowFailException, reason: str) -> None:
    """Check what Airflow logs of an error: one traceback of the code that turned the error into one of Airflow."""
    *frames, last = traceback.format_exception(error)
    text = "".join([*frames, last])
    places = re.findall(rf'File "{re.escape(str(PACKAGE))}/(\w+)', text)

    assert 1 == text.count("Traceback (most recent call last)")
    assert (1, 1) == (text.count(reason), last.count(reason))
    assert {*places} <= {"operators", "sensors", "tasks"}


@pytest.mark.parametrize(("kind", "arguments"), ALL)
def test_a_refused_login(simulator: Simulator, kind: Any, arguments: dict[str, Any]) -> None:
    """The cause is in the connection, and no frame says more about it."""
    simulator.rotate_credentials()

    check_log(failure(kind(task_id="t", **arguments)), "client_id or client_secret is wrong")


@pytest.mark.parametrize(("kind", "arguments"), ALL)
def test_a_missing_connection(kind: Any, arguments: dict[str, Any]) -> None:
    """Airflow's own error is its cause, and would repeat it."""
    check_log(failure(kind(task_id="t", mparticle_conn_id="nope", **arguments)), "'nope' does not exist")


@pytest.mark.parametrize(("kind", "arguments"), ALL)
def test_a_forbidden_request(simulator: Simulator, kind: Any, arguments: dict[str, Any]) -> None:
    """mParticle says the reason."""
    simulator.inject(
        Fault(path="/v", status=403, times=None, body=json.dumps({"errors": [{"message": "Ask Ada for the role."}]}))
    )

    check_log(failure(kind(task_id="t", **arguments)), "Ask Ada for the role.")


@pytest.mark.parametrize(("kind", "arguments"), ALL[:3])
@pytest.mark.parametrize("argument", [{"poll_interval": "soon"}, {"timeout": -1}, {"min_records": "some"}])
def test_a_malformed_argument(kind: Any, arguments: dict[str, Any], argument: dict[str, Any]) -> None:
    """The error of the parser would show frames of Python's own modules."""
    [name] = argument

    check_log(failure(kind(task_id="t", **{**arguments, **argument})), name)


@pytest.mark.parametrize("error", NON_RETRYABLE)
@pytest.mark.parametrize(("kind", "arguments"), ALL[:3])
def test_an_error_in_the_triggerer(
    simulator: Simulator, kind: Any, arguments: dict[str, Any], error: type[MParticleError]
) -> None:
    """The triggerer sends it as the event that resumes the task."""
    run = {"pipeline_id": "orders", "pipeline_run_id": 7, "state": "running"}
    event = json.loads(json.dumps(Outcome(run, error("Correct it.")).as_event()))

    check_log(failure(kind(task_id="t", **arguments), "execute_complete", event=event), "Correct it.")
