"""
Whether mParticle can use a query as a data model, as far as a parser can tell.

The parser is sqlglot, an optional extra: ``pip install airflow-provider-mparticle[sql]``. Without it nothing is said.
Source: Warehouse Sync overview, "Data models" (columns), v1 reference (the query is wrapped in an outer SELECT).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from airflow_provider_mparticle.configuration.problems import Problem

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

# Warehouse Sync overview, July 2025.
COLUMNS_AT_MOST = 100

# sqlglot's own, then those of the warehouses: BigQuery and Databricks quote names with backticks.
DIALECTS = (None, "snowflake", "redshift", "bigquery", "databricks")

_WRAPPED = "mParticle wraps the query in an outer SELECT, so its v1 documentation rules that out"


def sql_problems(sql: str, place: str, dialect: str | None = None) -> list[Problem]:
    """
    Check a data model's query.

    :param sql: The query.
    :param place: Where it stands, for the problems.
    :param dialect: sqlglot's name of the warehouse's dialect, for example ``"snowflake"``. Default: that of any
        warehouse will do.
    """
    try:
        from sqlglot.errors import SqlglotError
    except ImportError:
        return []
    try:
        statements = _parsed(sql, (dialect,) if dialect else DIALECTS)
    except SqlglotError as error:
        return [Problem(place, f"cannot be read as SQL: {_first_line(error)}", is_warning=True)]
    found = _form(sql, statements, place)
    for statement in statements:
        found += _columns(statement, place) + _tables(statement, place)
    return found


def _parsed(sql: str, dialects: tuple[str | None, ...]) -> list[Expr]:
    """Read the SQL in the first of the dialects that can; raise what the first one says if none can."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        return [statement for statement in sqlglot.parse(sql, dialect=dialects[0]) if statement is not None]
    except SqlglotError:
        for dialect in dialects[1:]:
            with contextlib.suppress(SqlglotError):
                return [statement for statement in sqlglot.parse(sql, dialect=dialect) if statement is not None]
        raise


def _form(sql: str, statements: list[Expr], place: str) -> list[Problem]:
    from sqlglot import exp

    found = []
    if len(statements) != 1:
        found.append(f"holds {len(statements)} statements; {_WRAPPED}")
    elif sql.rstrip().endswith(";"):
        found.append(f"ends with ';'; {_WRAPPED}")
    for statement in statements:
        if not isinstance(statement, exp.Query):
            found.append(f"is no SELECT but {statement.key.upper()}; {_WRAPPED}")
        elif statement.args.get("with") or statement.args.get("with_"):
            found.append(f"begins with WITH; {_WRAPPED}; use a subquery")
    return [Problem(place, text, is_warning=True) for text in found]


def _columns(statement: Expr, place: str) -> list[Problem]:
    """Count the columns, where no ``*`` makes that impossible."""
    from sqlglot import exp

    if not isinstance(statement, exp.Query) or statement.is_star:
        return []
    number = len(statement.selects)
    if number <= COLUMNS_AT_MOST:
        return []
    return [Problem(place, f"selects {number} columns; mParticle takes {COLUMNS_AT_MOST} at most")]


def _tables(statement: Expr, place: str) -> list[Problem]:
    from sqlglot import exp

    named = {cte.alias for cte in statement.find_all(exp.CTE)}
    bare = sorted({t.name for t in statement.find_all(exp.Table) if t.name and not t.db and t.name not in named})
    if not bare:
        return []
    return [Problem(place, f"names {', '.join(bare)} without a schema; qualify every table fully", is_warning=True)]


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
