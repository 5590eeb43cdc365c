"""
Ingest history slice by slice, continue with an incremental pipeline, and verify that no row is missed or duplicated.

This DAG needs a full, on-demand pipeline ``orders-history`` with the data model ``orders-history-model``, and an
Airflow connection ``warehouse`` to the warehouse (any provider with a ``common-sql`` hook).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, BaseHook, task

from airflow_provider_mparticle.operators import (
    MParticleCreateDataModelOperator,
    MParticleCreatePipelineOperator,
    MParticlePausePipelineOperator,
    MParticlePlanSlicesOperator,
    MParticleSyncSliceOperator,
    MParticleTriggerPipelineOperator,
)
from airflow_provider_mparticle.pipeline_settings import IncrementalSync, OnDemand

TABLE = "main.orders"
QUERY = "SELECT id, email, updated_at FROM main.orders"

with DAG(
    "mparticle_historical_backfill_then_incremental",
    description="Ingest history slice by slice, then continue with an incremental pipeline",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    params={"start": "2026-01-01T00:00:00Z", "end": "2026-02-01T00:00:00Z"},
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    tags=["mparticle"],
    doc_md=__doc__,
) as dag:
    # [START plan]
    plan = MParticlePlanSlicesOperator(
        task_id="plan",
        sql_conn_id="warehouse",
        table=TABLE,
        time_column="updated_at",
        start="{{ params.start }}",
        end="{{ params.end }}",
        max_records=20_000_000,
    )
    slices = MParticleSyncSliceOperator.partial(
        task_id="sync_slice",
        pipeline_id="orders-history",
        data_model_id="orders-history-model",
        sql=QUERY,
        time_column="updated_at",
        if_running="wait",
        deferrable=True,
    ).expand_kwargs(plan.output)
    # [END plan]
    # [START hand_over]
    pause = MParticlePausePipelineOperator(task_id="pause_history", pipeline_id="orders-history")
    model = MParticleCreateDataModelOperator(
        task_id="create_model",
        data_model_id="orders-incremental-model",
        name="Orders",
        sql_query=QUERY,
        if_exists="reuse",
    )
    create = MParticleCreatePipelineOperator(
        task_id="create_incremental",
        pipeline_id="orders-incremental",
        name="Orders, from the end of history on",
        connection_id="warehouse",
        data_model_id="orders-incremental-model",
        sync_mode=IncrementalSync("updated_at", "timestamp", from_="{{ params.end }}"),
        schedule=OnDemand(),  # or Every("hourly"), and MParticlePipelineRunSensor(covers=...) instead of the trigger
        if_exists="reuse",
    )
    first = MParticleTriggerPipelineOperator(
        task_id="sync_increment", pipeline_id="orders-incremental", deferrable=True
    )
    # [END hand_over]

    # [START verify]
    @task
    def verify(planned: list[dict], synced: list[dict], increment: dict, end: str) -> int:
        """Compare the number of ingested records of each slice and of the increment with the rows in the warehouse."""
        rows = {one["window_start"]: one["rows"] for one in planned}
        ingested = {one["window_start"]: one["successful_records"] for one in synced}
        bounds = [datetime.fromisoformat(at) for at in (end, increment["range_end"])]
        warehouse = BaseHook.get_connection("warehouse").get_hook()
        is_later = f"updated_at >= '{bounds[0]}' AND updated_at <= '{bounds[1]}'"
        later = warehouse.get_first(f"SELECT COUNT(*) FROM {TABLE} WHERE {is_later}")[0]  # noqa: S608 - only datetimes
        rows["increment"], ingested["increment"] = later, increment["successful_records"]
        wrong = {span: (rows[span], ingested.get(span)) for span in rows if rows[span] != ingested.get(span)}
        if wrong:
            raise ValueError(f"Rows in the warehouse and rows ingested differ: {wrong}")
        return sum(ingested.values())

    validated = verify(plan.output["report"], slices.output, first.output, "{{ params.end }}")
    # [END verify]

    slices >> pause >> model >> create >> first >> validated
