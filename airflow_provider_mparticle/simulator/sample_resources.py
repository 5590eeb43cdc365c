"""What a pipeline needs around it, for those who only want the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_mparticle.simulator.resources import Kind

if TYPE_CHECKING:
    from airflow_provider_mparticle.simulator.http_messages import JsonObject


def ready_made(pipeline: JsonObject) -> list[tuple[Kind, JsonObject]]:
    """The resources a ready-made pipeline refers to, as a POST would send them."""
    return [
        (
            Kind.CONNECTION,
            {
                "id": pipeline["connection_id"],
                "name": "Simulated warehouse",
                "service_provider": "Snowflake",
                "config": {
                    "account_identifier": "simulated",
                    "region": "us-east-1",
                    "warehouse": "COMPUTE_WH",
                    "database": "SHOP",
                    "role": "MPARTICLE_ROLE",
                    "user": "MPARTICLE_USER",
                    "password": "simulated",
                },
            },
        ),
        (
            Kind.DATA_MODEL,
            {
                "id": pipeline["data_model_id"],
                "name": f"Model of {pipeline['id']}",
                "type": "sql",
                "config": {"sql_query": "SELECT o.id, o.email, o.updated_at FROM shop.public.orders o"},
            },
        ),
        (
            Kind.FIELD_TRANSFORMATION,
            {
                "id": pipeline.get("field_transformation_id"),
                "name": f"Mapping of {pipeline['id']}",
                "destination_type": "event_batch",
                "mappings": [
                    {
                        "mapping_type": "column",
                        "source": "email",
                        "destination": "user_identities.email",
                    }
                ],
            },
        ),
    ]
