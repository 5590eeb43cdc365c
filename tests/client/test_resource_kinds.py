"""The four kinds of resources have the names that routes, documents and messages use."""

from __future__ import annotations

from airflow_provider_mparticle.client.resource_kinds import DATA_MODEL, KINDS
from airflow_provider_mparticle.client.routes import DEFAULT_ROUTES


def test_a_kind_has_a_name_for_each_use() -> None:
    """One word stands for it in the code, one in routes and documents, and one in messages."""
    assert ("data_models", "data_model_id", "data model") == (DATA_MODEL.plural, DATA_MODEL.id_name, DATA_MODEL.title)
    assert "Data model 'orders'" == DATA_MODEL.named("orders")


def test_every_kind_has_two_routes() -> None:
    """One to all resources of the kind, and one to a single resource with its placeholder."""
    for kind in KINDS:
        assert f"{{{kind.id_name}}}" not in DEFAULT_ROUTES[kind.plural]
        assert f"{{{kind.id_name}}}" in DEFAULT_ROUTES[kind.name]


def test_a_kind_refers_to_earlier_kinds_only() -> None:
    """Plans create in this order and delete in the reverse order."""
    ids = [kind.id_name for kind in KINDS]

    for number, kind in enumerate(KINDS):
        assert set(kind.writable) & set(ids) <= set(ids[:number])
