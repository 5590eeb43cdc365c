"""The metrics that a StatsD server receives over UDP while DAGs run on a real Airflow."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, conf
from telemetry.statsd_server import StatsdServer

from airflow_provider_mparticle.client.errors import RunFailedError, RunLostError, RunTimeoutError
from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault
from airflow_provider_mparticle.telemetry.metrics import IN_TRIGGERER, IN_WORKER, METRICS, Metrics

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "metrics.md"


@pytest.fixture
def statsd(monkeypatch: pytest.MonkeyPatch) -> Iterator[StatsdServer]:
    """A StatsD server for this process's Airflow, configured as in workers and triggerers."""
    server = StatsdServer()
    settings = {"STATSD_ON": True, "STATSD_HOST": "127.0.0.1", "STATSD_PORT": server.port, "STATSD_PREFIX": "airflow"}
    for name, value in {**settings, "STATSD_INFLUXDB_ENABLED": True}.items():
        monkeypatch.setenv(f"AIRFLOW__METRICS__{name}", str(value))
    _set_up_stats()
    yield server
    monkeypatch.undo()
    _set_up_stats()
    server.close()


def _set_up_stats() -> None:
    stats = {id(metrics._stats): metrics for metrics in (IN_WORKER, IN_TRIGGERER)}
    for metrics in stats.values():
        if not hasattr(metrics._stats, "initialize"):  # Airflow before 3.3 sets it up by itself, when it is imported
            module = importlib.import_module(metrics._stats.__module__)
            monitored = importlib.import_module("airflow.metrics.statsd_logger").get_statsd_logger
            nothing = importlib.import_module("airflow.metrics.base_stats_logger").NoStatsLogger
            type(metrics._stats).factory = monitored if conf.getboolean("metrics", "statsd_on") else nothing
            module.Stats.instance = None
            continue
        core = "sdk." if metrics is IN_WORKER else ""
        utils = importlib.import_module(f"airflow.{core}observability.metrics.stats_utils")
        if inspect.signature(utils.get_stats_factory).parameters:  # Airflow 3.2
            metrics._stats.initialize(factory=utils.get_stats_factory(metrics._stats))
        else:
            metrics._stats.initialize(factory=utils.get_stats_factory(), export_legacy_names=False)


def trigger(dag_id: str, **options: Any) -> DAG:
    """A DAG that syncs ``orders``."""
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        MParticleTriggerPipelineOperator(
            task_id="sync", pipeline_id="orders", **{"poll_interval": 0.2, "timeout": 60, **options}
        )
    return dag


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "in the worker"])
def test_a_run_is_measured_once(
    run_dag: Callable[[Any], Any], simulator: Simulator, statsd: StatsdServer, deferrable: bool
) -> None:
    """The worker or the triggerer sees the end of the run."""
    simulator.script_next_run("orders", successful_records=90, failed_records=10)

    run_dag(trigger(f"measured_{deferrable}", deferrable=deferrable))

    heard = statsd.metrics()
    [run] = simulator.runs("orders")
    took = datetime.fromisoformat(run["ended_on"]) - datetime.fromisoformat(run["started_on"])
    assert took.total_seconds() * 1000 == pytest.approx(
        heard["mparticle.run.duration", "pipeline=orders,outcome=success"]
    )
    assert 90 == heard["mparticle.records", "pipeline=orders,outcome=ingested"]
    assert 10 == heard["mparticle.records", "pipeline=orders,outcome=rejected"]
    polls = heard["mparticle.polls", "pipeline=orders,outcome=success"]
    assert simulator.count("GET", "/status/runs/") <= polls <= simulator.count("GET", "")


def test_a_run_that_fails_is_measured(
    run_dag: Callable[[Any], Any], simulator: Simulator, statsd: StatsdServer
) -> None:
    """An alert on the share of failed runs needs them."""
    simulator.script_next_run("orders", errors=["The warehouse is closed."])

    run_dag(trigger("measured_failure"))

    assert 0 < statsd.metrics()["mparticle.run.duration", "pipeline=orders,outcome=failed"]


def test_polls_and_retries_name_what_went_wrong(
    run_dag: Callable[[Any], Any], simulator: Simulator, statsd: StatsdServer
) -> None:
    """An increase shows a problem of mParticle or the network before a task fails."""
    simulator.inject(Fault(method="POST", path="/trigger", status=429, headers={"Retry-After": "0"}))
    simulator.inject(Fault(method="GET", path="/status/runs/", status=502, times=2))

    run_dag(trigger("measured_trouble"))

    heard = statsd.metrics()
    assert 1 == heard["mparticle.retries", "pipeline=orders,outcome=RateLimitedError"]
    assert 2 == heard["mparticle.polls", "pipeline=orders,outcome=ServerError"]


def test_a_sensor_measures_what_it_has_waited_for(
    run_dag: Callable[[Any], Any], simulator: Simulator, statsd: StatsdServer
) -> None:
    """A rescheduled sensor is tested, too."""
    simulator.add_run("orders", "success")
    with DAG("measured_sensor", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        MParticlePipelineRunSensor(task_id="wait", pipeline_id="orders", mode="reschedule", timeout=60)

    run_dag(dag)

    heard = statsd.metrics()
    assert 1000 == heard["mparticle.records", "pipeline=orders,outcome=ingested"]


@pytest.mark.parametrize(
    ("error", "word"),
    [(None, "success"), (RunFailedError, "failed"), (RunTimeoutError, "timeout"), (RunLostError, "lost")],
)
def test_the_outcome_is_one_of_few_words(statsd: StatsdServer, error: Any, word: str) -> None:
    """Each value of a tag is a separate time series."""
    run = {"pipeline_id": "orders", "started_on": "2026-11-01T00:00:00+00:00", "ended_on": "2026-11-01T00:00:02+00:00"}

    IN_WORKER.run_ended(Outcome(run, error and error("It did not work.")))

    assert {("mparticle.run.duration", f"pipeline=orders,outcome={word}"): 2000.0} == dict(statsd.metrics())


@pytest.mark.parametrize(
    ("started_on", "ended_on"), [(None, None), ("2026-11-01T00:00:00+00:00", None), ("2026-11-02", "2026-11-01")]
)
def test_what_mparticle_does_not_say_is_not_measured(statsd: StatsdServer, started_on: Any, ended_on: Any) -> None:
    """A wrong value in a chart would be worse than a missing one."""
    IN_WORKER.run_ended(Outcome({"pipeline_id": "orders", "started_on": started_on, "ended_on": ended_on}))

    assert {} == dict(statsd.metrics())


def test_a_metric_that_cannot_be_sent_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The task succeeds, because its run has succeeded."""
    Metrics("no.such.module").run_ended(Outcome({"pipeline_id": "orders", "successful_records": 1}))

    assert "The metric mparticle.records could not be sent." in caplog.text


def test_the_page_names_only_metrics_that_are_sent() -> None:
    """An alert on a metric that does not exist never fires. Its table is made from the code."""
    named = re.findall(r"`(mparticle\.[a-z.]+)`", PAGE.read_text())

    assert named
    assert set(named) <= {metric.name for metric in METRICS}
