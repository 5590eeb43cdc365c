"""The SQL of a data model is rewritten for SQLite."""

from __future__ import annotations

import pytest

from airflow_provider_mparticle.simulator.sql_dialect import for_sqlite, names_in

TABLES = {"shop.public.orders": '"shop.public.orders"', "main.orders": '"orders"'}


@pytest.mark.parametrize(
    "name",
    [
        "shop.public.orders",
        "SHOP.Public.ORDERS",
        '"SHOP"."PUBLIC"."ORDERS"',
        "`shop`.`public`.`orders`",
        'shop."public".orders',
        "shop . public\n. orders",
        "`shop.public.orders`",
    ],
)
def test_a_qualified_name_becomes_sqlites_table(name):
    """SQLite has one qualifier at most. Warehouses have two, and several ways to quote."""
    assert 'SELECT o.id FROM "shop.public.orders" o' == for_sqlite(f"SELECT o.id FROM {name} o", TABLES)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'shop.public.orders' AS source",
        "SELECT 'it''s shop.public.orders' AS source",
        "SELECT o.id FROM shop.public.orders_old o",
        "SELECT o.id FROM backup.shop.public.orders o",
        "SELECT o.id FROM my_shop.public.orders o",
        "SELECT o.id FROM public.orders o",
        "SELECT o.orders FROM a.b.c o",
    ],
)
def test_a_text_and_a_name_that_only_contains_the_tables_are_left_alone(sql):
    """A replaced text would change the data; a replaced part of a name would read another table."""
    assert sql == for_sqlite(sql, TABLES)
    assert TABLES.keys().isdisjoint(names_in(sql))


@pytest.mark.parametrize(
    ("sql", "rewritten"),
    [
        ("SELECT orders.id FROM shop.public.orders", 'SELECT orders.id FROM "shop.public.orders" AS "orders"'),
        (
            "SELECT shop.public.orders.id FROM shop.public.orders WHERE 1",
            'SELECT "orders"."id" FROM "shop.public.orders" AS "orders" WHERE 1',
        ),
        ("SELECT id FROM main.orders", 'SELECT id FROM "orders" AS "orders"'),
        ("SELECT x.id FROM main.orders AS x", 'SELECT x.id FROM "orders" AS x'),
    ],
)
def test_a_table_without_an_alias_can_be_called_by_its_own_name(sql, rewritten):
    """Every warehouse allows it, and the table in SQLite has a longer name."""
    assert rewritten == for_sqlite(sql, TABLES)


@pytest.mark.parametrize(
    "instant",
    [
        "TIMESTAMP '2025-03-01'",
        "timestamp'2025-03-01'",
        "TIMESTAMP_NTZ '2025-03-01'",
        "DATETIME '2025-03-01'",
        "DATE '2025-03-01'",
        "'2025-03-01'::TIMESTAMP_NTZ",
        "'2025-03-01' :: timestamp_tz(9)",
        "'2025-03-01'::timestamp with time zone",
        "CAST('2025-03-01' AS TIMESTAMP)",
    ],
)
def test_the_spellings_of_an_instant_become_its_text(instant):
    """SQLite has no instants: it refuses most of these, and reads the last one as the number 2025."""
    assert "SELECT 1 WHERE t >= '2025-03-01' AND 1" == for_sqlite(f"SELECT 1 WHERE t >= {instant} AND 1", {})


def test_a_column_called_like_a_type_is_left_alone():
    """``timestamp`` and ``date`` are everyday names of columns."""
    sql = "SELECT o.timestamp, date FROM x o WHERE my_date = 'a' AND o.cast = 1"

    assert sql == for_sqlite(sql, {})


@pytest.mark.parametrize("comment", ["/* shop.public.orders */", "/* it's\n */", "-- it's shop.public.orders\n"])
def test_a_comment_means_nothing(comment):
    """A comment may hold a quote or a table, and one at the end must not hide what mParticle writes after it."""
    assert "SELECT 1  " == for_sqlite(f"SELECT 1 {comment}", {}).replace("\n", "")
    assert TABLES.keys().isdisjoint(names_in(f"SELECT 1 {comment}"))


def test_what_looks_like_a_comment_in_a_text_stays():
    """A text is data."""
    sql = """SELECT '--', '/* x */', "a -- b" """

    assert sql == for_sqlite(sql, {})
