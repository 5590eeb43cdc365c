"""Create a Warehouse Sync pipeline if it does not exist, run it once, and wait for it without a worker slot."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.operators import (
    MParticleCreatePipelineOperator,
    MParticleTriggerPipelineOperator,
)

with DAG(
    "mparticle_create_and_run_pipeline",
    description="Create a pipeline if it does not exist, run it once and wait for it",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    tags=["mparticle"],
    doc_md=__doc__,
) as dag:
    # [START create]
    create = MParticleCreatePipelineOperator(
        task_id="create",
        pipeline_id="orders-on-demand",
        name="Daily orders",
        connection_id="warehouse",
        data_model_id="orders-model",
        sync_mode={"type": "full"},
        schedule={"type": "on_demand"},
        environment="development",
        if_exists="reuse",
    )
    # [END create]
    # [START trigger]
    sync = MParticleTriggerPipelineOperator(
        task_id="sync",
        pipeline_id="orders-on-demand",
        deferrable=True,
        poll_interval=5,
        timeout=60 * 60,
    )
    # [END trigger]
    create >> sync
