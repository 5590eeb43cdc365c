"""What all waiting tasks have in common: arguments, deadlines, and XComs."""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowTaskTimeout,
    TaskDeferred,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sensor_run import sense

from airflow_provider_mparticle.client import clocks
from airflow_provider_mparticle.client.errors import ConfigError, RunTimeoutError
from airflow_provider_mparticle.operators import (
    MParticleCreateDataModelOperator,
    MParticleCreatePipelineOperator,
    MParticleDeleteResourceOperator,
    MParticlePausePipelineOperator,
    MParticleSyncSliceOperator,
    MParticleTriggerPipelineOperator,
)
from airflow_provider_mparticle.runs.wait import BACKSTOP_S
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault
from airflow_provider_mparticle.tasks import waiting
from airflow_provider_mparticle.tasks.arguments import LONGEST_S

BAD_DURATIONS = [math.nan, math.inf, 1e12, -1, True, "soon", "None", "", [60], timedelta(days=-1)]
SLICE = {"data_model_id": "orders-model", "sql": "SELECT at FROM orders", "time_column": "at", "granularity": "day"}


def trigger(context: dict[str, Any] | None = None, **options: Any) -> tuple[Any, dict[str, Any]]:
    """Execute a trigger operator that waits in the worker; return its result and the XComs that it pushed."""
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(
        max_tries=0, try_number=1, xcom_push=lambda key, value: pushed.update({key: value}), map_index=-1
    )
    store = SimpleNamespace(get=print, set=print, delete=print)
    dag_run = SimpleNamespace(start_date=None, clear_number=0)
    whole: Any = {"ti": ti, "dag_run": dag_run, "task_state_store": store, **(context or {})}
    operator = MParticleTriggerPipelineOperator(
        task_id="sync",
        **{"pipeline_id": "orders", "poll_interval": 0.05, "timeout": 300, "deferrable": False, **options},
    )
    # Unwrapped, since Airflow guards ``execute`` against callers other than its own task runner.
    return inspect.unwrap(MParticleTriggerPipelineOperator.execute)(operator, whole), pushed


def refused(cls: type, **options: Any) -> AirflowFailException:
    """Execute a task whose arguments are refused; return its error."""
    needed = {MParticleSyncSliceOperator: SLICE}.get(cls, {})
    operator = cls(task_id="task", **{"pipeline_id": "orders", "deferrable": False, **needed, **options})
    with pytest.raises(AirflowFailException) as failed:
        inspect.unwrap(cls.execute)(operator, {"ti": SimpleNamespace(max_tries=0, try_number=1)})
    return failed.value


EVERY_CLASS = pytest.mark.parametrize(
    "cls", [MParticleTriggerPipelineOperator, MParticleSyncSliceOperator, MParticlePipelineRunSensor]
)


# Durations


@EVERY_CLASS
@pytest.mark.parametrize("name", ["timeout", "poll_interval"])
@pytest.mark.parametrize("value", BAD_DURATIONS, ids=repr)
def test_a_duration_that_makes_no_sense_is_refused_before_anything_is_sent(
    simulator: Simulator, cls: type, name: str, value: Any
) -> None:
    """A run that was started and then failed on an argument would be started again by the corrected task."""
    error = refused(cls, **{name: value})

    assert f"{name} must be a positive number of seconds" in str(error)
    assert [] == simulator.requests


@EVERY_CLASS
def test_a_poll_interval_of_zero_is_refused(simulator: Simulator, cls: type) -> None:
    """Otherwise the task would poll without a pause."""
    assert "poll_interval must be a positive number of seconds, not 0" in str(refused(cls, poll_interval=0))
    assert [] == simulator.requests


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(min_value=30, max_value=LONGEST_S), st.sampled_from([float, str, lambda s: timedelta(seconds=s)]))
def test_a_duration_means_the_same_in_every_form_and_task(
    simulator: Simulator, seconds: float, form: Callable[[float], Any]
) -> None:
    """The triggerer always gets a number."""
    run = simulator.add_run("orders", "running")

    sensor = MParticlePipelineRunSensor(
        task_id="sense",
        pipeline_id="orders",
        pipeline_run_id=run["pipeline_run_id"],
        timeout=form(seconds),
        poll_interval=form(seconds),
        deferrable=True,
    )

    with pytest.raises(TaskDeferred) as deferred:
        sensor.resume_execution("execute", {}, {})

    stored = deferred.value.trigger.serialize()[1]
    assert math.isclose(seconds, stored["poll_interval"], abs_tol=1e-3)
    assert math.isclose(time.time() + seconds, stored["deadline"], abs_tol=60)


