"""Whole DAGs on a real Airflow, in process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator
from airflow_provider_mparticle.simulator import Simulator


def test_a_deferred_trigger_succeeds(run_dag: Callable[[Any], Any], simulator: Simulator) -> None:
    """The main job, without a worker slot."""
    with DAG("deferred_trigger", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        MParticleTriggerPipelineOperator(task_id="sync", pipeline_id="orders", deferrable=True, poll_interval=0.2)

    run = run_dag(dag)

    assert "success" == run.state
    assert 1 == simulator.starts("orders")
