"""Writes the SQL that selects or counts the rows of a slice, in the dialect of the warehouse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.storable import exact_text
from airflow_provider_mparticle.configuration import sql_parser
from airflow_provider_mparticle.slices.slice import Slice
from airflow_provider_mparticle.slices.time_type import TIMESTAMP, TimeType, dialect_of

if TYPE_CHECKING:
    from sqlglot.expressions import Expr, Query

_PLAIN = r"[^\W\d][\w$]*"
# Not in a quoted name: control characters, backslashes, and halves of surrogate pairs, which no driver can send.
_QUOTED = r'"(?:[^"\x00-\x1f\\\ud800-\udfff]|"")+"|`[^`\x00-\x1f\\\ud800-\udfff]+`'
_OWN_COLUMN = re.compile(rf"{_PLAIN}|{_QUOTED}")
_COLUMN = re.compile(rf"(?:{_PLAIN}|{_QUOTED})(?:\.(?:{_PLAIN}|{_QUOTED}))*")
# A project of BigQuery may have hyphens, but two hyphens in a row begin a comment.
_TABLE = re.compile(rf"(?:{_PLAIN}(?:-[\w$]+)*|{_QUOTED})(?:\.(?:{_PLAIN}|{_QUOTED}))*")
# How each warehouse quotes names. In BigQuery and Databricks "orders" is a text, so a comparison would select no rows.
_QUOTE = {"snowflake": '"', "redshift": '"', "postgres": '"', "bigquery": "`", "databricks": "`"}


_UNWRAPPABLE = (
    "sql cannot be wrapped to restrict it to the slice. Check whether a comment, text or bracket is not closed, or use "
    "window_start and window_end in sql instead of time_column. Nothing was sent to mParticle."
)


def without_semicolon(sql: str) -> str:
    """Return a query without a ``;`` at its end, with which mParticle cannot wrap it, and without a byte order mark."""
    return sql.lstrip("\ufeff").rstrip().rstrip(";").rstrip()


def restrict_to_slice(
    sql: str, time_column: str, slice_: Slice, service_provider: str | None, time_type: TimeType = TIMESTAMP
) -> str:
    """
    Return *sql* restricted to the rows of a slice. The query is wrapped, so it must select *time_column*.

    :param service_provider: mParticle's name of the warehouse, for example ``"Snowflake"``.
    :param time_type: Type of *time_column*. Default: a timestamp.
    :raises ConfigError: *time_column* is not the name of a column, or is text; *sql* cannot be wrapped; or the column
        cannot be cut at a bound of the slice.
    """
    dialect = dialect_of(service_provider)
    column = _identifier(time_column, "time_column", _OWN_COLUMN, "use window_start and window_end in sql", dialect)
    query = _wrappable(sql.strip(), dialect)
    is_in_slice = _is_in_slice(column, slice_, service_provider, time_type)
    # The query comes from the author of the DAG, and the column has been checked.
    restricted = f"SELECT * FROM (\n{query}\n) AS unsliced WHERE {is_in_slice}"  # noqa: S608 - see above
    if sql_parser.is_installed():
        _check_wrapped(query, restricted, column, dialect)
    return restricted


def count_query(
    table: str, time_column: str, slice_: Slice, conn_type: str | None = None, time_type: TimeType = TIMESTAMP
) -> str:
    """
    Return the query that counts the rows of a table in a slice.

    :param conn_type: Type of the Airflow connection to the warehouse.
    :param time_type: Type of *time_column*. Default: a timestamp.
    :raises ConfigError: *table* or *time_column* is not an identifier, which may be quoted or qualified; or the column
        cannot be cut at a bound of the slice.
    """
    dialect = dialect_of(conn_type)
    table = _identifier(table, "table", _TABLE, "pass count_sql", dialect)
    column = _identifier(time_column, "time_column", _COLUMN, "pass count_sql", dialect)
    is_in_slice = _is_in_slice(column, slice_, conn_type, time_type)
    return f"SELECT COUNT(*) FROM {table} WHERE {is_in_slice}"  # noqa: S608 - checked above


def sample_query(table: str, time_column: str) -> str:
    """
    Return the query that reads one value of a column.

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
    return exact_text(name)


