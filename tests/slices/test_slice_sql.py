"""The SQL of one slice, in the dialect of the warehouse."""

from __future__ import annotations

import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices.slice import Slice
from airflow_provider_mparticle.slices.slice_sql import count_query, restrict_to_slice, sample_query

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
DAY = Slice(FIRST, FIRST + timedelta(days=1))
DIALECTS = {"Snowflake": "snowflake", "Redshift": "redshift", "BigQuery": "bigquery", "Databricks": "databricks"}


@pytest.mark.parametrize("provider", DIALECTS)
def test_the_query_is_valid_in_the_warehouse_s_dialect(provider):
    """A parser of that dialect reads one SELECT statement."""
    sql = restrict_to_slice("SELECT a.id, a.at FROM x.y.z AS a -- all\n", "at", DAY, provider)

    (statement,) = sqlglot.parse(sql, dialect=DIALECTS[provider])

    assert isinstance(statement, sqlglot.exp.Select)


def test_only_the_rows_of_the_slice_are_left_with_its_start_and_without_its_end():
    """Slices touch, so a row at the boundary belongs to one of them."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE orders (id, at)")
    ats = [FIRST - timedelta(microseconds=1), FIRST, DAY.end - timedelta(microseconds=1), DAY.end]
    database.executemany("INSERT INTO orders VALUES (?, ?)", [(i, at.isoformat(sep=" ")) for i, at in enumerate(ats)])

    rows = database.execute(restrict_to_slice("SELECT id, at FROM orders WHERE id >= 0;", "at", DAY, None)).fetchall()

    assert [1, 2] == [row[0] for row in rows]


@pytest.mark.parametrize("column", ["", "at; DROP TABLE x", "o.at", "at)", "1at", "DATE(at)", '"a"b"'])
def test_a_name_that_is_not_a_column_is_refused(column):
    """The column of the wrapped query has one name; for anything else the user writes the condition in sql."""
    with pytest.raises(ConfigError, match="time_column"):
        restrict_to_slice("SELECT 1", column, DAY, None)


@pytest.mark.parametrize("column", ["at", "_updated$at", '"Updated At"', "`updated at`"])
def test_a_column_may_be_quoted(column):
    """Some warehouses change the case of names without quotes."""
    assert f"{column} >= " in restrict_to_slice("SELECT * FROM a", column, DAY, None)


@pytest.mark.parametrize(("provider", "column"), [("BigQuery", '"at"'), ("Databricks", '"at"'), ("Snowflake", "`at`")])
def test_a_name_in_the_quotes_of_another_warehouse_is_refused(provider: str, column: str) -> None:
    """BigQuery and Databricks read "at" as a text: the slice would have no rows, and its task would succeed."""
    with pytest.raises(ConfigError, match="quotes names with"):
        restrict_to_slice("SELECT * FROM a", column, DAY, provider)
    with pytest.raises(ConfigError, match="quotes names with"):
        count_query(column, "at", DAY, provider.lower())
    with pytest.raises(ConfigError, match=r"time_column must be .* quotes names with"):
        count_query("orders", column, DAY, provider.lower())


@settings(max_examples=60, database=None)
@given(
    word=st.sampled_from(["null", "NULL", "true", "False", "current_date", "CURRENT_TIMESTAMP", "case", "select"]),
    provider=st.sampled_from([*DIALECTS, None]),
)
def test_a_word_of_sql_is_not_a_column(word: str, provider: str | None) -> None:
    """NULL >= '2026-01-01' is true for no row, so a template that renders to null would sync nothing and succeed."""
    with pytest.raises(ConfigError, match=f"time_column {word} is not a column"):
        restrict_to_slice("SELECT * FROM a", word, DAY, provider)
    with pytest.raises(ConfigError, match=f"time_column {word} is not a column"):
        count_query("a.b", word, DAY, (provider or "").lower())


# A query that cannot be wrapped without changes

TAILS = [
    ";",
    "; -- all",
    ";\n-- all\n",
    "; /* all */",
    " ; ; ",
    ";;-- a;b",
    " -- all; or not",
    "; -- it's",
    "\n; /* a;\nb */",
]


@settings(max_examples=100, database=None)
@given(
    columns=st.sampled_from(["id, at", "*", "id, at, ';' AS x", "id, at, '-- no' AS y", '"id", "at"']),
    where=st.sampled_from(["", " WHERE id >= 0", " WHERE 'a;b' <> ';'", " -- of all; every\n WHERE id > -1"]),
    tail=st.sampled_from(["", *TAILS]),
    provider=st.sampled_from([*DIALECTS, None]),
)
def test_whatever_follows_a_query_the_wrapped_one_has_the_rows_of_the_slice(
    columns: str, where: str, tail: str, provider: str | None
) -> None:
    """A comment after the semicolon would hide the brackets."""
    if provider in ("BigQuery", "Databricks"):
        columns = columns.replace('"', "`")
    sql = restrict_to_slice(f"SELECT {columns} FROM orders{where}{tail}", "at", DAY, provider)

    (statement,) = sqlglot.parse(sql, dialect=DIALECTS.get(provider or ""))
    assert isinstance(statement, sqlglot.exp.Select)
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE orders (id, at)")
    ats = [FIRST - timedelta(microseconds=1), FIRST, DAY.end - timedelta(microseconds=1), DAY.end]
    database.executemany("INSERT INTO orders VALUES (?, ?)", [(i, at.isoformat(sep=" ")) for i, at in enumerate(ats)])
    assert [1, 2] == [row[0] for row in database.execute(sql.replace("TIMESTAMP '", "'"))]


@pytest.mark.parametrize(
    "sql", ["SELECT 1; SELECT 2", "SELECT at FROM a; DELETE FROM a -- x", "SELECT at FROM a; ; SELECT 2"]
)
def test_several_statements_are_refused(sql: str) -> None:
    """mParticle accepts one."""
    with pytest.raises(ConfigError, match="has several statements"):
        restrict_to_slice(sql, "at", DAY, None)


@pytest.mark.parametrize("sql", ["SELECT at FROM a /* all", "SELECT at FROM a WHERE x = 'b; c"])
def test_a_query_that_cannot_be_wrapped_is_not_written(sql: str) -> None:
    """It would have the rows of all slices, or none."""
    with pytest.raises(ConfigError, match="cannot"):
        restrict_to_slice(sql, "at", DAY, "Snowflake")


NO_QUERIES = ["", ";", "-- all", "shop.orders", "None", "DELETE FROM a.b", "INSERT INTO x SELECT at FROM a", "CALL p()"]


@pytest.mark.parametrize("provider", [*DIALECTS, None])
@pytest.mark.parametrize("sql", [*NO_QUERIES, "SHOW TABLES", "EXPLAIN SELECT at FROM a", "VALUES (1, 2)"])
def test_sql_that_is_not_a_query_is_not_written(sql: str, provider: str | None) -> None:
    """A run would be started that can only fail, once for each retry."""
    with pytest.raises(ConfigError, match="is not a query"):
        restrict_to_slice(sql, "at", DAY, provider)


@settings(max_examples=100, database=None)
@given(
    columns=st.sampled_from(["id", "id, at AS updated", "id, o.x AS y", "(SELECT at) AS z"]),
    before=st.sampled_from(["", "WITH w AS (SELECT at FROM b) "]),
    after=st.sampled_from(["", " WHERE at > 1", " UNION ALL SELECT id FROM c", " -- at"]),
    provider=st.sampled_from([*DIALECTS, None]),
)
def test_a_query_that_certainly_selects_no_time_column_is_refused(
    columns: str, before: str, after: str, provider: str | None
) -> None:
    """The column restricts the rows that the query returns, so a run would fail after it was started."""
    with pytest.raises(ConfigError, match="does not select time_column at"):
        restrict_to_slice(f"{before}SELECT {columns} FROM a.o{after}", "at", DAY, provider)


@pytest.mark.parametrize("columns", ["*", "o.*", "id, AT", "MAX(x)", "id, o.at", "o.at AS At"])
def test_a_query_that_may_select_the_time_column_is_accepted(columns: str) -> None:
    """Only the warehouse knows the names that a star or a function gives."""
    assert "at >= " in restrict_to_slice(f"SELECT {columns} FROM a.o", "at", DAY, "Snowflake")


@pytest.mark.parametrize(
    "end",
    [
        "LIMIT 5",
        "ORDER BY at LIMIT 10 OFFSET 5",
        "ORDER BY at OFFSET 5",
        "FETCH FIRST 5 ROWS ONLY",
        "UNION ALL SELECT at FROM c LIMIT 5;",
    ],
)
def test_a_limit_that_counts_rows_before_they_are_restricted_is_refused(end: str) -> None:
    """Rows of the slice would be missing, and the task would succeed."""
    with pytest.raises(ConfigError, match="has a LIMIT or OFFSET"):
        restrict_to_slice(f"SELECT at FROM a {end}", "at", DAY, "Redshift")


def test_a_limit_within_a_query_is_the_user_s_own() -> None:
    """It may select the latest row of each customer."""
    assert restrict_to_slice("SELECT at FROM (SELECT at FROM a LIMIT 5) AS b", "at", DAY, "Redshift")


@pytest.mark.parametrize("sql", ["SELECT at INTO b FROM a", "SELECT at FROM a) UNION (SELECT 1", "SELECT at FROM a))"])
def test_a_query_that_breaks_out_of_the_brackets_is_refused(sql: str) -> None:
    """The rows after them would not be restricted."""
    with pytest.raises(ConfigError, match=r"cannot be wrapped|INTO"):
        restrict_to_slice(sql, "at", DAY, "Snowflake")


def test_a_query_is_read_in_the_dialect_of_its_warehouse() -> None:
    """In double quotes there is a column for some, and a text for others."""
    query = 'SELECT "2026-01-01" AS at FROM shop.orders'

    assert restrict_to_slice(query, "at", DAY, "Snowflake")
    for provider in ("BigQuery", "Databricks"):
        with pytest.raises(ConfigError, match="selects time_column at as text"):
            restrict_to_slice(query, "at", DAY, provider)


@settings(max_examples=150, database=None)
@given(brackets=st.text("()", max_size=8).map(list), provider=st.sampled_from([*DIALECTS]))
def test_sql_that_only_the_warehouse_can_read_is_accepted_if_it_closes_its_brackets(
    brackets: list[str], provider: str
) -> None:
    """It may be in brackets then, as the SQL of a slice is: nothing of it is outside of them."""
    sql = f"SELECT at FROM FROM a {' b '.join(brackets)}"
    left = "".join(brackets)
    while "()" in left:
        left = left.replace("()", "")

    if left:
        with pytest.raises(ConfigError, match="cannot be wrapped"):
            restrict_to_slice(sql, "at", DAY, provider)
    else:
        assert f"(\n{sql.strip()}\n) AS" in restrict_to_slice(sql, "at", DAY, provider)


def test_a_byte_order_mark_is_left_out() -> None:
    """Some editors write one at the start of a file, and warehouses cannot read it."""
    assert "(\nSELECT at" in restrict_to_slice("\ufeffSELECT at FROM a", "at", DAY, "Snowflake")


def test_without_a_parser_a_semicolon_within_a_query_is_refused_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser is an optional extra, and a run with broken SQL would fail."""
    monkeypatch.setitem(sys.modules, "sqlglot", None)

    with pytest.raises(ConfigError, match=r"pip install 'airflow-provider-mparticle\[sql\]'"):
        restrict_to_slice("SELECT at FROM a; -- all", "at", DAY, None)
    assert restrict_to_slice("SELECT at FROM a -- all", "at", DAY, None).startswith("SELECT * FROM (\nSELECT at")
    assert "a\n) AS unsliced" in restrict_to_slice("SELECT at FROM a ; ;".replace(" ;", ";", 1)[:-2], "at", DAY, None)


