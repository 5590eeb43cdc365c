"""The SQL of slices: queries of the rows of a slice, in the dialect of the warehouse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.configuration import sql_parser
from airflow_provider_mparticle.slices.slice import Slice
from airflow_provider_mparticle.slices.time_type import TIMESTAMP, TimeType, dialect_of

if TYPE_CHECKING:
    from sqlglot.expressions import Expr, Query

_PLAIN = r"[^\W\d][\w$]*"
_QUOTED = r'"(?:[^"\x00-\x1f\\]|"")+"|`[^`\x00-\x1f\\]+`'
_OWN_COLUMN = re.compile(rf"{_PLAIN}|{_QUOTED}")
_COLUMN = re.compile(rf"(?:{_PLAIN}|{_QUOTED})(?:\.(?:{_PLAIN}|{_QUOTED}))*")
# A project of BigQuery may have hyphens; two in a row would begin a comment.
_TABLE = re.compile(rf"(?:{_PLAIN}(?:-[\w$]+)*|{_QUOTED})(?:\.(?:{_PLAIN}|{_QUOTED}))*")
# How a warehouse quotes names. In BigQuery and Databricks "orders" is a text, which compares with no row.
_QUOTE = {"snowflake": '"', "redshift": '"', "postgres": '"', "bigquery": "`", "databricks": "`"}


_UNWRAPPABLE = (
    "sql cannot be wrapped to restrict it to the slice: look for a comment, text or bracket that is not closed, or use "
    "window_start and window_end in sql instead of time_column. Nothing was sent to mParticle."
)


def without_semicolon(sql: str) -> str:
    """Return a query without the ``;`` at its end, which mParticle cannot wrap, and without a byte order mark."""
    return sql.lstrip("\ufeff").rstrip().rstrip(";").rstrip()


def restrict_to_slice(
    sql: str, time_column: str, slice_: Slice, service_provider: str | None, time_type: TimeType = TIMESTAMP
) -> str:
    """
    Return *sql* restricted to the rows of a slice. The query is wrapped, so it must select *time_column*.

    :param service_provider: mParticle's name of the warehouse, for example ``"Snowflake"``.
    :param time_type: Type of *time_column*. Default: a timestamp.
    :raises ConfigError: *time_column* is not the name of a column, or is text; *sql* cannot be wrapped; or the column
        cannot hold a bound of the slice.
    """
    dialect = dialect_of(service_provider)
    column = _identifier(time_column, "time_column", _OWN_COLUMN, "use window_start and window_end in sql", dialect)
    query = _wrappable(sql.strip(), dialect)
    is_in_slice = _is_in_slice(column, slice_, service_provider, time_type)
    # The query is the user's own; the column is checked.
    restricted = f"SELECT * FROM (\n{query}\n) AS unsliced WHERE {is_in_slice}"  # noqa: S608
    if sql_parser.is_installed():
        _check_wrapped(query, restricted, column, dialect)
    return restricted


def count_query(
    table: str, time_column: str, slice_: Slice, conn_type: str | None = None, time_type: TimeType = TIMESTAMP
) -> str:
    """
    Return the query that counts a table's rows in a slice.

    :param conn_type: Airflow's type of the warehouse's connection.
    :param time_type: Type of *time_column*. Default: a timestamp.
    :raises ConfigError: *table* or *time_column* is not an identifier, quoted or qualified or neither; or the column
        cannot hold a bound of the slice.
    """
    dialect = dialect_of(conn_type)
    table = _identifier(table, "table", _TABLE, "pass count_sql", dialect)
    column = _identifier(time_column, "time_column", _COLUMN, "pass count_sql", dialect)
    is_in_slice = _is_in_slice(column, slice_, conn_type, time_type)
    return f"SELECT COUNT(*) FROM {table} WHERE {is_in_slice}"  # noqa: S608 - checked above


def sample_query(table: str, time_column: str) -> str:
    """
    Return the query of one value of a table's column.

    :raises ConfigError: *table* or *time_column* is not an identifier.
    """
    table = _identifier(table, "table", _TABLE, "pass count_sql")
    column = _identifier(time_column, "time_column", _COLUMN, "pass count_sql")
    return f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL LIMIT 1"  # noqa: S608 - checked above


def _is_in_slice(column: str, slice_: Slice, warehouse: str | None, time_type: TimeType) -> str:
    start, end = (time_type.literal(at, warehouse) for at in (slice_.start, slice_.end))
    _require_column(column, dialect_of(warehouse))
    return f"{column} >= {start} AND {column} < {end}"


def _identifier(name: object, argument: str, form: re.Pattern[str], otherwise: str, dialect: str | None = None) -> str:
    if not (isinstance(name, str) and form.fullmatch(name)):
        raise ConfigError(
            f'{argument} must be an identifier, such as orders or "Orders", not {name!r}. For anything else '
            f"{otherwise}. Nothing was sent to mParticle."
        )
    quote = _QUOTE.get(dialect or "")
    if quote and set(name) & {*_QUOTE.values()} - {quote}:
        raise ConfigError(
            f"{argument} must be an identifier, but {name} is not one in {dialect}, which quotes names with {quote}. "
            "Nothing was sent to mParticle."
        )
    return name


def _require_column(name: str, dialect: str | None) -> None:
    """Refuse a name that means something else to the warehouse: NULL >= '2026-01-01' is true for no row."""
    if not sql_parser.is_installed():
        return
    from sqlglot import exp

    read = sql_parser.statements_of(f"SELECT 1 FROM a WHERE {name} >= 1", dialect)  # noqa: S608 - only read
    where = read[0].args.get("where") if read and len(read) == 1 else None
    if not (where and isinstance(where.this, exp.GTE) and isinstance(where.this.this, exp.Column)):
        raise ConfigError(
            f"time_column {name} is not a column: it is a word of SQL. Quote it as the warehouse quotes names, or give "
            "the column another name. Nothing was sent to mParticle."
        )


def _wrappable(sql: str, dialect: str | None) -> str:
    """Return a query without the ``;`` at its end and what follows it; refuse more than one statement."""
    query = without_semicolon(sql)
    if ";" not in query:
        return query
    if not sql_parser.is_installed():
        raise ConfigError(
            "sql has a ';' before its end, so it may hold several statements or a comment after the last one. "
            "time_column wraps it, which takes a parser then: remove the ';' or install the extra, "
            "pip install 'airflow-provider-mparticle[sql]'. Nothing was sent to mParticle."
        )
    tokens = sql_parser.tokens_of(query, dialect)
    if tokens is None:
        raise ConfigError(
            "sql has a ';' before its end and cannot be read as SQL, so time_column cannot wrap it. Remove the ';', or "
            "use window_start and window_end in sql instead of time_column. Nothing was sent to mParticle."
        )
    ends = [place for place, token in enumerate(tokens) if token.token_type.name == "SEMICOLON"]
    if not ends:
        return query  # in a text or a comment
    if len(ends) < len(tokens) - ends[0]:
        raise ConfigError(
            "sql holds several statements, so time_column cannot wrap it; mParticle takes one. Nothing was sent."
        )
    return query[: tokens[ends[0]].start].rstrip()


def _check_wrapped(query: str, restricted: str, column: str, dialect: str | None) -> None:
    """Refuse SQL that is not one query, or whose rows would not be those of the slice when it is wrapped."""
    statements, tokens = sql_parser.statements_of(query, dialect), sql_parser.tokens_of(query, dialect)
    if statements is None:
        if tokens is None or (dialect and not _closes_all(tokens)):
            raise ConfigError(_UNWRAPPABLE)
        return  # the warehouse knows more
    if why := _unfit(statements, column):
        raise ConfigError(f"sql {why}. Nothing was sent to mParticle.")
    wrapped = sql_parser.statements_of(restricted, dialect)
    if not wrapped or len(wrapped) != 1 or "where" not in wrapped[0].args:
        raise ConfigError(_UNWRAPPABLE)


def _closes_all(tokens: list[Any]) -> bool:
    """Return whether every bracket is closed, and none before it is open."""
    depth = 0
    for token in tokens:
        depth += {"L_PAREN": 1, "R_PAREN": -1}.get(token.token_type.name, 0)
        if depth < 0:
            return False
    return depth == 0


def _unfit(statements: list[Expr], column: str) -> str | None:
    """Return why the rows of a slice cannot be selected from what the statements select, or None."""
    from sqlglot import exp

    first = statements[0] if statements else None
    query = first.unnest() if isinstance(first, exp.Subquery) else first
    if not isinstance(query, exp.Query):
        return "is not a query, so time_column cannot restrict its rows. Pass a SELECT"
    if query.args.get("into"):
        return "writes into a table (INTO), which a query of mParticle must not"
    if query.args.get("limit") or query.args.get("offset"):
        return (
            "has a LIMIT or OFFSET, which counts rows before time_column restricts them to the slice, so rows would be "
            "missed. Remove it, or use window_start and window_end in sql instead of time_column"
        )
    if not _may_select(query, column):
        return f"does not select time_column {column}, by which its rows are restricted. Select it"
    if _is_text(query, column):
        return (
            f"selects time_column {column} as text, which sorts by letters and not by time: a row at exactly the start "
            "of a slice would be missed. Select it as a date or timestamp"
        )
    return None


def _may_select(query: Query, column: str) -> bool:
    """Return False only for a query that certainly selects no column of that name."""
    from sqlglot import exp

    if query.is_star or column[0] in _QUOTE.values():
        return True
    names = [None if isinstance(one, exp.Aliases) else one.alias_or_name.lower() for one in query.selects]
    return column.lower() in names or not all(names)


def _is_text(query: Query, column: str) -> bool:
    """Return whether a query certainly selects a column as text."""
    from sqlglot.expressions import DataType
    from sqlglot.optimizer.annotate_types import annotate_types

    name = column.strip('"`').lower()
    selected = [one for one in query.selects if one.alias_or_name.lower() == name]
    try:
        return any(annotate_types(one.copy()).is_type(*DataType.TEXT_TYPES) for one in selected)
    except Exception:  # whatever the parser fails with, the warehouse knows the type
        return False