def test_a_template_may_render_to_a_duration(simulator: Simulator, run_dag: Callable[[Any], Any]) -> None:
    """A timeout from a Variable or from params is a text once it is rendered."""
    with DAG("durations", schedule=None, params={"seconds": "0.2"}, start_date=datetime(2026, 1, 1)) as dag:
        templates = {"pipeline_id": "orders", "poll_interval": "{{ params.seconds }}", "timeout": "{{ 4 * 5 }}"}
        sync = MParticleTriggerPipelineOperator(task_id="sync", **templates)
        sync >> MParticlePipelineRunSensor(task_id="sense", **templates)

    assert "success" == run_dag(dag).state


# The end of execution_timeout


def run_to_its_end(run_dag: Callable[[Any], Any], cls: type, **options: Any) -> tuple[str, BaseException | None]:
    """
    Run a task that waits for an endless run in a DAG of its own; return its state and its error.

    On a busy machine it may take Airflow 3.0 and 3.1 some seconds until the task waits.
    """
    errors: list[BaseException] = []
    with DAG(f"limits_{time.monotonic_ns()}", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        cls(
            task_id="task",
            pipeline_id="orders",
            on_failure_callback=lambda context: errors.append(context["exception"]),
            **{"poll_interval": 0.3, "timeout": 60, "execution_timeout": timedelta(seconds=8), **options},
        )
    [task] = run_dag(dag).get_task_instances()
    return task.state, next(iter(errors), None)


MODES = pytest.mark.parametrize(
    "mode",
    [{"deferrable": False}, {"deferrable": True}, {"deferrable": False, "mode": "reschedule"}],
    ids=["worker", "triggerer", "reschedule"],
)


@MODES
def test_a_sensor_ends_at_execution_timeout_as_a_sensor_does(
    simulator: Simulator, run_dag: Callable[[Any], Any], mode: dict[str, Any]
) -> None:
    """Airflow's own alarm does not name the run, and does not count the time between polls."""
    run = simulator.add_run("orders", "running")

    state, error = run_to_its_end(run_dag, MParticlePipelineRunSensor, **mode)

    assert "failed" == state
    assert isinstance(error, AirflowSensorTimeout)
    assert f"Run {run['pipeline_run_id']} of pipeline 'orders' had not ended at the deadline" in str(error)


@MODES
def test_a_sensor_with_soft_fail_is_skipped_at_execution_timeout(
    simulator: Simulator, run_dag: Callable[[Any], Any], mode: dict[str, Any]
) -> None:
    """A wait that is not essential must not stop a DAG, in whichever mode it ends."""
    simulator.add_run("orders", "running")

    assert "skipped" == run_to_its_end(run_dag, MParticlePipelineRunSensor, soft_fail=True, **mode)[0]


@pytest.mark.parametrize("deferrable", [False, True])
def test_an_operator_ends_at_execution_timeout_with_the_id_of_its_run(
    simulator: Simulator, run_dag: Callable[[Any], Any], deferrable: bool
) -> None:
    """The user needs the id to find the run, which continues."""
    simulator.script_next_run("orders", [("running", None)])

    _, error = run_to_its_end(run_dag, MParticleTriggerPipelineOperator, deferrable=deferrable)

    assert isinstance(error, RunTimeoutError)
    assert simulator.runs("orders")[-1]["pipeline_run_id"] == error.pipeline_run_id


@pytest.mark.parametrize("cls", [MParticleTriggerPipelineOperator, MParticlePipelineRunSensor])
def test_airflows_alarm_in_the_middle_of_a_poll_names_the_run(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, cls: type
) -> None:
    """The last poll may take longer than the time that is left."""
    simulator.script_next_run("orders", [("running", None)])
    run = simulator.add_run("orders", "running") if cls is MParticlePipelineRunSensor else None

    def alarm(_: float) -> None:
        raise AirflowTaskTimeout

    monkeypatch.setattr("airflow_provider_mparticle.tasks.waiting.time", SimpleNamespace(time=time.time, sleep=alarm))
    with pytest.raises((RunTimeoutError, AirflowSensorTimeout), match="its last known state is running"):
        sense(pipeline_run_id=run["pipeline_run_id"]) if run else trigger()


@pytest.mark.parametrize("cls", [MParticleTriggerPipelineOperator, MParticlePipelineRunSensor])
@pytest.mark.parametrize("step_s", [-86_400.0, -3600.0, 3600.0, 86_400.0])
def test_a_clock_that_is_set_while_a_task_waits_changes_nothing(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, cls: type, step_s: float
) -> None:
    """If it is set forward, the wait would end at once, though the run continues."""
    simulator.script_next_run("orders", [("running", None)])
    run = simulator.add_run("orders", "running") if cls is MParticlePipelineRunSensor else None
    step = [0.0]

    def sleep(seconds: float) -> None:
        time.sleep(seconds)
        if step[0]:  # it was set before the last poll
            simulator.end_runs()
        step[0] = step_s

    set_clock = SimpleNamespace(time=lambda: time.time() + step[0], monotonic=time.monotonic, sleep=sleep)
    for module in (waiting, clocks):  # only there: the simulator has the same clock as this test
        monkeypatch.setattr(module, "time", set_clock)

    result = sense(pipeline_run_id=run["pipeline_run_id"]) if run else trigger()[0]

    assert ("success", step_s) == (result["state"], step[0])


# Ids and switches


@EVERY_CLASS
@pytest.mark.parametrize("name", ["pipeline_id", "mparticle_conn_id"])
@pytest.mark.parametrize("value", [None, "None", "", " ", ["orders"], 1.5, True], ids=repr)
def test_an_id_that_is_not_one_is_refused_before_anything_is_sent(
    simulator: Simulator, cls: type, name: str, value: Any
) -> None:
    """A template that renders to nothing must not become the path /None/trigger."""
    assert f"{name} " in str(refused(cls, **{name: value}))
    assert [] == simulator.requests


def test_a_slice_needs_the_id_of_a_data_model(simulator: Simulator) -> None:
    """The id of a data model is part of a path, too."""
    assert "data_model_id was rendered to 'None'" in str(refused(MParticleSyncSliceOperator, data_model_id="None"))
    assert [] == simulator.requests


@pytest.mark.parametrize("rendered", [None, "None", "", ["1"], True], ids=repr)
def test_a_run_id_that_a_template_rendered_to_nothing_is_refused(simulator: Simulator, rendered: Any) -> None:
    """The latest run could be another run. Native templates return a real None."""
    sensor = MParticlePipelineRunSensor(task_id="sense", pipeline_id="orders", pipeline_run_id="{{ run }}")
    sensor.pipeline_run_id = rendered

    with pytest.raises(AirflowFailException, match="pipeline_run_id"):
        inspect.unwrap(MParticlePipelineRunSensor.execute)(sensor, {})
    assert [] == simulator.requests


@pytest.mark.parametrize("value", ["None", "", " ", "null"])
def test_no_resource_is_written_under_an_id_that_was_rendered_to_nothing(simulator: Simulator, value: str) -> None:
    """Deleting None would succeed, and a field would be stored as 'None'."""
    tasks = [
        MParticleDeleteResourceOperator(task_id="delete", kind="pipeline", resource_id=value),
        MParticlePausePipelineOperator(task_id="pause", pipeline_id=value),
        MParticleCreateDataModelOperator(
            task_id="model", data_model_id=value, name="M", sql_query="SELECT a FROM b.c.d"
        ),
    ]
    for task in tasks:
        with pytest.raises(AirflowFailException, match=r"rendered to|id is missing"):
            inspect.unwrap(type(task).execute)(task, {})
    assert [] == simulator.requests


@pytest.mark.parametrize("value", ["None", "", " ", "null"])
def test_no_field_is_stored_as_the_text_none(simulator: Simulator, value: str) -> None:
    """An optional id that a template renders to nothing is not sent."""
    task = MParticleCreatePipelineOperator(
        task_id="pipeline",
        pipeline_id="new",
        name="New",
        connection_id=" warehouse",
        data_model_id="orders-model",
        field_transformation_id=value,
        sync_mode={"type": "full"},
        schedule={"type": "on_demand"},
    )

    inspect.unwrap(type(task).execute)(task, {})

    stored = simulator.stored("pipeline", "new")
    assert stored.get("field_transformation_id") is None
    assert "warehouse" == stored["connection_id"]


def test_white_space_around_an_id_is_dropped(simulator: Simulator) -> None:
    """An id that was copied, or read from a file, often has some."""
    run, _ = trigger(pipeline_id=" orders\n")

    assert "orders" == run["pipeline_id"]
    assert run == sense(pipeline_id="\torders ", pipeline_run_id=f" {run['pipeline_run_id']} ")


def test_switches_may_be_given_as_text(simulator: Simulator) -> None:
    """default_args from a Variable are texts, and in Python every text is true."""
    with pytest.raises(TaskDeferred):
        trigger(deferrable="true")
    result, _ = trigger(wait_for_completion="False", deferrable="false", if_running="attach")

    assert result["state"] is None
    assert "wait_for_completion must be True or False" in str(
        refused(MParticleTriggerPipelineOperator, wait_for_completion="perhaps")
    )


@pytest.mark.parametrize(("text", "starts"), [("true", 0), (" True", 0), ("false", 1), ("FALSE", 1)])
def test_skip_if_covered_may_be_given_as_text(simulator: Simulator, text: str, starts: int) -> None:
    """A template renders to text."""
    at = datetime(2026, 5, 1, tzinfo=UTC)
    simulator.add_run("orders", "success", range_end=at, logical_date=at)

    trigger(context={"logical_date": at}, skip_if_covered=text)

    assert starts == simulator.starts("orders")


# XComs


def test_a_task_pushes_the_id_of_its_run(simulator: Simulator) -> None:
    """A later task may wait for the run, or report it."""
    result, pushed = trigger()

    assert result["pipeline_run_id"] == pushed["pipeline_run_id"]


def test_a_task_with_do_xcom_push_false_pushes_nothing(simulator: Simulator) -> None:
    """The user may have reasons, for example the size of XComs or their readers."""
    _, pushed = trigger(do_xcom_push=False)

    assert {} == pushed


# Faults


def test_configuration_errors_show_their_reason_once(simulator: Simulator) -> None:
    """The log says what to correct, without frames that repeat it."""
    simulator.inject(Fault(path="/oauth/token", status=401))

    with pytest.raises(AirflowFailException) as failed:
        trigger()

    assert failed.value.__suppress_context__
    assert failed.value.__cause__ is None


def test_the_error_of_a_configuration_error_is_at_hand(simulator: Simulator) -> None:
    """A callback can distinguish causes by their class."""
    error = refused(MParticleTriggerPipelineOperator, timeout=-1)

    assert isinstance(error.__context__, ConfigError)


def test_a_deferrable_task_waits_in_the_worker_for_a_run_that_will_end_before_it_could_resume(
    simulator: Simulator,
) -> None:
    """The pipeline's last runs show how long one takes, so nothing has to start again."""
    now = time.time()
    simulator.add_run("orders", "success", started_on=now - 103, ended_on=now - 100)

    run, _ = trigger(deferrable=True)

    assert ("success", 1) == (run["state"], simulator.starts("orders"))


def test_a_deferrable_task_defers_for_a_run_that_will_last_longer(simulator: Simulator) -> None:
    """A wait in the worker would use its slot."""
    now = time.time()
    simulator.add_run("orders", "success", started_on=now - 160, ended_on=now - 100)
    simulator.script_next_run("orders", [("running", None)])

    with pytest.raises(TaskDeferred) as deferred:
        trigger(deferrable=True)

    assert deferred.value.timeout > timedelta(seconds=300 + BACKSTOP_S)  # it may be resumed late
