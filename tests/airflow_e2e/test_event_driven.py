"""A DAG that starts by the runs that mParticle schedules, on a real Airflow whose triggerer is killed repeatedly."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from pathlib import Path

import pytest

from airflow_provider_mparticle.simulator import Simulator
from dev.standalone import StandaloneAirflow, standalone_airflow

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

EXAMPLE = Path(__file__).parents[2] / "example_dags" / "start_by_scheduled_runs.py"
DAG_ID = "mparticle_start_by_scheduled_runs"
# Seconds from the end of a run until the triggerer is killed: before its poll, during it, and after it.
DEATHS_AFTER_S = (0.3, 1.2, 2.0, 4.0)
# A killed triggerer's work is taken over after some 10 s. Only a hang takes as long as this.
NOTICED_WITHIN_S = 300.0


def asset_events(airflow: StandaloneAirflow) -> list[int]:
    """Return the runs of the asset events, in the order of the events."""
    with sqlite3.connect(f"file:{airflow.home}/airflow.db?mode=ro", uri=True) as database:
        rows = database.execute("select extra from asset_event order by id").fetchall()
    return [json.loads(extra)["payload"]["pipeline_run_id"] for (extra,) in rows]


def is_watching(airflow: StandaloneAirflow) -> bool:
    """Return whether the first poll has stored the runs that had ended before."""
    with sqlite3.connect(f"file:{airflow.home}/airflow.db?mode=ro", uri=True) as database:
        return database.execute("select count(*) from asset_state_store").fetchone()[0] > 0


def wait_for_events(airflow: StandaloneAirflow, runs: list[int]) -> None:
    """Wait until each of these runs has an asset event."""
    airflow.wait_until(lambda: set(runs) <= set(asset_events(airflow)), NOTICED_WITHIN_S, f"events of {runs}")


def test_no_run_is_lost_while_triggerers_die(tmp_path: Path) -> None:
    """Each run starts the DAG, whether it ends while a triggerer runs, is killed, or is down."""
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / EXAMPLE.name).write_text(
        EXAMPLE.read_text().replace('EventTrigger("orders")', 'EventTrigger("orders", poll_interval=1)')
    )
    with Simulator() as simulator:
        simulator.add_pipeline("orders")
        simulator.add_run("orders", "success", "scheduled")  # before the first poll
        environment = {
            "AIRFLOW_CONN_MPARTICLE_DEFAULT": simulator.airflow_connection_json(),
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "3",
        }
        with standalone_airflow(tmp_path / "airflow", dags, **environment) as airflow:
            airflow.wait_until(lambda: is_watching(airflow), NOTICED_WITHIN_S, "the first poll")
            ended = []
            for seconds in DEATHS_AFTER_S:
                ended.append(simulator.add_run("orders", "success", "scheduled")["pipeline_run_id"])
                simulator.add_run("orders", "success", "manual")
                time.sleep(seconds)
                airflow.kill_component("triggerer")
                ended.append(simulator.add_run("orders", "success", "scheduled")["pipeline_run_id"])
                airflow.start_component("triggerer")
                wait_for_events(airflow, ended)
            ended.append(simulator.add_run("orders", "success", "scheduled")["pipeline_run_id"])
            wait_for_events(airflow, ended)
            airflow.wait_until(lambda: "success" in airflow.dag_run_states(DAG_ID), NOTICED_WITHIN_S, "a DAG run")
            told = Counter(asset_events(airflow))

    print(f"{len(ended)} runs, {len(DEATHS_AFTER_S)} kills, {sum(told.values())} events")
    assert set(ended) == set(told)
    assert sum(told.values()) <= len(ended) + len(DEATHS_AFTER_S)
