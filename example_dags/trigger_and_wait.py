"""Start one run of an existing pipeline, and wait for it in the triggerer."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator

with DAG(
    "mparticle_trigger_and_wait",
    description="Run an existing pipeline once and wait for it",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["mparticle"],
    doc_md=__doc__,
) as dag:
    # [START trigger_and_wait]
    MParticleTriggerPipelineOperator(
        task_id="sync_subscriptions",
        pipeline_id="subscriptions",
        deferrable=True,
        if_running="wait",
        timeout=2 * 60 * 60,
    )
    # [END trigger_and_wait]