def _require_column(name: str, dialect: str | None) -> None:
    """Refuse a name that is a word of SQL: with NULL >= '2026-01-01' no row would pass."""
    if not sql_parser.is_installed():
        return
    from sqlglot import exp

    read = sql_parser.statements_of(f"SELECT 1 FROM a WHERE {name} >= 1", dialect)  # noqa: S608 - only read
    where = read[0].args.get("where") if read and len(read) == 1 else None
    if not (where and isinstance(where.this, exp.GTE) and isinstance(where.this.this, exp.Column)):
        raise ConfigError(
            f"time_column {name} is not a column, but a word of SQL. Quote it as the warehouse quotes names, or give "
            "the column another name. Nothing was sent to mParticle."
        )


def _wrappable(sql: str, dialect: str | None) -> str:
    """Return a query without the ``;`` at its end and everything after it. Refuse several statements."""
    query = without_semicolon(sql)
    if ";" not in query:
        return query
    if not sql_parser.is_installed():
        raise ConfigError(
            "sql has a ';' before its end, so it may have several statements, or a comment after the last one. With "
            "time_column it must be wrapped, which needs a parser in this case. Remove the ';', or install the extra: "
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
        return query  # the ";" is in a text or a comment
    if len(ends) < len(tokens) - ends[0]:
        raise ConfigError(
            "sql has several statements, so time_column cannot wrap it. Pass one statement. "
            "Nothing was sent to mParticle."
        )
    return query[: tokens[ends[0]].start].rstrip()


def _check_wrapped(query: str, restricted: str, column: str, dialect: str | None) -> None:
    """Refuse SQL that is not one query, or that would not select the rows of the slice when it is wrapped."""
    statements, tokens = sql_parser.statements_of(query, dialect), sql_parser.tokens_of(query, dialect)
    if statements is None:
        if tokens is None or (dialect and not _closes_all(tokens)):
            raise ConfigError(_UNWRAPPABLE)
        return  # the parser cannot read it, but the warehouse may
    if why := _unfit(statements, column):
        raise ConfigError(f"sql {why}. Nothing was sent to mParticle.")
    wrapped = sql_parser.statements_of(restricted, dialect)
    if not wrapped or len(wrapped) != 1 or "where" not in wrapped[0].args:
        raise ConfigError(_UNWRAPPABLE)


def _closes_all(tokens: list[Any]) -> bool:
    """Return whether every bracket is opened and closed, in this order."""
    depth = 0
    for token in tokens:
        depth += {"L_PAREN": 1, "R_PAREN": -1}.get(token.token_type.name, 0)
        if depth < 0:
            return False
    return depth == 0


def _unfit(statements: list[Expr], column: str) -> str | None:
    """Return why the rows of a slice cannot be selected from the result of the statements, or None."""
    from sqlglot import exp

    first = statements[0] if statements else None
    query = first.unnest() if isinstance(first, exp.Subquery) else first
    if not isinstance(query, exp.Query):
        return "is not a query, so time_column cannot restrict its rows. Pass a SELECT"
    if query.args.get("into"):
        return "writes into a table (INTO), which a query for mParticle must not do"
    if query.args.get("limit") or query.args.get("offset"):
        return (
            "has a LIMIT or OFFSET, which applies before time_column restricts the rows to the slice, so rows would be "
            "missing. Remove it, or use window_start and window_end in sql instead of time_column"
        )
    if not _may_select(query, column):
        return f"does not select time_column {column}, by which its rows are restricted. Select it"
    if _is_text(query, column):
        return (
            f"selects time_column {column} as text, which sorts by letters and not by time: a row at exactly the start "
            "of a slice would be missing. Select it as a date or timestamp"
        )
    return None


def _may_select(query: Query, column: str) -> bool:
    """Return False only if the query certainly does not select a column of this name."""
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
    except Exception:  # broad, since sqlglot's type inference may fail in any way; the warehouse will know the type
        return False
