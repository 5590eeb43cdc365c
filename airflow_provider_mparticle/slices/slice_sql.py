"""
The SQL of slices: queries of the rows between two instants, in the dialect of the warehouse. Pure.

Source: the warehouses' references on timestamp literals. Snowflake and Redshift take a text for whatever type the
column has; BigQuery and Databricks want it said that it is an instant.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices.arguments import Granularity, checked_granularity
from airflow_provider_mparticle.slices.slice import CONF_KEYS, Slice, slice_at

_PLAIN = r"[^\W\d][\w$]*"
_QUOTED = r'"(?:[^"\x00-\x1f\\]|"")+"|`[^`\x00-\x1f\\]+`'
_OWN_COLUMN = re.compile(rf"{_PLAIN}|{_QUOTED}")
_COLUMN = re.compile(rf"(?:{_PLAIN}|{_QUOTED})(?:\.(?:{_PLAIN}|{_QUOTED}))*")
# A project of BigQuery may have hyphens; two in a row would begin a comment.
_TABLE = re.compile(rf"(?:{_PLAIN}(?:-[\w$]+)*|{_QUOTED})(?:\.(?:{_PLAIN}|{_QUOTED}))*")

# Warehouses that do not compare a timestamp with a plain text as an instant: mParticle's service providers, and
# Airflow's types of connections.
TYPED_LITERALS = frozenset(("bigquery", "databricks", "gcpbigquery"))


def without_semicolon(sql: str) -> str:
    """Return a query without the ``;`` at its end: what wraps it cannot have that."""
    return sql.rstrip().rstrip(";").rstrip()


def restrict_to_slice(sql: str, time_column: str, window: Slice, service_provider: str | None) -> str:
    """
    Return *sql* without the rows outside of a slice. The query is wrapped, so it must select *time_column*.

    :param service_provider: mParticle's name of the warehouse, for example ``"Snowflake"``.
    :raises ConfigError: *time_column* is not the name of a column.
    """
    column = _identifier(time_column, "time_column", _OWN_COLUMN, "use window_start and window_end in sql")
    start, end = (time_literal(at, service_provider) for at in (window.start, window.end))
    query = without_semicolon(sql.strip())
    # The query is the user's own; the column is checked.
    return f"SELECT * FROM (\n{query}\n) AS unsliced WHERE {column} >= {start} AND {column} < {end}"  # noqa: S608


def count_query(table: str, time_column: str, span: Slice, conn_type: str | None = None) -> str:
    """
    Return the query that counts a table's rows in a slice.

    :param conn_type: Airflow's type of the warehouse's connection, for its way to write an instant.
    :raises ConfigError: *table* or *time_column* is no identifier, be it quoted or qualified.
    """
    table = _identifier(table, "table", _TABLE, "pass count_sql")
    column = _identifier(time_column, "time_column", _COLUMN, "pass count_sql")
    start, end = (time_literal(at, conn_type) for at in (span.start, span.end))
    return f"SELECT COUNT(*) FROM {table} WHERE {column} >= {start} AND {column} < {end}"  # noqa: S608 - checked above


def time_literal(at: datetime, warehouse: str | None) -> str:
    """Write an instant so that the warehouse reads it as the column's type; one without a time zone is UTC."""
    text = f"'{at.astimezone(UTC).isoformat(sep=' ')}'"
    return f"TIMESTAMP {text}" if (warehouse or "").lower() in TYPED_LITERALS else text


def _identifier(name: object, argument: str, form: re.Pattern[str], otherwise: str) -> str:
    if isinstance(name, str) and form.fullmatch(name):
        return name
    raise ConfigError(
        f'{argument} must be an identifier, such as orders or "Orders", not {name!r}. For anything else '
        f"{otherwise}. Nothing was sent to mParticle."
    )


def require_both_bounds(
    argument: str,
    render: Callable[[datetime, datetime], str],
    whole: Slice,
    granularity: Granularity,
    zone: tzinfo = UTC,
) -> None:
    """
    Refuse a template that does not tell neighbouring slices apart.

    Renders it with each bound moved to the boundaries next to it.

    :param argument: What the user calls the template.
    :param render: Renders the template with ``window_start`` and ``window_end``.
    :raises ConfigError: It ignores a bound, or writes it coarser than *granularity*.
    """
    text = render(whole.start, whole.end)
    moved = [
        (CONF_KEYS[0], whole.start, [(other, whole.end) for other in _next_to(whole.start, granularity, zone)]),
        (CONF_KEYS[1], whole.end, [(whole.start, other) for other in _next_to(whole.end, granularity, zone)]),
    ]
    for name, bound, others in moved:
        if any(render(*other) == text for other in others):
            raise ConfigError(
                f"{argument} ignores {name}, or writes it coarser than granularity={granularity!r}: it stays the same "
                f"for a {name} next to {bound.isoformat()}. Use '{{{{ {name} }}}}'. Nothing was sent."
            )


def _next_to(at: datetime, granularity: Granularity, zone: tzinfo) -> set[datetime]:
    """Return the boundaries next to an instant."""
    unit = checked_granularity(granularity)
    if isinstance(unit, timedelta):
        return {at - unit, at + unit}
    here = slice_at(at, unit, zone)
    before = slice_at(here.start - timedelta.resolution, unit, zone)
    return {before.start, here.start, here.end} - {at}
