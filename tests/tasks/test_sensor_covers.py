"""The sensor that waits until any run has read everything up to an instant."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    DAG,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)
from sensor_run import rebuilt, sense, sensor

from airflow_provider_mparticle.client.errors import ConfigError, RunTimeoutError
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault
from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger

AT = datetime(2026, 3, 1, tzinfo=UTC)
EARLIER, LATER = AT - timedelta(hours=1), AT + timedelta(hours=1)


@pytest.fixture(params=["worker", "triggerer", "reschedule"])
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each of the three modes, as arguments of the sensor."""
    modes = {"triggerer": {"deferrable": True}, "reschedule": {"mode": "reschedule"}}
    return {"deferrable": False, **modes.get(request.param, {})}


# What ends the wait


def test_a_run_that_reaches_the_instant_ends_the_wait(simulator: Simulator, mode: dict[str, Any]) -> None:
    """If mParticle schedules a pipeline, Airflow does not know the ids of its runs."""
    run = simulator.add_run("orders", "running", "scheduled", ends_in_s=0.3, range_end=AT, successful_records=42)

    result = sense(covers=AT, **mode)

    assert (run["pipeline_run_id"], "success", 42) == (
        result["pipeline_run_id"],
        result["state"],
        result["successful_records"],
    )
    assert AT.isoformat() == result["range_end"]


@pytest.mark.parametrize("kind", ["scheduled", "manual"])
def test_it_does_not_matter_who_started_the_run(simulator: Simulator, mode: dict[str, Any], kind: str) -> None:
    """The data is the same."""
    run = simulator.add_run("orders", "success", kind, range_end=LATER)

    result = sense(covers=AT, **mode)

    assert run["pipeline_run_id"] == result["pipeline_run_id"]
    assert (0, 1) == (simulator.starts("orders"), simulator.count("GET", "/"))


def test_a_run_that_ends_short_of_the_instant_is_not_enough(simulator: Simulator, mode: dict[str, Any]) -> None:
    """The scheduled run before the needed one always succeeds too."""
    simulator.add_run("orders", "success", "scheduled", range_end=EARLIER, logical_date=EARLIER)
    run = simulator.add_run("orders", "running", "scheduled", ends_in_s=0.3, range_end=AT, logical_date=AT)

    result = sense(covers=AT, **mode)

    assert run["pipeline_run_id"] == result["pipeline_run_id"]


def test_a_run_that_fails_does_not_end_the_wait(simulator: Simulator, mode: dict[str, Any]) -> None:
    """mParticle's schedule starts another run."""
    simulator.add_run("orders", "failed", "scheduled", range_end=AT, logical_date=AT)
    simulator.add_run("orders", "running", "scheduled", ends_in_s=0.1, ends_as="failed", range_end=AT, logical_date=AT)
    run = simulator.add_run("orders", "running", "scheduled", ends_in_s=0.4, range_end=LATER, logical_date=LATER)

    result = sense(covers=AT, **mode)

    assert run["pipeline_run_id"] == result["pipeline_run_id"]


def test_a_later_run_does_not_hide_the_one_that_covers(simulator: Simulator, mode: dict[str, Any]) -> None:
    """The status shows only the latest run, which may be in progress or may have failed."""
    run = simulator.add_run("orders", "success", "scheduled", range_end=AT, logical_date=AT)
    simulator.add_run("orders", "failed", "scheduled", range_end=LATER, logical_date=LATER)

    result = sense(covers=AT, **mode)

    assert run["pipeline_run_id"] == result["pipeline_run_id"]


def test_a_run_that_sorts_before_the_latest_one_ends_the_wait(simulator: Simulator, mode: dict[str, Any]) -> None:
    """If a logical date is where an interval begins, a manual run in mid-interval stays the latest one."""
    simulator.add_run("orders", "success", "manual", range_end=EARLIER, logical_date=EARLIER)
    day = {"range_end": AT, "logical_date": AT - timedelta(days=1)}
    run = simulator.add_run("orders", "running", "scheduled", ends_in_s=0.3, **day)

    result = sense(covers=AT, **mode)

    assert run["pipeline_run_id"] == result["pipeline_run_id"]


def test_it_waits_for_the_first_run_of_a_pipeline(simulator: Simulator, mode: dict[str, Any]) -> None:
    """A new pipeline has no runs, and no status for a minute."""
    simulator.fail_next(404, path="/status", times=2)
    run = simulator.add_run("orders", "running", "scheduled", ends_in_s=0.2, range_end=AT)

    result = sense(covers=AT, **mode)

    assert run["pipeline_run_id"] == result["pipeline_run_id"]


@pytest.mark.parametrize("layout", ["v2", "v1"])
def test_without_a_list_of_runs_the_status_is_used(
    start_simulator: Callable[..., Simulator], mode: dict[str, Any], layout: str
) -> None:
    """The routes for runs are an assumption."""
    simulator = start_simulator(layout=layout, run_routes=False)
    simulator.add_pipeline("orders")
    run = simulator.add_run("orders", "running", "scheduled", ends_in_s=0.3, range_end=AT)

    result = sense(covers=AT, **mode)

    assert run["pipeline_run_id"] == result["pipeline_run_id"]


def test_an_unreachable_api_does_not_end_the_wait(simulator: Simulator, mode: dict[str, Any]) -> None:
    """mParticle's schedule continues while its API is unreachable."""
    run = simulator.add_run("orders", "success", "scheduled", range_end=AT)
    simulator.inject(Fault(path="/status", status=503))
    simulator.inject(Fault(path="/status", lose="before"))

    result = sense(covers=AT, **mode)

    assert run["pipeline_run_id"] == result["pipeline_run_id"]
    assert 3 == simulator.count("GET", "/status")


# Timeouts


