"""
Fills Airflow's database with tasks that wait in the triggerer, as if a scheduler and workers had deferred them.

On two cores, a scheduler and its workers defer about three tasks per second, so ten thousand would take an hour. The
rows are made by Airflow's own models, with the arguments that a worker passes. Run it in the environment of that
Airflow.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
from airflow.models.dag_version import DagVersion
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.sdk import DAG
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType

from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator
from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger

DAG_ID = "waits"
RUN_ID = "manual__waits"
DEADLINE = timedelta(hours=6)


def insert_waits(run_ids: dict[str, int], poll_interval_s: float, run_s: float) -> None:
    """
    Add a deferred task for each run.

    :param run_ids: The pipelines, and the id of the run of each.
    :param run_s: How long the pipelines' last runs took, which a worker finds out when it starts a run.
    """
    now = datetime.now(UTC)
    task = _registered()
    with create_session() as session:
        version = DagVersion.get_latest_version(DAG_ID, session=session)
        session.add(
            DagRun(
                DAG_ID,
                RUN_ID,
                run_after=now,
                start_date=now,
                state=DagRunState.RUNNING,
                run_type=DagRunType.MANUAL,
                triggered_by=DagRunTriggeredByType.TEST,
            )
        )
        session.flush()
        triggers = [
            Trigger.from_object(
                MParticlePipelineRunTrigger(
                    "mparticle_default", pipeline, run_id, poll_interval_s, now + DEADLINE, 0.0, None, now, [run_s]
                )
            )
            for pipeline, run_id in run_ids.items()
        ]
        session.add_all(triggers)
        session.flush()
        session.add_all(_deferred(task, version.id, number, trigger.id) for number, trigger in enumerate(triggers))


def _registered() -> Any:
    """Put the DAG into the database as the DAG processor does, and return its task."""
    with DAG(DAG_ID, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        task = MParticleTriggerPipelineOperator(task_id="sync", pipeline_id="pipeline", deferrable=True)
    DagBundlesManager().sync_bundles_to_db()
    bag = DagBag(dag_folder=os.devnull, collect_dags=False)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, "dags-folder", None)
    return task


def _deferred(task: Any, version_id: Any, map_index: int, trigger_id: int) -> TaskInstance:
    ti = TaskInstance(task, version_id, RUN_ID, TaskInstanceState.DEFERRED, map_index)
    ti.try_number = 1
    ti.start_date = datetime.now(UTC)
    ti.next_method = "execute_complete"
    ti.next_kwargs = {}
    ti.trigger_id = trigger_id
    return ti


if __name__ == "__main__":
    insert_waits(**json.load(sys.stdin))