@pytest.mark.parametrize(
    "selected",
    [
        "CAST(at AS VARCHAR) AS at",
        "TO_CHAR(at, 'YYYY') AS at",
        "at::TEXT AS at",
        "'2026-01-01' AS at",
        "UPPER(x) AS At",
    ],
)
def test_a_time_column_that_is_certainly_text_is_refused(selected: str) -> None:
    """Text sorts by letters: '2026-01-01' comes before '2026-01-01 00:00:00+00:00', and its row would be missing."""
    with pytest.raises(ConfigError, match="selects time_column at as text"):
        restrict_to_slice(f"SELECT id, {selected} FROM shop.public.orders", "at", DAY, "Snowflake")


@pytest.mark.parametrize(("provider", "column"), [("Snowflake", '"Updated At"'), ("BigQuery", "`updated at`")])
def test_a_quoted_time_column_that_is_certainly_text_is_refused(provider: str, column: str) -> None:
    """The quotes are not a part of its name."""
    with pytest.raises(ConfigError, match="as text"):
        restrict_to_slice(f"SELECT UPPER(x) AS {column} FROM shop.orders", column, DAY, provider)


@pytest.mark.parametrize("selected", ["at", "*", "CAST(x AS TIMESTAMP) AS at", "MAX(x) AS at", "COALESCE(a, b) AS at"])
def test_a_time_column_of_unknown_type_is_not_refused(selected: str) -> None:
    """Only the warehouse knows the types of its tables."""
    assert "at >= " in restrict_to_slice(f"SELECT id, {selected} FROM shop.public.orders", "at", DAY, "Snowflake")


