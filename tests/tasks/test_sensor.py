"""The sensor in its three modes: in the worker, in the triggerer, and rescheduled."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime, timedelta
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from sensor_run import Store

from airflow_provider_mparticle.client.errors import (
    AuthenticationError,
    ConfigError,
    MParticleError,
    PermissionDeniedError,
    RunFailedError,
    RunTimeoutError,
    StartAmbiguousError,
)
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault
from airflow_provider_mparticle.tasks.record_store import START_RECORD_KEY
from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger, resume_delay_s

MODES: dict[str, dict[str, Any]] = {
    "worker": {"deferrable": False},
    "triggerer": {"deferrable": True},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
}
Sense = Callable[..., Any]


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each of the three modes, as arguments of the sensor."""
    return MODES[request.param]


@pytest.fixture(params=["worker", "triggerer"])
def quick_mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The modes that need no DAG."""
    return MODES[request.param]


@pytest.fixture
def sense(in_dag: Sense) -> Sense:
    """
    Let a sensor wait for a run of ``orders``; return its result or raise its error.

    Only Airflow itself can reschedule; the other modes need no DAG and are faster without.
    """

    def run(**options: Any) -> Any:
        return in_dag(**options) if options.get("mode") == "reschedule" else directly(**options)

    return run


def directly(**options: Any) -> Any:
    """Execute a sensor, and if it defers, run its trigger and resume it, as Airflow does."""
    try:
        return sensor(**options).resume_execution("execute", {}, {})
    except TaskDeferred as deferred:
        event = asyncio.run(first_event(deferred.trigger.serialize()[1]))
        return sensor(**options).resume_execution(deferred.method_name, {"event": event}, {})


async def first_event(stored: dict[str, Any]) -> Any:
    """The event of the trigger that Airflow creates from its stored arguments."""
    async with aclosing(MParticlePipelineRunTrigger(**json.loads(json.dumps(stored))).run()) as events:
        return json.loads(json.dumps((await anext(events)).payload))


@pytest.fixture
def in_dag(run_dag: Callable[[Any], Any]) -> Sense:
    """Let a sensor wait in a DAG of its own; return its result or raise its error."""

    def run(**options: Any) -> Any:
        ended: dict[str, Any] = {}
        with DAG(f"sense_{time.monotonic_ns()}", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
            sensor(
                **options,
                on_success_callback=lambda context: ended.update(result=context["ti"].xcom_pull(task_ids="sense")),
                on_failure_callback=lambda context: ended.update(error=context["exception"]),
            )
        [task] = run_dag(dag).get_task_instances()
        if task.state == "skipped":
            raise AirflowSkipException
        if error := ended.get("error"):
            raise error
        return ended["result"]

    return run


def sensor(**options: Any) -> MParticlePipelineRunSensor:
    """A sensor for ``orders`` that polls often."""
    return MParticlePipelineRunSensor(
        task_id="sense", **{"pipeline_id": "orders", "poll_interval": 0.2, "timeout": 20, **options}
    )


# How it ends, in every mode


def test_a_run_that_succeeds_ends_it_well(sense: Sense, simulator: Simulator, mode: dict[str, Any]) -> None:
    """The result is the same as that of the trigger operator, in every mode."""
    run = simulator.add_run("orders", "running", ends_in_s=0.7, successful_records=42, failed_records=3)

    result = sense(pipeline_run_id=run["pipeline_run_id"], **mode)

    assert {
        "pipeline_id": "orders",
        "pipeline_run_id": run["pipeline_run_id"],
        "state": "success",
        "successful_records": 42,
        "failed_records": 3,
    }.items() <= result.items()
    assert {"started_on", "ended_on", "range_start", "range_end"} <= set(result)


def test_a_run_that_fails_is_said_with_reasons_and_counts(
    sense: Sense, simulator: Simulator, mode: dict[str, Any]
) -> None:
    """The log of the task contains mParticle's words."""
    run = simulator.add_run(
        "orders",
        "running",
        ends_in_s=0.3,
        ends_as="failed",
        errors=["No such table: orders"],
        successful_records=5,
        failed_records=2,
    )

    with pytest.raises(RunFailedError, match="No such table: orders") as failed:
        sense(pipeline_run_id=run["pipeline_run_id"], **mode)

    assert ("No such table: orders",) == failed.value.reasons
    assert (5, 2) == (failed.value.successful_records, failed.value.failed_records)
    assert "5 records ingested, 2 rejected" in str(failed.value)


