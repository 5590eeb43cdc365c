"""Start a run in one task and wait for it in another, so that other tasks can run meanwhile."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor

with DAG(
    "mparticle_trigger_then_sense",
    description="Start a run in one task and wait for it in another",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    tags=["mparticle"],
    doc_md=__doc__,
) as dag:
    # [START trigger_then_sense]
    trigger = MParticleTriggerPipelineOperator(
        task_id="trigger",
        pipeline_id="orders",
        wait_for_completion=False,
    )
    wait = MParticlePipelineRunSensor(
        task_id="wait",
        pipeline_id="orders",
        pipeline_run_id="{{ ti.xcom_pull('trigger')['pipeline_run_id'] }}",
        deferrable=True,
        timeout=2 * 60 * 60,
    )
    trigger >> wait
    # [END trigger_then_sense]