# Counting

HOUR = Slice(datetime(2025, 3, 3, 10, tzinfo=UTC), datetime(2025, 3, 3, 10, 0, 0, 500, tzinfo=UTC))


@pytest.mark.parametrize(
    ("conn_type", "prefix"),
    [("snowflake", ""), (None, ""), ("gcpbigquery", "TIMESTAMP "), ("databricks", "TIMESTAMP ")],
)
def test_the_query_counts_from_the_start_to_before_the_end(conn_type: str | None, prefix: str) -> None:
    """Half-open, like slices, with instants in the form of the warehouse."""
    query = count_query("orders", "created_at", HOUR, conn_type)

    assert query == (
        f"SELECT COUNT(*) FROM orders WHERE created_at >= {prefix}'2025-03-03 10:00:00+00:00' "
        f"AND created_at < {prefix}'2025-03-03 10:00:00.000500+00:00'"
    )


@pytest.mark.parametrize(
    "name",
    ["orders", "analytics.orders", 'db."Sch ema"."a""b"', "`my-project.shop.orders`", "my-project.shop.t$1", "_Ünï"],
)
def test_tables_may_be_qualified_and_quoted(name: str) -> None:
    """Each warehouse has its own form."""
    assert f" FROM {name} WHERE " in count_query(name, "created_at", HOUR)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            " ",
            "orders; DROP TABLE orders",
            "orders o",
            "a..b",
            ".a",
            "a.",
            '"a',
            'a"b',
            "(SELECT 1)",
            "a--b",
            "a-",
        ),
        *("1a", "a/*b*/", "`a`b`", '"a\\"', "orders\n", None, "'a'"),
    ],
)
def test_a_name_that_is_not_an_identifier_is_refused(name: Any) -> None:
    """It comes from a template, maybe from the user who triggers the DAG."""
    with pytest.raises(ConfigError, match="table must be an identifier"):
        count_query(name, "created_at", HOUR)
    with pytest.raises(ConfigError, match="time_column must be an identifier"):
        count_query("orders", name, HOUR)


