"""
Checks whether mParticle can use a query as a data model, from its text and with a parser.

The parser is sqlglot, an optional extra: ``pip install airflow-provider-mparticle[sql]``. Without it only the text is
checked. SQL that the parser cannot read is not refused, since the warehouse may be able to read it.
Source: Warehouse Sync overview, "Data models" (columns), v1 reference (the query is wrapped in an outer SELECT).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from airflow_provider_mparticle.configuration import sql_parser
from airflow_provider_mparticle.configuration.problems import Problem

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

# Warehouse Sync overview, July 2025.
MAX_COLUMNS = 100

_WRAPPED = "mParticle wraps the query in an outer SELECT, so its v1 documentation does not allow that"
# Text in quotation marks and comments, closed or not. Everything else is code. In some warehouses a backslash escapes
# the quotation mark after it. Each alternative always finds an end, so that the patterns take linear time.
_OTHERS = r"""`[^`]*(?:`|\Z)|\$\$.*?(?:\$\$|\Z)"""
_QUOTED = (
    rf"""'[^']*(?:'|\Z)|"[^"]*(?:"|\Z)|{_OTHERS}""",
    rf"""'(?:[^'\\]|\\.?)*+(?:'|\Z)|"(?:[^"\\]|\\.?)*+(?:"|\Z)|{_OTHERS}""",
)
_COMMENT = r"--[^\r\n]*|/\*.*?(?:\*/|\Z)"
_READINGS = tuple(re.compile(f"(?P<quoted>{quoted})|(?P<comment>{_COMMENT})", re.DOTALL) for quoted in _QUOTED)
_NOT_CODE = _READINGS[0]
# Longer SQL is not parsed: the parser reads about 40 kB per second.
MAX_PARSED = 100_000
_CLAUSE = re.compile(r"\b(from|where|join|group\s+by|order\s+by|limit|union|select|and)\b", re.IGNORECASE)
# Names that sqlglot gives to the steps of BigQuery's pipe syntax.
_PIPE_STEP = "__tmp"


def sql_problems(sql: str, place: str) -> list[Problem]:
    """
    Return the problems of the query of a data model, in the dialect in which it has the fewest.

    :param sql: The query.
    :param place: Its place in the document, for the problems.
    """
    sql = sql.lstrip("\ufeff")
    if "{{" in sql or "{%" in sql:
        return [Problem(place, "has a template that was not rendered, so it was not checked", is_warning=True)]
    found = [Problem(place, text, is_warning=True) for text in _text_problems(sql)]
    if len(sql) > MAX_PARSED:
        return found
    try:
        return [*found, *_parsed_problems(sql, place)]
    except ImportError:
        return found
    except Exception as error:  # noqa: BLE001, RUF100 - broad, since sqlglot may fail in any way, also by recursion
        text = f"was not checked, because sqlglot cannot read it: {_first_line(error)}"
        return [*found, Problem(place, text, is_warning=True)]


def trimmed_lines(sql: str) -> tuple[str, ...]:
    """
    Return SQL without the spaces around its lines, once for each way to read quotation marks.

    If all of these are equal for two queries, the queries are the same for any warehouse.
    """
    return tuple("".join(_trimmed(sql, reading)) for reading in _READINGS)


def _trimmed(sql: str, reading: re.Pattern[str]) -> Iterator[str]:
    end = 0
    for found in reading.finditer(sql):
        if found["quoted"]:
            yield _without_spaces_at_line_ends(sql[end : found.start()])
            yield found["quoted"]
            end = found.end()
    yield _without_spaces_at_line_ends(sql[end:])


def _without_spaces_at_line_ends(code: str) -> str:
    first, *others = code.split("\n")
    if not others:
        return code
    return "\n".join((first.rstrip(), *map(str.strip, others[:-1]), others[-1].lstrip()))


def _text_problems(sql: str) -> Iterator[str]:
    code = _code(sql)
    lost = [text for text in _comments(sql) if text.startswith("--") and _CLAUSE.search(text)]
    if not code.strip(" \t\r\n;"):
        yield "is only a comment"
    elif not any(re.search(r"\bfrom\b", _code(sql, reading), re.IGNORECASE) for reading in _READINGS):
        yield "has no FROM, so it reads no table"
    if lost and not re.search(r"[\r\n]", sql.strip()):
        yield (f"is one line, and its part {lost[0][:40]!r} is a comment; YAML's '>' joins lines, use '|' to keep them")


def _code(sql: str, reading: re.Pattern[str] = _NOT_CODE) -> str:
    return reading.sub(lambda found: "''" if found["quoted"] else " ", sql)


def _comments(sql: str) -> list[str]:
    return [found["comment"] for found in _NOT_CODE.finditer(sql) if found["comment"]]


def _parsed_problems(sql: str, place: str) -> list[Problem]:
    """Return the problems in the dialect in which the query has the fewest."""
    fewest: list[Problem] | None = None
    for statements in sql_parser.readings(sql, None):
        found = _problems_of(statements, sql, place)
        if not found:
            return []
        if fewest is None or len(found) < len(fewest):
            fewest = found
    return fewest or []


def _problems_of(statements: list[Expr], sql: str, place: str) -> list[Problem]:
    found = [Problem(place, text, is_warning=True) for text in _form(sql, statements)]
    for statement in statements:
        found += [*_columns(statement, place), *_tables(statement, place)]
    return found


def _form(sql: str, statements: list[Expr]) -> Iterator[str]:
    from sqlglot import exp

    if len(statements) > 1:
        yield f"has {len(statements)} statements; {_WRAPPED}"
    elif statements and _code(sql).rstrip().endswith(";"):
        yield f"ends with ';'; {_WRAPPED}"
    for statement in statements:
        query = statement.unnest() if isinstance(statement, exp.Subquery) else statement
        if not isinstance(query, exp.Query):
            yield f"is not a SELECT, but {query.key.upper()}; {_WRAPPED}"
            continue
        if _named_queries(query):
            yield f"begins with WITH; {_WRAPPED}; use a subquery"
        if query.args.get("into"):
            yield f"writes into a table; {_WRAPPED}"


def _named_queries(query: Expr) -> list[str]:
    """Return the names of the queries in WITH."""
    clause = query.args.get("with_") or query.args.get("with")
    names = [one.alias for one in clause.expressions] if clause else []
    return [name for name in names if not name.startswith(_PIPE_STEP)]


def _columns(statement: Expr, place: str) -> Iterator[Problem]:
    """Yield a problem if the query selects too many columns. A ``*`` may select more, or none."""
    from sqlglot import exp

    if not isinstance(statement, exp.Query):
        return
    number = sum(not column.is_star for column in statement.selects)
    if number > MAX_COLUMNS:
        text = f"selects {number} columns; mParticle accepts {MAX_COLUMNS} at most"
        yield Problem(place, text, is_warning=statement.is_star)


def _tables(statement: Expr, place: str) -> Iterator[Problem]:
    from sqlglot import exp

    named = {cte.alias.casefold() for cte in statement.find_all(exp.CTE)}
    tables = [one for one in statement.find_all(exp.Table) if one.name and not one.db and not one.catalog]
    bare = sorted({one.name for one in tables if one.name.casefold() not in named})
    if bare:
        yield Problem(place, f"names {', '.join(bare)} without a schema; qualify every table fully", is_warning=True)


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}" if isinstance(error, RecursionError) else str(error).partition("\n")[0]
