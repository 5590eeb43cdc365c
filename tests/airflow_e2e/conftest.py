"""One complete Airflow for the tests of this folder, with its simulator."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from telemetry.statsd_server import StatsdServer

from airflow_provider_mparticle.simulator import Simulator
from dev.standalone import StandaloneAirflow, standalone_airflow

EXAMPLES = Path(__file__).parents[2] / "example_dags"
# The DAG files that the tests need. Airflow starts the scheduled ones by itself, and their runs would be counted too.
TRIGGERED = ("create_and_run_pipeline.py", "trigger_then_sense.py")
FEED_KEYS = Path(__file__).with_name("feed_keys.py")


@pytest.fixture(scope="session")
def e2e_simulator() -> Iterator[Simulator]:
    """A simulator that serves the whole session; a run ends when the test says so."""
    with Simulator(run_s=3600.0) as simulator:
        simulator.add_pipeline("orders")
        yield simulator


@pytest.fixture(scope="session")
def statsd() -> Iterator[StatsdServer]:
    """A StatsD server that the Airflow sends its metrics to."""
    server = StatsdServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def feed_key() -> str:
    """The secret that the DAG of `FEED_KEYS` renders."""
    return secrets.token_urlsafe()


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, e2e_simulator: Simulator, statsd: StatsdServer, feed_key: str
) -> Iterator[StandaloneAirflow]:
    """A complete Airflow that logs at DEBUG, with example DAGs."""
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    dags.mkdir()
    for path in (*(EXAMPLES / name for name in TRIGGERED), FEED_KEYS):
        shutil.copy(path, dags)
    environment = {
        "AIRFLOW_CONN_MPARTICLE_DEFAULT": e2e_simulator.airflow_connection_json(),
        "AIRFLOW_VAR_A_FEED": feed_key,
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG",
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_PORT": str(statsd.port),
        "AIRFLOW__METRICS__STATSD_INFLUXDB_ENABLED": "True",
        "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "mparticle",
    }
    with standalone_airflow(home, dags, **environment) as airflow:
        yield airflow