@given(half=st.characters(categories=["Cs"]), quote=st.sampled_from('"`'), before=st.text("aé ", max_size=2))
def test_a_quoted_name_has_no_half_of_a_character(half: str, quote: str, before: str) -> None:
    """No driver of a database can send it."""
    name = f"{quote}{before}{half}{quote}"
    with pytest.raises(ConfigError, match="table must be an identifier"):
        count_query(name, "at", HOUR)
    with pytest.raises(ConfigError, match="time_column must be an identifier"):
        restrict_to_slice("SELECT * FROM orders", name, HOUR, None)


def test_a_name_from_an_enumeration_is_its_value() -> None:
    """A DAG file may name its tables in an enumeration, which str() writes as "Names.TABLE"."""
    table, column = Enum("Names", {"TABLE": "shop.orders", "COLUMN": "at"}, type=str)

    assert count_query("shop.orders", "at", HOUR) == count_query(table, column, HOUR)


def test_a_column_has_no_hyphen() -> None:
    """It would be a subtraction."""
    with pytest.raises(ConfigError, match="time_column must be an identifier"):
        count_query("my-project.shop.orders", "created-at", HOUR)


def test_a_sample_is_one_value() -> None:
    """The type of the value shows whether the column is text."""
    assert "SELECT at FROM a.b WHERE at IS NOT NULL LIMIT 1" == sample_query("a.b", "at")
    with pytest.raises(ConfigError, match="table must be an identifier"):
        sample_query("a; DROP TABLE a", "at")
    with pytest.raises(ConfigError, match="time_column must be an identifier"):
        sample_query("a", "at; DROP TABLE a")