def test_a_timeout_names_the_instant_and_the_latest_run(simulator: Simulator, mode: dict[str, Any]) -> None:
    """The user can find out whether the schedule is paused, late, or set to another hour."""
    simulator.add_run("orders", "success", "scheduled", range_end=EARLIER, logical_date=EARLIER)
    latest = simulator.add_run("orders", "failed", "scheduled", range_end=AT, logical_date=AT)

    with pytest.raises(AirflowSensorTimeout, match="covers 2026-03-01T00:00:00") as jitter_up:
        sense(covers=AT, timeout=0.3, **mode)

    assert f"its latest run is {latest['pipeline_run_id']}, failed" in str(jitter_up.value)
    assert isinstance(jitter_up.value.__context__, RunTimeoutError)
    assert "orders" == jitter_up.value.__context__.pipeline_id


def test_a_timeout_without_any_run_says_so(simulator: Simulator, mode: dict[str, Any]) -> None:
    """Such a pipeline is probably not active."""
    with pytest.raises(AirflowSensorTimeout, match="it has shown no run"):
        sense(covers=AT, timeout=0.3, **mode)

    assert simulator.count("GET", "/status")


def test_a_timeout_skips_the_task_if_requested(simulator: Simulator, mode: dict[str, Any]) -> None:
    """A sensor that is not essential must not stop a DAG."""
    simulator.add_run("orders", "failed", "scheduled", range_end=AT)

    with pytest.raises(AirflowSkipException):
        sense(covers=AT, timeout=0.3, soft_fail=True, **mode)

    assert simulator.count("GET", "/status")


# Arguments


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("2026-03-01T00:00:00+00:00", id="ISO 8601"),
        pytest.param("2026-03-01 00:00:00+00:00", id="as Jinja writes a datetime"),
        pytest.param("2026-03-01", id="text without a zone"),
        pytest.param(datetime(2026, 3, 1), id="a datetime without a zone"),
        pytest.param(AT.astimezone(timezone(timedelta(hours=5))), id="another zone"),
    ],
)
def test_an_instant_may_be_written_in_many_ways(simulator: Simulator, given: datetime | str) -> None:
    """A template renders to text. Without a time zone it is UTC, in every time zone of the machine."""
    run = simulator.add_run("orders", "success", range_end=AT)
    simulator.add_run("orders", "success", range_end=AT - timedelta(seconds=1))

    result = sense(covers=given)

    assert run["pipeline_run_id"] == result["pipeline_run_id"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param({"covers": "tomorrow"}, "covers must be an ISO 8601 instant", id="no instant"),
        pytest.param({"covers": ""}, "covers must be an ISO 8601 instant", id="rendered to nothing"),
        pytest.param({"covers": "None"}, "covers must be an ISO 8601 instant", id="rendered to None"),
        pytest.param({"covers": AT, "pipeline_run_id": 7}, "pipeline_run_id=7 exclude each other", id="both"),
    ],
)
def test_what_cannot_be_waited_for_is_refused_before_anything_is_sent(
    simulator: Simulator, mode: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    """A wait for the wrong instant would end too early, or never."""
    simulator.add_run("orders", "success")

    with pytest.raises(AirflowFailException, match=said) as refused:
        sense(**options, **mode)

    assert isinstance(refused.value.__context__, ConfigError)
    assert [] == simulator.requests


# The trigger


@pytest.mark.parametrize(
    "covers",
    [AT, AT.replace(tzinfo=None), AT.astimezone(timezone(timedelta(hours=5))), AT.timestamp()],
    ids=["UTC", "no zone", "another zone", "seconds"],
)
def test_the_instant_survives_being_stored(covers: datetime | float) -> None:
    """Airflow stores a trigger as JSON, which has no instants."""
    original = MParticlePipelineRunTrigger("mparticle_default", "orders", None, 60, 0, covers=covers)

    again = rebuilt(rebuilt(original))

    assert AT.timestamp() == again.covers == again.serialize()[1]["covers"]


def test_the_sensor_hands_the_instant_to_its_trigger(simulator: Simulator) -> None:
    """Otherwise the triggerer would wait for the latest run, which always succeeds."""
    with pytest.raises(TaskDeferred) as deferred:
        sensor(covers=AT, deferrable=True).resume_execution("execute", {}, {})

    stored = deferred.value.trigger.serialize()[1]
    assert (AT.timestamp(), None) == (stored["covers"], stored["pipeline_run_id"])


def test_a_trigger_stored_without_an_instant_waits_for_its_run() -> None:
    """Tasks may be deferred while the provider is updated."""
    _, stored = MParticlePipelineRunTrigger("mparticle_default", "orders", 7, 60, 0).serialize()
    for new in ("covers", "began", "run_durations"):
        del stored[new]

    again = MParticlePipelineRunTrigger(**stored)

    assert (7, None, None, None) == (again.pipeline_run_id, again.covers, again.began, again.run_durations)


# In a DAG


def test_it_waits_for_the_end_of_a_data_interval(run_dag: Callable[[Any], Any], simulator: Simulator) -> None:
    """Airflow renders the template, stores the trigger, runs it and resumes the task."""
    now, found = datetime.now(UTC), {}
    simulator.add_run("orders", "success", "scheduled", range_end=now - timedelta(hours=1))
    run = simulator.add_run("orders", "running", "scheduled", ends_in_s=0.5, range_end=now + timedelta(hours=1))
    with DAG(f"sense_{time.monotonic_ns()}", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        sensor(
            covers="{{ data_interval_end }}",
            deferrable=True,
            on_success_callback=lambda context: found.update(context["ti"].xcom_pull(task_ids="sense")),
        )

    dag_run = run_dag(dag)

    assert ("success", run["pipeline_run_id"]) == (dag_run.state, found["pipeline_run_id"])
