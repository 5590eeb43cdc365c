"""
The SQL parser sqlglot, where the extra ``sql`` is installed.

SQL that it cannot read is not checked: a warehouse knows more than any parser.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

# For a warehouse that is not known: sqlglot's own dialect, then those that mParticle reads from. BigQuery and
# Databricks quote names with backticks.
DIALECTS = (None, "snowflake", "redshift", "bigquery", "databricks")


def is_installed() -> bool:
    """Return whether the parser is installed."""
    try:
        import sqlglot  # noqa: F401 - to see whether it can be imported
    except ImportError:
        return False
    return True


def tokens_of(sql: str, dialect: str | None) -> list[Any] | None:
    """Return the tokens of *sql*, without comments, or None where they cannot be read."""
    from sqlglot.dialects import Dialect

    for one in _dialects(dialect):
        with contextlib.suppress(Exception):  # the parser may fail with anything
            return list(Dialect.get_or_raise(one).tokenize(sql))
    return None


def statements_of(sql: str, dialect: str | None) -> list[Expr] | None:
    """Return the statements of *sql*, or None where they cannot be read."""
    with contextlib.suppress(Exception):  # the parser may fail with anything, recursion included
        return parse(sql, dialect)
    return None


def parse(sql: str, dialect: str | None) -> list[Expr]:
    """Return the statements of *sql* in the first dialect that can read it; parameters and errors as in `readings`."""
    return next(readings(sql, dialect))


def readings(sql: str, dialect: str | None) -> Iterator[list[Expr]]:
    """
    Yield the statements of *sql* in each dialect that can read it.

    :param dialect: sqlglot's name of the warehouse's dialect. Default: every dialect of `DIALECTS`.
    :raises SqlglotError: What the parser of the first dialect says, if none can read it.
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
