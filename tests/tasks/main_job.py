"""The main job as a DAG: create a pipeline, trigger it in one task, and wait for its run in another."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.operators import MParticleCreatePipelineOperator, MParticleTriggerPipelineOperator
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor

REFUNDS = {
    "pipeline_id": "refunds",
    "name": "Refunds",
    "connection_id": "warehouse",
    "data_model_id": "orders-model",
    "sync_mode": {"type": "full"},
    "schedule": {"type": "on_demand"},
}


def main_job(
    dag_id: str, *, deferrable: bool = True, default_args: dict[str, Any] | None = None, **changes: Any
) -> DAG:
    """
    Return the DAG, with the tasks create, trigger and sense.

    :param deferrable: Whether the trigger operator and the sensor defer.
    :param default_args: Those of the DAG. Default: none.
    :param changes: Changed or additional arguments of the task create.
    """
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1), default_args=default_args or {}) as dag:
        create = MParticleCreatePipelineOperator(task_id="create", **{**REFUNDS, "if_exists": "reuse", **changes})
        trigger = MParticleTriggerPipelineOperator(
            task_id="trigger", pipeline_id="refunds", wait_for_completion=False, deferrable=deferrable
        )
        sense = MParticlePipelineRunSensor(
            task_id="sense",
            pipeline_id="refunds",
            pipeline_run_id="{{ ti.xcom_pull('trigger')['pipeline_run_id'] }}",
            deferrable=deferrable,
            poll_interval=0.3,
            timeout=60,
        )
        create >> trigger >> sense
    return dag
