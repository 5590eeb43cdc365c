"""The names that OpenLineage gives to the tables of a query, for each warehouse that mParticle reads from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openlineage.client.naming import dataset as naming

from airflow_provider_mparticle.client.models import WarehouseConnection
from airflow_provider_mparticle.telemetry.source_tables import Warehouse, source_tables, warehouse_of

SNOWFLAKE = Warehouse("snowflake://org-account", "shop", "public")


def connection(provider: str | None, **config: Any) -> WarehouseConnection:
    """mParticle's connection to a warehouse."""
    return WarehouseConnection("warehouse", service_provider=provider, config=config)


def names(sql: str, warehouse: Warehouse) -> list[str]:
    """Return the names of the tables of a query, which are all in the warehouse."""
    found = source_tables(sql, warehouse)
    assert {warehouse.namespace} >= {namespace for namespace, _ in found}
    return [name for _, name in found]


@pytest.mark.parametrize(
    ("provider", "config", "sql", "expected"),
    [
        pytest.param(
            "Snowflake",
            {"account_identifier": "org-account", "database": "shop"},
            "SELECT 1 FROM public.orders",
            naming.Snowflake("org", "account", "SHOP", "PUBLIC", "ORDERS"),
            id="Snowflake",
        ),
        pytest.param(
            "Redshift",
            {"host": "shop.abc123.us-west-2.redshift.amazonaws.com", "database": "Shop"},
            "SELECT 1 FROM Public.Orders",
            naming.Redshift("shop", "us-west-2", "5439", "shop", "public", "orders"),
            id="Redshift",
        ),
        pytest.param(
            "BigQuery",
            {"project_id": "my-shop", "dataset_id": "Main"},
            "SELECT 1 FROM `Orders`",
            naming.BigQuery("my-shop", "Main", "Orders"),
            id="BigQuery",
        ),
    ],
)
def test_names_are_those_of_openlineage_s_own_naming(provider: str, config: Any, sql: str, expected: Any) -> None:
    """Another spelling would be another table in the graph."""
    warehouse = warehouse_of(connection(provider, **config))

    assert warehouse
    assert [(expected.get_namespace(), expected.get_name())] == source_tables(sql, warehouse)


@pytest.mark.parametrize(
    ("provider", "config", "namespace"),
    [
        ("snowflake", {"account_identifier": "xy12345", "region": "us-east-1"}, "snowflake://xy12345.us-east-1.aws"),
        ("Snowflake", {"account_identifier": "xy12345"}, "snowflake://xy12345.us-west-1.aws"),
        (
            "Snowflake",
            {"account_identifier": "xy1.eu-west-1.aws", "region": "eu-west-1"},
            "snowflake://xy1.eu-west-1.aws",
        ),
        ("Snowflake", {"account_identifier": "org-account.snowflakecomputing.com"}, "snowflake://org-account"),
        ("Redshift", {"host": "warehouse.example.com", "port": 5440}, "redshift://warehouse.example.com:5440"),
        (
            "Redshift",
            {"host": "group.123.eu-west-1.redshift-serverless.amazonaws.com"},
            "redshift://group.eu-west-1:5439",
        ),
        ("Databricks", {"server_hostname": "dbc-1.cloud.databricks.com"}, "databricks://dbc-1.cloud.databricks.com"),
        ("Databricks", {"workspace_url": "https://dbc-1.example.com/"}, "databricks://dbc-1.example.com"),
    ],
)
def test_a_warehouse_is_named_by_its_config(provider: str, config: Any, namespace: str) -> None:
    """As Airflow's own providers of these warehouses name it."""
    warehouse = warehouse_of(connection(provider, **config))

    assert warehouse
    assert namespace == warehouse.namespace


