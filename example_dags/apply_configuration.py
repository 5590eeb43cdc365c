"""Apply the document `workspace.yaml` to the workspace, then run the pipeline that it describes."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.operators import MParticleApplyOperator, MParticleTriggerPipelineOperator

with DAG(
    "mparticle_apply_configuration",
    description="Apply a document to the workspace, then run a pipeline that it describes",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"retries": 2, "retry_delay": timedelta(seconds=10)},
    tags=["mparticle"],
    doc_md=__doc__,
) as dag:
    # [START apply]
    apply = MParticleApplyOperator(
        task_id="apply",
        spec=str(Path(__file__).with_name("workspace.yaml")),
    )
    # [END apply]
    sync = MParticleTriggerPipelineOperator(
        task_id="sync",
        pipeline_id="daily-orders",
        deferrable=True,
        poll_interval=5,
        timeout=60 * 60,
    )
    apply >> sync
