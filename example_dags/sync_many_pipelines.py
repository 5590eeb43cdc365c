"""
Sync many pipelines, a few at a time.

mParticle limits how many pipelines of a workspace may run at the same time. The group maps one task per pipeline and
keeps this limit. The grid shows the id of each pipeline, and you can retry or clear each pipeline separately.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.task_groups import mparticle_sync_group

with DAG(
    "mparticle_sync_many_pipelines",
    description="Run many pipelines, a few at a time",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
    doc_md=__doc__,
    tags=["mparticle"],
) as dag:
    # [START sync_group]
    mparticle_sync_group(
        ["customers", {"pipeline_id": "invoices", "min_records": 1}, "products", "refunds"],
        max_active=2,
        deferrable=True,
        if_running="wait",
    )
    # [END sync_group]