@pytest.mark.parametrize(
    ("provider", "config"),
    [("Snowflake", {}), ("Redshift", {"database": "shop"}), ("Databricks", {}), ("Oracle", {"host": "x"}), (None, {})],
)
def test_a_warehouse_that_the_config_does_not_tell_has_no_name(provider: str | None, config: Any) -> None:
    """A guess in a graph of lineage is worse than a gap."""
    assert warehouse_of(connection(provider, **config)) is None


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1 FROM orders o JOIN crm.customers c ON true", ["SHOP.CRM.CUSTOMERS", "SHOP.PUBLIC.ORDERS"]),
        ('SELECT 1 FROM "Main"."orders"', ["SHOP.Main.orders"]),
        ("SELECT 1 FROM (SELECT 1 FROM a.b.c UNION ALL SELECT 1 FROM a.b.c)", ["A.B.C"]),
        ("WITH orders AS (SELECT 1 FROM a.b.orders) SELECT 1 FROM Orders", ["A.B.ORDERS"]),
        ("SELECT (SELECT max(x) FROM a.b.d) FROM a.b.c WHERE x IN (SELECT x FROM a.b.e)", ["A.B.C", "A.B.D", "A.B.E"]),
        ("SELECT 1 FROM a.b.c, LATERAL FLATTEN(input => c.items) f", ["A.B.C"]),
        ("SELECT 1", []),
        ("SELECT FROM WHERE", []),
        ("", []),
    ],
)
def test_every_table_of_a_query_is_named_once(sql: str, expected: list[str]) -> None:
    """Names that WITH defines are not tables, and functions are not tables either."""
    assert expected == names(sql, SNOWFLAKE)


# What may stand in a FROM beside tables, with the tables that it reads.
NO_TABLES = {
    "snowflake": [
        "a..b",  # the warehouse chooses the schema
        "TABLE(GENERATOR(ROWCOUNT => 5))",
        "TABLE(a.b.cut(1))",
        "LATERAL FLATTEN(input => x)",
        "(VALUES (1))",
        "IDENTIFIER('a.b.c')",
    ],
    "bigquery": [
        "a.cut(1)",
        "a.b.cut(1)",
        "ML.PREDICT(MODEL a.m, (SELECT 1))",
        "UNNEST([1])",
        "(SELECT (SELECT max(v) FROM t.items v) FROM UNNEST([1]) t)",
    ],
    "redshift": ["(SELECT 1)", "(SELECT 1 FROM (SELECT 1) t WHERE EXISTS (SELECT 1 FROM t.items i))"],
    "databricks": ["delta.`/mnt/orders`", "parquet.`s3://bucket/orders`", "range(10)", "a.b.cut(1)"],
}
COMMENTS = ["", " -- from x.y.z\n", " /* JOIN x.y.z */ "]


@given(data=st.data(), kind=st.sampled_from(sorted(NO_TABLES)))
def test_nothing_but_tables_gets_a_name(data: st.DataObject, kind: str) -> None:
    """A table that does not exist, in a graph of lineage, is worse than a gap."""
    tables = data.draw(
        st.lists(st.sampled_from(["main.shop.orders", "main.shop.refunds", "main.crm.users"]), unique=True)
    )
    others = data.draw(st.lists(st.sampled_from(NO_TABLES[kind]), max_size=3, unique=True))
    sources = data.draw(st.permutations([*tables, *others]))
    query = "SELECT 1"
    for number, source in enumerate(sources):
        comment = data.draw(st.sampled_from(COMMENTS))
        alias = "" if source.startswith("LATERAL") else f" s{number}"
        query = f"SELECT 1 FROM {source}{alias}{comment} WHERE 1 IN ({query})"

    found = names(query, Warehouse(f"{kind}://warehouse", "main", "shop"))

    assert sorted(tables) == [name.lower() for name in found]


def test_a_table_whose_full_name_is_not_known_is_left_out() -> None:
    """Only mParticle's user of the warehouse knows its default schema."""
    assert ["A.B.C"] == names("SELECT 1 FROM orders, b.c, a.b.c", Warehouse("snowflake://org-account"))


def test_a_warehouse_of_another_kind_is_read_in_the_dialect_that_fits() -> None:
    """The Airflow connection may name any."""
    assert ["shop.public.orders"] == names("SELECT 1 FROM shop.public.Orders", Warehouse("postgres://db:5432"))