def test_an_unknown_state_means_still_under_way(sense: Sense, simulator: Simulator, mode: dict[str, Any]) -> None:
    """A word that mParticle adds later must not fail a task."""
    run = simulator.add_run("orders", "warming_up", ends_in_s=0.5, ends_as="SUCCESS")

    result = sense(pipeline_run_id=run["pipeline_run_id"], **mode)

    assert "SUCCESS" == result["state"]


def test_the_deadline_is_a_sensors_timeout_with_the_last_state(
    sense: Sense, simulator: Simulator, mode: dict[str, Any]
) -> None:
    """Airflow does not retry a sensor after its own timeout error."""
    run = simulator.add_run("orders", "queued")

    with pytest.raises(AirflowSensorTimeout, match="its last known state is queued") as jitter_up:
        sense(pipeline_run_id=run["pipeline_run_id"], timeout=0.8, **mode)

    assert isinstance(jitter_up.value.__context__, RunTimeoutError)
    assert "queued" == jitter_up.value.__context__.state


def test_without_a_run_id_it_waits_for_the_latest_run_at_its_first_poll(
    sense: Sense, simulator: Simulator, mode: dict[str, Any]
) -> None:
    """A run that starts later is another run."""
    simulator.add_run("orders", "success")
    mine = simulator.add_run("orders", "running")

    with another_run(simulator, after="/status"), pytest.raises(AirflowSensorTimeout) as jitter_up:
        sense(poll_interval=0.3, timeout=1.5, **mode)

    assert 3 == len(simulator.runs("orders"))
    assert isinstance(jitter_up.value.__context__, RunTimeoutError)
    assert mine["pipeline_run_id"] == jitter_up.value.__context__.pipeline_run_id


@pytest.mark.parametrize("rescheduled_late", [False, True])
def test_a_rescheduled_wait_stays_with_its_run_whatever_airflow_says_of_its_beginning(
    simulator: Simulator, rescheduled_late: bool
) -> None:
    """Airflow 3 stores the instant of the first reschedule after the first poll, when others may have started a run."""
    ti = SimpleNamespace(get_first_reschedule_date=lambda _: None, max_tries=0, try_number=1)
    context: Any = {"ti": ti, "task_state_store": Store()}
    mine = simulator.add_run("orders", "running")
    waiting = {"mode": "reschedule", "deferrable": False}
    assert not sensor(**waiting).poke(context).is_done
    simulator.add_run("orders", "failed", logical_date=datetime.now(UTC))
    simulator.end_runs()
    first = datetime.now(UTC) + timedelta(hours=1) * (1 if rescheduled_late else -1)
    ti.get_first_reschedule_date = lambda _: first

    found = sensor(**waiting, timeout=9999).poke(context)

    assert mine["pipeline_run_id"] == found.xcom_value["pipeline_run_id"]


def test_a_rescheduled_wait_that_is_cleared_waits_for_the_latest_run_of_then(simulator: Simulator) -> None:
    """A clear raises max_tries, a retry does not."""
    ti = SimpleNamespace(get_first_reschedule_date=lambda _: datetime.now(UTC), max_tries=0, try_number=1)
    context: Any = {"ti": ti, "task_state_store": Store()}
    waiting = {"mode": "reschedule", "deferrable": False}
    simulator.add_run("orders", "running")
    assert not sensor(**waiting).poke(context).is_done
    later = simulator.add_run("orders", "success", logical_date=datetime.now(UTC))
    ti.try_number = 2
    assert not sensor(**waiting).poke(context).is_done
    ti.max_tries = 1
    simulator.end_runs()

    found = sensor(**waiting).poke(context)

    assert later["pipeline_run_id"] == found.xcom_value["pipeline_run_id"]


