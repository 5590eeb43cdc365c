"""The main job works on a real scheduler, triggerer and API server."""

from __future__ import annotations

import sqlite3

import pytest
from telemetry.statsd_server import StatsdServer

from airflow_provider_mparticle.simulator import Simulator
from dev.standalone import StandaloneAirflow

pytestmark = pytest.mark.slow

# Only a hang takes as long as this.
ENDS_WITHIN_S = 300.0


def wait_until_deferred(airflow: StandaloneAirflow, dag_id: str, run_id: str, task_id: str) -> None:
    """Wait until a task waits in the triggerer."""

    def is_deferred() -> bool:
        return airflow.tasks(dag_id, run_id)[task_id]["state"] == "deferred"

    airflow.wait_until(is_deferred, ENDS_WITHIN_S, f"the deferral of {task_id}")


def test_a_pipeline_is_created_started_once_and_waited_for(
    airflow: StandaloneAirflow, e2e_simulator: Simulator, statsd: StatsdServer
) -> None:
    """The main job succeeds, even if the token expires while the task is deferred."""
    run_id = airflow.trigger("mparticle_create_and_run_pipeline")
    wait_until_deferred(airflow, "mparticle_create_and_run_pipeline", run_id, "sync")
    e2e_simulator.expire_tokens()
    e2e_simulator.end_runs()

    state = airflow.wait_for_end("mparticle_create_and_run_pipeline", run_id, ENDS_WITHIN_S)

    assert "success" == state
    assert 1 == e2e_simulator.starts("orders-on-demand")
    result = airflow.xcom("mparticle_create_and_run_pipeline", run_id, "sync")
    assert "success" == result["state"]
    heard = statsd.metrics()
    assert 1000 == heard["mparticle.records", "pipeline=orders-on-demand,outcome=ingested"]
    # A worker polls once before it defers. The triggerer makes every other poll.
    assert 2 <= heard["mparticle.polls", "pipeline=orders-on-demand,outcome=success"]
    assert result["pipeline_run_id"] == airflow.xcom(
        "mparticle_create_and_run_pipeline", run_id, "sync", "pipeline_run_id"
    )


def test_a_run_started_in_one_task_is_waited_for_in_another(
    airflow: StandaloneAirflow, e2e_simulator: Simulator
) -> None:
    """An XCom passes the run's id, as text, to a sensor that defers."""
    starts = e2e_simulator.starts("orders")

    run_id = airflow.trigger("mparticle_trigger_then_sense")
    wait_until_deferred(airflow, "mparticle_trigger_then_sense", run_id, "wait")
    e2e_simulator.end_runs()
    state = airflow.wait_for_end("mparticle_trigger_then_sense", run_id, ENDS_WITHIN_S)

    assert "success" == state
    assert starts + 1 == e2e_simulator.starts("orders")


def test_nothing_secret_is_logged_or_stored(
    airflow: StandaloneAirflow, e2e_simulator: Simulator, feed_key: str
) -> None:
    """Every component has logged these runs at DEBUG, with an expired token, and with tasks that render a secret."""
    run_id = airflow.trigger("feed_keys")
    assert "success" == airflow.wait_for_end("feed_keys", run_id, ENDS_WITHIN_S)
    secrets = [e2e_simulator.client_secret, feed_key, *e2e_simulator.token_values]
    written = "\n".join(path.read_text(errors="replace") for path in airflow.home.rglob("*.log"))
    with sqlite3.connect(airflow.home / "airflow.db") as database:
        stored = "\n".join(database.iterdump())

    leaked = [secret for secret in secrets if secret in written or secret in stored]

    assert "orders-on-demand" in written
    assert len(secrets) > 4
    assert [] == leaked
