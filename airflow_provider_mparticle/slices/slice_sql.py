"""The SQL of slices: queries of the rows of a slice, in the dialect of the warehouse."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices import sql_parser
from airflow_provider_mparticle.slices.slice import Slice
from airflow_provider_mparticle.slices.time_type import TIMESTAMP, TimeType, dialect_of

if TYPE_CHECKING:
    from sqlglot.expressions import Query

_PLAIN = r"[^\W\d][\w$]*"
_QUOTED = r'"(?:[^"\x00-\x1f\\]|"")+"|`[^`\x00-\x1f\\]+`'
_OWN_COLUMN = re.compile(rf"{_PLAIN}|{_QUOTED}")
_COLUMN = re.compile(rf"(?:{_PLAIN}|{_QUOTED})(?:\.(?:{_PLAIN}|{_QUOTED}))*")
# A project of BigQuery may have hyphens; two in a row would begin a comment.
_TABLE = re.compile(rf"(?:{_PLAIN}(?:-[\w$]+)*|{_QUOTED})(?:\.(?:{_PLAIN}|{_QUOTED}))*")


_UNWRAPPABLE = (
    "sql cannot be wrapped to restrict it to the slice: look for a comment, text or bracket that is not closed, or use "
    "window_start and window_end in sql instead of time_column. Nothing was sent to mParticle."
)


def without_semicolon(sql: str) -> str:
    """Return a query without the ``;`` at its end, which mParticle cannot wrap."""
    return sql.rstrip().rstrip(";").rstrip()


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
    column = _identifier(time_column, "time_column", _OWN_COLUMN, "use window_start and window_end in sql")
    query = _wrappable(sql.strip(), dialect_of(service_provider))
    # The query is the user's own; the column is checked.
    restricted = f"SELECT * FROM (\n{query}\n) AS unsliced WHERE "  # noqa: S608
    restricted += _is_in_slice(column, slice_, service_provider, time_type)
    if sql_parser.is_installed():
        _check_wrapped(query, restricted, column, dialect_of(service_provider))
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
    table = _identifier(table, "table", _TABLE, "pass count_sql")
    column = _identifier(time_column, "time_column", _COLUMN, "pass count_sql")
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
    return f"{column} >= {start} AND {column} < {end}"


def _identifier(name: object, argument: str, form: re.Pattern[str], otherwise: str) -> str:
    if isinstance(name, str) and form.fullmatch(name):
        return name
    raise ConfigError(
        f'{argument} must be an identifier, such as orders or "Orders", not {name!r}. For anything else '
        f"{otherwise}. Nothing was sent to mParticle."
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
    """Refuse a query that is SQL on its own but not when it is wrapped, and one whose time column is text."""
    from sqlglot import exp

    alone = sql_parser.statements_of(query, dialect)
    if alone is None and sql_parser.tokens_of(query, dialect) is None:
        raise ConfigError(_UNWRAPPABLE)
    if alone is None or len(alone) != 1 or not isinstance(alone[0], exp.Query):
        return  # the check of data models says so
    wrapped = sql_parser.statements_of(restricted, dialect)
    if wrapped is None or len(wrapped) != 1 or not isinstance(wrapped[0], exp.Select) or "where" not in wrapped[0].args:
        raise ConfigError(_UNWRAPPABLE)
    if _is_text(alone[0], column):
        raise ConfigError(
            f"sql selects time_column {column} as text, which sorts by letters and not by time: a row at exactly the "
            "start of a slice would be missed. Select it as a date or timestamp. Nothing was sent to mParticle."
        )


def _is_text(query: Query, column: str) -> bool:
    """Return whether a query certainly selects a column as text."""
    from sqlglot.expressions import DataType
    from sqlglot.optimizer.annotate_types import annotate_types

    name = column.strip('"`').lower()
    selected = [one for one in query.selects if one.alias_or_name.lower() == name]
    return any(annotate_types(one.copy()).is_type(*DataType.TEXT_TYPES) for one in selected)
