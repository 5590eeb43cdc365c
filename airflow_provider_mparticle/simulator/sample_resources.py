"""Makes the sample resources that a pipeline refers to, so that a test only has to add the pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_mparticle.simulator.resources import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_mparticle.simulator.http_messages import JsonObject
    from airflow_provider_mparticle.simulator.resources import Resources


def missing_references(resources: Resources, pipeline: JsonObject) -> Iterator[tuple[Kind, JsonObject]]:
    """Yield each missing resource that a pipeline refers to, in the form of a POST."""
    for kind, resource in _samples(pipeline):
        if resource["id"] and not resources.has(kind, resource["id"]):
            yield kind, resource


def _samples(pipeline: JsonObject) -> list[tuple[Kind, JsonObject]]:
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
