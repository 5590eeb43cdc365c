"""The SQL of one slice, in the dialect of the warehouse."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlglot

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices.slice import Slice
from airflow_provider_mparticle.slices.slice_sql import restrict_to_slice
from airflow_provider_mparticle.slices.time_type import TIMESTAMP

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
DAY = Slice(FIRST, FIRST + timedelta(days=1))
DIALECTS = {"Snowflake": "snowflake", "Redshift": "redshift", "BigQuery": "bigquery", "Databricks": "databricks"}


@pytest.mark.parametrize(
    ("provider", "literal"),
    [
        ("Snowflake", "'2026-01-01 00:00:00+00:00'"),
        ("Redshift", "'2026-01-01 00:00:00+00:00'"),
        ("BigQuery", "TIMESTAMP '2026-01-01 00:00:00+00:00'"),
        ("databricks", "TIMESTAMP '2026-01-01 00:00:00+00:00'"),
        (None, "'2026-01-01 00:00:00+00:00'"),
    ],
)
def test_an_instant_is_written_as_the_warehouse_reads_it(provider, literal):
    """BigQuery and Databricks do not take a text for an instant in every comparison."""
    assert literal == TIMESTAMP.literal(FIRST.astimezone(timezone(timedelta(hours=5))), provider)


@pytest.mark.parametrize("provider", DIALECTS)
def test_the_query_is_valid_in_the_warehouse_s_dialect(provider):
    """A parser of that dialect reads it, and finds one statement that selects."""
    sql = restrict_to_slice("SELECT a.id, a.at FROM x.y.z AS a -- all\n", "at", DAY, provider)

    (statement,) = sqlglot.parse(sql, dialect=DIALECTS[provider])

    assert isinstance(statement, sqlglot.exp.Select)


def test_only_the_rows_of_the_slice_are_left_the_first_instant_in_and_the_last_out():
    """Slices touch, so a row on the boundary belongs to one of them."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE orders (id, at)")
    ats = [FIRST - timedelta(microseconds=1), FIRST, DAY.end - timedelta(microseconds=1), DAY.end]
    database.executemany("INSERT INTO orders VALUES (?, ?)", [(i, at.isoformat(sep=" ")) for i, at in enumerate(ats)])

    rows = database.execute(restrict_to_slice("SELECT id, at FROM orders WHERE id >= 0;", "at", DAY, None)).fetchall()

    assert [1, 2] == [row[0] for row in rows]


@pytest.mark.parametrize("column", ["", "at; DROP TABLE x", "o.at", "at)", "1at", "DATE(at)", '"a"b"'])
def test_what_is_no_column_is_refused(column):
    """The column of the wrapped query has one name; anything else is written in sql itself."""
    with pytest.raises(ConfigError, match="time_column"):
        restrict_to_slice("SELECT 1", column, DAY, None)


@pytest.mark.parametrize("column", ["at", "_updated$at", '"Updated At"', "`updated at`"])
def test_a_column_may_be_quoted(column):
    """Some warehouses fold names that are not."""
    assert f"{column} >= " in restrict_to_slice("SELECT 1", column, DAY, None)