@pytest.mark.parametrize("damage", [[], {}, True, 1.5, "", "..", None], ids=str)
def test_a_damaged_record_of_a_rescheduled_wait_is_named(simulator: Simulator, damage: Any) -> None:
    """Another run might be waited for; so the task says which record to delete."""
    ti = SimpleNamespace(get_first_reschedule_date=lambda _: datetime.now(UTC), max_tries=0, try_number=1)
    store = Store()
    waiting = {"mode": "reschedule", "deferrable": False}
    simulator.add_run("orders", "running")
    assert not sensor(**waiting).poke({"ti": ti, "task_state_store": store}).is_done
    store[START_RECORD_KEY]["pipeline_run_id"] = damage

    with pytest.raises(StartAmbiguousError, match=r"cannot be read: it has no run.* delete .*, then clear"):
        sensor(**waiting).poke({"ti": ti, "task_state_store": store})


@contextmanager
def another_run(simulator: Simulator, after: str) -> Iterator[None]:
    """Let another run fail when a path with this text is asked for again, so that the first answer has arrived."""

    def add() -> None:
        while simulator.count("GET", after) < 2:
            time.sleep(0.05)
        simulator.add_run("orders", "failed", logical_date=datetime.now(UTC))

    adding = Thread(target=add, daemon=True)
    adding.start()
    yield
    adding.join(timeout=120)


def test_without_a_run_it_waits_for_the_first_one(sense: Sense, simulator: Simulator) -> None:
    """A new pipeline has no runs."""
    with another_run(simulator, after="/status"), pytest.raises(RunFailedError) as failed:
        sense(deferrable=True)

    [run] = simulator.runs("orders")
    assert run["pipeline_run_id"] == failed.value.pipeline_run_id


@pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
@pytest.mark.parametrize("trouble", ["the run failed", "the deadline came", "the login is refused"])
def test_a_failure_skips_the_task_if_requested(
    sense: Sense, simulator: Simulator, mode: dict[str, Any], flag: str, trouble: str
) -> None:
    """A sensor that is not essential must not stop a DAG, deferred or not."""
    state = "failed" if trouble == "the run failed" else "running"
    run = simulator.add_run("orders", state)
    if trouble == "the login is refused":
        simulator.rotate_credentials()
    timeout = 0.4 if trouble == "the deadline came" else 20

    with pytest.raises(AirflowSkipException):
        sense(pipeline_run_id=run["pipeline_run_id"], timeout=timeout, **{flag: True}, **mode)

    assert 1 <= len(simulator.requests)


@pytest.mark.parametrize("flag", ["soft_fail", "never_fail"])
def test_a_run_that_succeeds_is_not_skipped(simulator: Simulator, quick_mode: dict[str, Any], flag: str) -> None:
    """soft_fail and never_fail apply only to failures."""
    run = simulator.add_run("orders", "success")

    result = directly(pipeline_run_id=run["pipeline_run_id"], **{flag: True}, **quick_mode)

    assert "success" == result["state"]


@pytest.mark.parametrize("as_given", [int, str])
def test_a_run_id_may_be_a_number_or_its_text(
    simulator: Simulator, quick_mode: dict[str, Any], as_given: Callable[[Any], Any]
) -> None:
    """A template renders it to text. The result contains mParticle's own value."""
    run = simulator.add_run("orders", "success")
    simulator.add_run("orders", "failed")

    result = directly(pipeline_run_id=as_given(run["pipeline_run_id"]), **quick_mode)

    assert run["pipeline_run_id"] == result["pipeline_run_id"]


@pytest.mark.parametrize("layout", ["v2", "v1"])
@pytest.mark.parametrize("run_routes", [True, False])
def test_it_waits_with_any_existing_route(
    start_simulator: Callable[..., Simulator], quick_mode: dict[str, Any], layout: str, run_routes: bool
) -> None:
    """Without the route for one run, the list or the status shows the state."""
    simulator = start_simulator(layout=layout, run_routes=run_routes)
    simulator.add_pipeline("orders")
    run = simulator.add_run("orders", "success")

    result = directly(pipeline_run_id=run["pipeline_run_id"], **quick_mode)

    assert ("success", run["pipeline_run_id"]) == (result["state"], result["pipeline_run_id"])


