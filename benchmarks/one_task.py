"""Counts the requests of one deferred task of ours, from start to success, with Airflow's ``dag.test()``."""

from __future__ import annotations

import os
from typing import Any

from benchmarks.environments import Environment, MeasurementError
from benchmarks.fake_api_control import FakeApiControl
from benchmarks.runs import IDLE

# How many polls find the run in progress.
POLLS = 5

Figures = dict[str, Any]


def results(ours: Environment, api: FakeApiControl) -> Figures:
    """Return the requests, or the key ``error``."""
    api.begin(polls=POLLS)
    try:
        figures = ours.run("one_task", api)
    except MeasurementError as error:
        return {"error": str(error)}
    return {**figures, **api.counts()}


def run_in_env(name: str, api: FakeApiControl) -> Figures:
    """Measure in our environment."""
    from airflow.utils.db import initdb

    initdb()
    state = _dag_run_state()
    from benchmarks.secrets_backend import CountingSecrets

    return {"lookups": CountingSecrets.lookups} | ({} if state == "success" else {"error": f"the DAG run is {state}"})


def _dag_run_state() -> str:
    """Run a DAG of one task, with worker and triggerer in this process, and return the state of the DAG run."""
    from airflow.sdk import DAG

    from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator

    with DAG("one_task", schedule=None) as dag:
        MParticleTriggerPipelineOperator(task_id="sync", pipeline_id=f"{IDLE}1", deferrable=True, poll_interval=1)
    _register(dag)
    return str(dag.test().state)


def _register(dag: Any) -> None:
    """Put a DAG into the database as the DAG processor does: Airflow runs serialized DAGs only."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db

    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=os.devnull, collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
