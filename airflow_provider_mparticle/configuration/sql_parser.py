"""
Reads SQL with the parser sqlglot, if the extra ``sql`` is installed.

SQL that the parser cannot read is not refused, since the warehouse may be able to read it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

# For an unknown warehouse: sqlglot's own dialect, then those of mParticle's warehouses. BigQuery and Databricks quote
# names with backticks.
DIALECTS = (None, "snowflake", "redshift", "bigquery", "databricks")


def is_installed() -> bool:
    """Return whether the parser is installed."""
    try:
        import sqlglot  # noqa: F401 - only to check that it can be imported
    except ImportError:
        return False
    return True


def tokens_of(sql: str, dialect: str | None) -> list[Any] | None:
    """Return the tokens of *sql* without comments, or None if the parser cannot read it."""
    from sqlglot.dialects import Dialect

    for one in _dialects(dialect):
        with contextlib.suppress(Exception):  # broad, since sqlglot may fail in any way
            return list(Dialect.get_or_raise(one).tokenize(sql))
    return None


def statements_of(sql: str, dialect: str | None) -> list[Expr] | None:
    """Return the statements of *sql* in the first dialect that can read it, or None if the parser cannot read it."""
    with contextlib.suppress(Exception):  # broad, since sqlglot may fail in any way, also by recursion
        return next(readings(sql, dialect))
    return None


def readings(sql: str, dialect: str | None) -> Iterator[list[Expr]]:
    """
    Yield the statements of *sql* in each dialect that can read it.

    :param dialect: sqlglot's name of the warehouse's dialect. Default: every dialect of `DIALECTS`.
    :raises SqlglotError: No dialect can read it. The error is that of the first dialect.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    failures = []
    dialects = _dialects(dialect)
    for one in dialects:
        try:
            found = sqlglot.parse(sql, dialect=one)
        except SqlglotError as error:
            failures.append(error)
            continue
        yield [statement for statement in found if statement is not None and not isinstance(statement, exp.Semicolon)]
    if len(failures) == len(dialects):
        raise failures[0]


def _dialects(dialect: str | None) -> tuple[str | None, ...]:
    return (dialect,) if dialect else DIALECTS