def test_an_unreachable_api_does_not_end_the_wait(sense: Sense, simulator: Simulator, mode: dict[str, Any]) -> None:
    """The run continues while mParticle is unreachable."""
    run = simulator.add_run("orders", "success")
    simulator.inject(Fault(path="/runs/", status=503))
    simulator.inject(Fault(path="/runs/", lose="before"))

    result = sense(pipeline_run_id=run["pipeline_run_id"], **mode)

    assert "success" == result["state"]
    assert 3 == simulator.count("GET", "/runs/")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(path="/oauth/token", status=401), AuthenticationError),
        (Fault(path="/runs/", status=403), PermissionDeniedError),
    ],
)
def test_what_no_retry_cures_fails_at_once(
    sense: Sense, simulator: Simulator, mode: dict[str, Any], fault: Fault, kind: type[MParticleError]
) -> None:
    """Repeated requests with refused credentials can lock the account."""
    run = simulator.add_run("orders", "running")
    simulator.inject(fault)

    with pytest.raises(AirflowFailException) as failed:
        sense(pipeline_run_id=run["pipeline_run_id"], **mode)

    assert kind is type(failed.value.__context__)


def test_a_run_of_another_pipeline_is_not_waited_for_beyond_the_deadline(
    simulator: Simulator, quick_mode: dict[str, Any]
) -> None:
    """A new run may be invisible for a minute, but the deadline still applies, and the error names the cause."""
    simulator.add_run("orders", "success")

    with pytest.raises(AirflowSensorTimeout, match="Run 1 of pipeline 'orders' was not found"):
        directly(pipeline_run_id=1, timeout=0.5, **quick_mode)

    assert 1 <= simulator.count("GET", "/runs/1")


# Limits


def test_execution_timeout_bounds_the_deferred_wait(in_dag: Sense, simulator: Simulator) -> None:
    """Airflow itself does not count the time while a task is deferred."""
    run = simulator.add_run("orders", "running")
    limit = timedelta(seconds=8)

    with pytest.raises(AirflowSensorTimeout, match="its last known state is running"):
        in_dag(pipeline_run_id=run["pipeline_run_id"], timeout=60, execution_timeout=limit, deferrable=True)

    polls = [seen["at"] for seen in simulator.requests if seen["method"] == "GET"]
    assert polls[-1] - polls[0] < 50


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_timeout_may_be_a_timedelta(simulator: Simulator, deferrable: bool) -> None:
    """Airflow's sensors accept both."""
    run = simulator.add_run("orders", "running")

    with pytest.raises(AirflowSensorTimeout):
        directly(pipeline_run_id=run["pipeline_run_id"], timeout=timedelta(seconds=0.3), deferrable=deferrable)

    assert 1 <= simulator.count("GET", "/runs/")


def test_a_run_that_ended_late_still_counts(simulator: Simulator) -> None:
    """If the run has succeeded by the first poll after the deadline, the task succeeds."""
    run = simulator.add_run("orders", "success")

    result = directly(pipeline_run_id=run["pipeline_run_id"], timeout=0, deferrable=True)

    assert "success" == result["state"]


def test_what_it_hands_to_the_triggerer(simulator: Simulator) -> None:
    """The trigger gets the run of the first poll and the deadline. Airflow's own timeout comes later."""
    run = simulator.add_run("orders", "running")

    before = time.time()
    with pytest.raises(TaskDeferred) as deferred:
        sensor(poll_interval=7, timeout=100, deferrable=True).resume_execution("execute", {}, {})

    _, stored = deferred.value.trigger.serialize()
    assert {
        "mparticle_conn_id": "mparticle_default",
        "pipeline_id": "orders",
        "pipeline_run_id": run["pipeline_run_id"],
        "poll_interval": 7,
    }.items() <= stored.items()
    assert before + 100 <= stored["deadline"] <= time.time() + 100
    assert 150 < deferred.value.timeout.total_seconds() < 170


def test_a_run_that_has_ended_needs_no_triggerer(simulator: Simulator) -> None:
    """Airflow's scheduler can fail a task that is resumed directly after it was deferred."""
    run = simulator.add_run("orders", "success")

    result = sensor(pipeline_run_id=run["pipeline_run_id"], deferrable=True).resume_execution("execute", {}, {})

    assert "success" == result["state"]


@pytest.mark.parametrize("event", [None, {}, {"status": "odd"}, {"status": "success"}, "success"])
def test_an_event_that_is_not_ours_is_not_a_success(event: Any) -> None:
    """Otherwise a DAG would continue without its data."""
    with pytest.raises(MParticleError, match="does not say how the run ended"):
        sensor(deferrable=True).resume_execution("execute_complete", {"event": event}, {})


# Arguments


