"""
The SQL parser sqlglot, where the extra ``sql`` is installed.

SQL that it cannot read is not checked: a warehouse knows more than any parser.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

# For a warehouse that is not known: sqlglot's own dialect, then those that mParticle reads from.
_ANY = (None, "snowflake", "redshift", "bigquery", "databricks")


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
    from sqlglot.errors import SqlglotError

    for one in (dialect,) if dialect else _ANY:
        with contextlib.suppress(SqlglotError):
            return list(Dialect.get_or_raise(one).tokenize(sql))
    return None


def statements_of(sql: str, dialect: str | None) -> list[Expr] | None:
    """Return the statements of *sql*, or None where they cannot be read."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    for one in (dialect,) if dialect else _ANY:
        with contextlib.suppress(SqlglotError, RecursionError):
            return [statement for statement in sqlglot.parse(sql, dialect=one) if statement is not None]
    return None
