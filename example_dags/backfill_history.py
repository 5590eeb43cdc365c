"""
Ingest history day by day with a full, on-demand pipeline. Each DAG run syncs the day of its data interval.

``airflow backfill create --dag-id mparticle_backfill_history --from-date 2026-01-01 --to-date 2026-01-30`` ingests
30 days. The schedule then ingests each day after its end.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

from airflow_provider_mparticle.operators import MParticleSyncSliceOperator

with DAG(
    "mparticle_backfill_history",
    description="Ingest history day by day",
    schedule=CronDataIntervalTimetable("@daily", timezone="UTC"),
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    tags=["mparticle"],
    doc_md=__doc__,
) as dag:
    # [START sync_slice]
    MParticleSyncSliceOperator(
        task_id="sync_slice",
        pipeline_id="orders-by-day",
        data_model_id="orders-by-day-model",
        sql="""
            SELECT id, email, updated_at
            FROM shop.public.orders
            WHERE updated_at >= '{{ window_start }}' AND updated_at < '{{ window_end }}'
        """,
        if_running="wait",
        deferrable=True,
    )
    # [END sync_slice]