@pytest.mark.parametrize("rendered", ["None", "", " None "])
def test_a_run_id_that_was_rendered_to_nothing_is_refused(
    simulator: Simulator, quick_mode: dict[str, Any], rendered: str
) -> None:
    """The earlier task returned no id, and the latest run could be another run."""
    simulator.add_run("orders", "success")

    with pytest.raises(AirflowFailException, match="pipeline_run_id was rendered to") as refused:
        directly(pipeline_run_id=rendered, **quick_mode)

    assert isinstance(refused.value.__context__, ConfigError)
    assert [] == simulator.requests


def test_a_poll_interval_must_be_positive(simulator: Simulator) -> None:
    """Otherwise the task would poll without a pause."""
    with pytest.raises(AirflowFailException, match="poll_interval must be a positive number of seconds, not 0"):
        directly(poll_interval=0)

    assert [] == simulator.requests


@pytest.mark.parametrize(
    ("defaults", "own", "pause"),
    [
        ({}, {}, 60),
        ({}, {"poll_interval": 7}, 7),
        ({}, {"poke_interval": 9}, 9),
        ({}, {"poll_interval": 7, "poke_interval": 9}, 9),
        ({"poke_interval": 1}, {}, 1),
        ({"poke_interval": timedelta(seconds=1)}, {"poll_interval": 7}, 7),
        ({"poll_interval": "5"}, {"poke_interval": "9"}, 9),
        ({"poll_interval": 5, "poke_interval": 1}, {}, 1),
    ],
)
def test_airflows_poke_interval_counts_in_every_mode(
    simulator: Simulator, defaults: dict[str, Any], own: dict[str, Any], pause: float
) -> None:
    """Many DAGs set it for all sensors. An argument of the task has precedence."""
    run = simulator.add_run("orders", "running")
    options = {"task_id": "sense", "pipeline_id": "orders", "pipeline_run_id": run["pipeline_run_id"], **own}
    with DAG("paused", schedule=None, default_args=defaults):
        deferred = MParticlePipelineRunSensor(**{**options, "deferrable": True})
        rescheduled = MParticlePipelineRunSensor(**{**options, "task_id": "rescheduled", "mode": "reschedule"})

    with pytest.raises(TaskDeferred) as stored:
        deferred.resume_execution("execute", {}, {})
    with pytest.raises(AirflowRescheduleException) as again:
        rescheduled.resume_execution("execute", {}, first_poll())

    assert pause == stored.value.trigger.serialize()[1]["poll_interval"]
    shortest = resume_delay_s()  # Airflow's scheduler can fail a task that comes back sooner
    assert shortest - 5 < (again.value.reschedule_date - datetime.now(UTC)).total_seconds() <= max(pause, shortest)


def first_poll(seconds_ago: float = 0) -> Any:
    """The context of a rescheduled task that polled for the first time some seconds ago."""
    began = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    ti = SimpleNamespace(get_first_reschedule_date=lambda _: began, max_tries=0, try_number=1)
    return {"ti": ti, "task_state_store": Store()}


@pytest.mark.parametrize("flags", [{}, {"silent_fail": True}, {"never_fail": True}, {"soft_fail": True}], ids=str)
@pytest.mark.parametrize("state", ["failed", "success"])
def test_a_run_that_has_ended_ends_a_rescheduled_wait(simulator: Simulator, flags: dict[str, Any], state: str) -> None:
    """With silent_fail, Airflow's own loop would poll a failed run until the timeout."""
    run = simulator.add_run("orders", state)
    waiting = sensor(pipeline_run_id=run["pipeline_run_id"], mode="reschedule", deferrable=False, **flags)

    if state == "success":
        assert "success" == waiting.resume_execution("execute", {}, first_poll())["state"]
        return
    with pytest.raises((RunFailedError, AirflowSkipException)) as ended:
        waiting.resume_execution("execute", {}, first_poll())
    assert (AirflowSkipException if {*flags} & {"never_fail", "soft_fail"} else RunFailedError) is type(ended.value)


