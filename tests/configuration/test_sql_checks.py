"""Checks of queries: which lead to warnings, and that the parser never refuses a valid query."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.configuration.sql_checks import MAX_PARSED, sql_problems, trimmed_lines

COLUMNS = ", ".join(f"c{number}" for number in range(101))


def said(sql: str) -> str:
    """The text of all problems."""
    return "\n".join(map(str, sql_problems(sql, "sql")))


WARNED = [
    ("WITH x AS (SELECT 1 AS a FROM a.b.c) SELECT a FROM x", "begins with WITH"),
    ("(WITH x AS (SELECT 1 AS a FROM a.b.c) SELECT a FROM x)", "begins with WITH"),
    ("SELECT a INTO d.e.f FROM a.b.c", "writes into a table"),
    ("SELECT {{ columns }} FROM a.b.c", "template that was not rendered"),
    (f"SELECT *, {COLUMNS} FROM a.b.c", "selects 101 columns"),
    ("SELECT a -- every order FROM a.b.c", "has no FROM"),
    ("SELECT a -- every order FROM a.b.c", "is one line"),
    ("SELECT a FROM a.b.c -- no tests WHERE a > 0", "is one line"),
    ("-- every order SELECT a FROM a.b.c", "is only a comment"),
    ("SELECT 1", "has no FROM"),
    ("SELECT a FROM a.b.c; SELECT 2 FROM a.b.c", "has 2 statements"),
    ("SELECT a FROM a.b.c; -- all", "ends with ';'"),
    ("DELETE FROM a.b.c", "is not a SELECT, but DELETE"),
    ("SELECT a FROM customers", "names customers without a schema"),
]


@pytest.mark.parametrize(("sql", "text"), WARNED, ids=[sql[:40] for sql, _ in WARNED])
def test_what_mparticle_may_refuse_or_misread_is_warned_of(sql: str, text: str) -> None:
    """It is a warning, since only older documentation or a guess says that it is wrong."""
    assert text in said(sql)
    assert all(problem.is_warning for problem in sql_problems(sql, "sql"))


SILENT = [
    "WITH_NOTHING".join(("SELECT 1 AS ", " FROM a.b.c")),
    "SELECT x FROM (SELECT a AS x FROM a.b.c) AS t",
    "FROM a.b.c |> WHERE x > 1 |> SELECT x",
    "SELECT x FROM a.b.c |> WHERE x > 1",
    "\ufeffSELECT a FROM a.b.c",
    "SELECT a -- the key\nFROM a.b.c",
    "SELECT '-- not a comment FROM x' AS a FROM a.b.c",
    "SELECT a FROM a.b.c -- all",
    "SELECT v.path FROM `shop-events`.analytics.page_views v",
    f"SELECT {COLUMNS.rpartition(',')[0]} FROM a.b.c",
]


@pytest.mark.parametrize("sql", SILENT, ids=[sql[:40] for sql in SILENT])
def test_a_good_query_has_no_problems(sql: str) -> None:
    """Users learn to ignore warnings if there are false ones."""
    assert "" == said(sql)


def test_the_name_of_a_cte_is_known_in_any_case() -> None:
    """In SQL they are the same name."""
    assert "without a schema" not in said("WITH Recent AS (SELECT 1 AS a FROM a.b.c) SELECT a FROM rECENT")


def nested(kind: str, depth: int) -> str:
    """A query that nests an expression deeply."""
    opening, closing = {"paren": ("(", ")"), "iff": ("IFF(a > 1, ", ", 0)"), "case": ("CASE WHEN ", " > 1 THEN 1 END")}[
        kind
    ]
    return f"SELECT {opening * depth}a{closing * depth} AS x FROM a.b.c"


@given(st.sampled_from(["paren", "iff", "case"]), st.integers(20, 400))
@settings(max_examples=25)
def test_what_the_parser_cannot_read_is_not_checked(kind: str, depth: int) -> None:
    """The warehouse may be able to read it, so it is not an error, however the parser fails."""
    found = sql_problems(nested(kind, depth), "sql")

    assert all(problem.is_warning and "was not checked" in problem.text for problem in found)


@given(st.text(max_size=80) | st.text(alphabet="SELECTFROMWITH()'\"`-*/;{}$ ,.\n|>", max_size=80))
@settings(max_examples=150)
def test_any_text_can_be_checked(sql: str) -> None:
    """A check that raises an error would fail a task with a valid query."""
    assert isinstance(sql_problems(sql, "sql"), list)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT a FROM b.c WHERE a = $$;$$",
        "SELECT 'it\\'s' FROM b.c",
        "SELECT r'\\'' FROM b.c",
        "SELECT a FROM db..t",
    ],
)
def test_what_one_warehouse_reads_is_not_warned_of(sql: str) -> None:
    """Each warehouse has its own quotation marks and names."""
    assert "" == said(sql)


@given(
    st.text("ab '\"`$-/*\\\t\n", max_size=5),
    st.lists(st.sampled_from([" ", "\t", "\r", "\\'", '\\"', "'", "$$", "/*", "--", "group "]), min_size=1, max_size=3),
    st.sampled_from(["", "x", "\\", "'"]),
)
@example("select a from b.c", [" "], "x")
@example("select '", ["\\'"], "\\")
@settings(max_examples=60, deadline=None)
def test_the_text_of_any_query_is_read_in_linear_time(begins: str, repeated: list[str], ends: str) -> None:
    """A server may send any SQL, and a plan compares it; ten kilobytes of spaces took ten seconds."""
    piece = "".join(repeated)
    sql = f"{begins}{piece * (MAX_PARSED // len(piece) + 1)}{ends}"
    began = time.process_time()
    trimmed_lines(sql)
    sql_problems(sql, "sql")

    assert time.process_time() - began < 5.0


@given(st.text("a-/* \t\n\r\x0b\x85\u2028", max_size=30))
@settings(max_examples=200)
def test_spaces_around_the_lines_of_code_do_not_count(sql: str) -> None:
    """Without quotation marks all of the SQL is code."""
    assert {re.sub(r"[^\S\n]*\n[^\S\n]*", "\n", sql)} == {*trimmed_lines(sql)}


def test_a_query_of_many_kilobytes_is_not_parsed() -> None:
    """The parser needs half a minute for a megabyte; the warehouse decides."""
    values = ",".join(["1"] * (MAX_PARSED // 2))

    assert "" == said(f"SELECT a FROM b WHERE a IN ({values})")
    assert "without a schema" in said("SELECT a FROM b WHERE a IN (1)")
