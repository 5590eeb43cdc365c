"""The optional SQL parser: what it reads, and that its errors never reach a user."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.configuration import sql_parser
from airflow_provider_mparticle.configuration.sql_parser import DIALECTS, statements_of, tokens_of

WORDS = "SELECT FROM WHERE at a.b ( ) , * AS 'it' \" ` $$ -- /* */ ; UNION WITH CASE END :: [ ] { @ # \\ 1e999 >= |> \n"


@settings(max_examples=150, database=None)
@given(st.lists(st.sampled_from(WORDS.split(" ")), max_size=25), st.sampled_from(DIALECTS))
def test_any_text_is_read_or_not_without_an_error(words: list[str], dialect: str | None) -> None:
    """A query that the parser cannot read may be valid."""
    sql = " ".join(words)

    assert statements_of(sql, dialect) is None or isinstance(statements_of(sql, dialect), list)
    assert tokens_of(sql, dialect) is None or isinstance(tokens_of(sql, dialect), list)


@pytest.mark.parametrize("depth", [50, 3000])
def test_a_query_that_is_nested_too_deep_for_the_parser_is_not_read(depth: int) -> None:
    """Python's limit of recursion does not apply to the warehouse."""
    found = statements_of(f"SELECT {'(' * depth}1{')' * depth} FROM a.b", "snowflake")

    assert found is None or 1 == len(found)


@pytest.mark.parametrize(
    ("sql", "number"), [("", 0), ("-- all", 0), ("SELECT 1;", 1), ("SELECT 1; -- all", 1), ("SELECT 1; SELECT 2", 2)]
)
def test_a_comment_after_the_end_is_not_a_statement(sql: str, number: int) -> None:
    """Several statements are refused."""
    found = statements_of(sql, "snowflake")

    assert found is not None
    assert number == len(found)


@pytest.mark.parametrize("sql", ["SELECT `a-b` FROM `p-x.d.t`", "SELECT a:b::INT FROM c.d", "SELECT $$ ; $$ FROM a.b"])
def test_without_a_dialect_a_query_is_read_if_any_warehouse_reads_it(sql: str) -> None:
    """The warehouse is not always known."""
    assert 1 == len(statements_of(sql, None) or [])


def test_without_the_extra_nothing_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers check this first."""
    assert sql_parser.is_installed()

    monkeypatch.setitem(sys.modules, "sqlglot", None)

    assert not sql_parser.is_installed()