@pytest.mark.parametrize("limits", [{"timeout": 25}, {"execution_timeout": timedelta(seconds=25)}], ids=str)
def test_both_limits_bound_a_rescheduled_wait(simulator: Simulator, limits: dict[str, Any]) -> None:
    """Airflow counts execution_timeout again for each poll, and a pause must not continue after the deadline."""
    run = simulator.add_run("orders", "running")
    usual = {"pipeline_run_id": run["pipeline_run_id"], "poll_interval": 60, "timeout": 900, "mode": "reschedule"}
    waiting = sensor(**{**usual, "deferrable": False, **limits})

    with pytest.raises(AirflowRescheduleException) as again:
        waiting.resume_execution("execute", {}, first_poll())
    assert (again.value.reschedule_date - datetime.now(UTC)).total_seconds() <= 25
    with pytest.raises(AirflowSensorTimeout, match="its last known state is running"):
        sensor(**{**usual, "deferrable": False, **limits}).resume_execution("execute", {}, first_poll(seconds_ago=26))


Sleeps = Callable[..., None]


@pytest.fixture
def sleeps(monkeypatch: pytest.MonkeyPatch) -> Sleeps:
    """Stop the clock of the worker: only its sleeps take time, and none in reality. A function may act at each."""

    def watch(act: Callable[[], object] = lambda: None) -> None:
        began, slept_s = time.time(), [0.0]

        def sleep(seconds: float) -> None:
            slept_s[0] += seconds + 0.001  # as a real one, never less
            act()

        clock = SimpleNamespace(time=lambda: began + slept_s[0], monotonic=lambda: slept_s[0], sleep=sleep)
        for module in ("tasks.waiting", "tasks.sensor", "client.clocks"):
            monkeypatch.setattr(f"airflow_provider_mparticle.{module}.time", clock)

    return watch


NEVER_POLLED: Any = {
    "ti": SimpleNamespace(get_first_reschedule_date=lambda _: None, max_tries=0, try_number=1),
    "task_state_store": Store(),
}


@pytest.mark.parametrize(("timeout", "seconds_ago"), [(0.5, None), (25, 24)], ids=["first poll", "last polls"])
def test_the_last_seconds_of_a_rescheduled_wait_pass_in_the_worker(
    simulator: Simulator, sleeps: Sleeps, timeout: float, seconds_ago: float | None
) -> None:
    """Airflow's scheduler can fail a task that comes back within them."""
    sleeps()
    run = simulator.add_run("orders", "running")
    options = {"pipeline_run_id": run["pipeline_run_id"], "mode": "reschedule", "deferrable": False}
    context = NEVER_POLLED if seconds_ago is None else first_poll(seconds_ago)

    with pytest.raises(AirflowSensorTimeout, match="its last known state is running"):
        sensor(**options, timeout=timeout).resume_execution("execute", {}, context)

    assert simulator.count("GET", f"/runs/{run['pipeline_run_id']}") > 2


def test_progress_is_logged_when_it_changes(
    simulator: Simulator, sleeps: Sleeps, caplog: pytest.LogCaptureFixture
) -> None:
    """A wait of hours must not fill the log with the same line."""
    caplog.set_level(logging.INFO, "airflow_provider_mparticle")
    simulator.script_next_run("orders", [("queued", 1000.0), ("running", 1000.0), ("success", None)])
    sleeps(lambda: simulator.advance(400.0))
    run_id = simulator._workspace.trigger("orders").run_id

    directly(pipeline_run_id=run_id)

    said = [record.getMessage() for record in caplog.records if " is " in record.getMessage()]
    assert [f"Run {run_id} is in state '{state}'." for state in ("queued", "running")] == said
    assert 4 < simulator.count("GET", "/runs/")


# In a DAG


def test_it_waits_in_a_dag(in_dag: Sense, simulator: Simulator, mode: dict[str, Any]) -> None:
    """Airflow renders the templates, stores the trigger, runs it and resumes the task."""
    run = simulator.add_run("orders", "running", ends_in_s=0.5)

    result = in_dag(pipeline_run_id="{{ params.run_id }}", params={"run_id": run["pipeline_run_id"]}, **mode)

    assert ("success", run["pipeline_run_id"]) == (result["state"], result["pipeline_run_id"])


def test_a_rescheduled_poll_obeys_retry_after(simulator: Simulator) -> None:
    """Airflow makes the pauses in this mode, so the task must request a longer one."""
    simulator.add_run("orders", state="running")
    simulator.fail_next(429, path="/status", headers={"Retry-After": "40"})
    waiting = sensor(mode="reschedule", deferrable=False)

    found = waiting.poke(NEVER_POLLED)

    assert not found
    assert 40 == waiting.poke_interval
