"""
Start a DAG after each successful run that mParticle scheduled itself. Needs Airflow 3.

The DAG does not poll and does not use a worker: the triggerer watches the pipeline, and each successful run is an event
of the pipeline's asset. `WORKSPACE_ID` is the workspace id of your Airflow connection.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.sdk import DAG, AssetWatcher, task

from airflow_provider_mparticle.assets import pipeline_asset
from airflow_provider_mparticle.event_triggers import MParticlePipelineRunEventTrigger

WORKSPACE_ID = 1234

# [START event_driven]
orders = pipeline_asset(
    WORKSPACE_ID,
    "orders",
    watchers=[AssetWatcher(name="orders_runs", trigger=MParticlePipelineRunEventTrigger("orders"))],
)

with DAG(
    "mparticle_start_by_scheduled_runs",
    description="Start after each successful run that mParticle scheduled itself",
    schedule=[orders],
    start_date=datetime(2026, 1, 1),
    catchup=False,
    doc_md=__doc__,
    tags=["mparticle"],
) as dag:

    @task
    def report(triggering_asset_events: Any = None) -> list[Any]:
        """Return the ids of the runs that started this DAG run: several, if they ended at about the same time."""
        events = [event for of_one_asset in triggering_asset_events.values() for event in of_one_asset]
        runs = [event.extra["payload"] for event in events]
        for run in runs:
            print(f"Run {run['pipeline_run_id']} read up to {run['range_end']}: {run['successful_records']} records.")
        return [run["pipeline_run_id"] for run in runs]

    report()
# [END event_driven]
