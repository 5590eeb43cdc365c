"""A DAG whose tasks render a secret, in tasks that are mapped and in one that is not."""

from __future__ import annotations

from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.operators import MParticleCreatePipelineOperator

KEY = "{{ var.value.a_feed }}"  # Airflow takes a variable for a secret only if its name says so
FIELDS = {
    "name": "Refunds",
    "connection_id": "warehouse",
    "data_model_id": "orders-model",
    "sync_mode": {"type": "full"},
    "schedule": {"type": "on_demand"},
    "partner_feed_id": 11,
}

with DAG("feed_keys", schedule=None, start_date=datetime(2026, 1, 1)):
    MParticleCreatePipelineOperator(task_id="one", pipeline_id="one", partner_feed_key=KEY, **FIELDS)
    of_many = MParticleCreatePipelineOperator.partial(**FIELDS, task_id="of_many", partner_feed_key=KEY)
    of_many.expand(pipeline_id=["many", "more"])
    own_key = MParticleCreatePipelineOperator.partial(**FIELDS, task_id="own_key", pipeline_id="own")
    own_key.expand(partner_feed_key=[KEY])
