"""
The SQL of one slice: a query restricted to the rows between two instants, in the dialect of the warehouse. Pure.

Source: the warehouses' references on timestamp literals. Snowflake and Redshift take a text for whatever type the
column has; BigQuery and Databricks want it said that it is an instant.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.windows import Slice

# A column's name as every warehouse takes it, plain or quoted by double quotes or backticks.
COLUMN = re.compile(r"""[A-Za-z_][A-Za-z0-9_$]*|"[^"]+"|`[^`]+`""")

# mParticle's service providers whose literals name their type. The others, and unknown ones, take a plain text.
TYPED_LITERALS = frozenset(("bigquery", "databricks"))


def restricted(sql: str, time_column: str, window: Slice, service_provider: str | None) -> str:
    """
    Return *sql* without the rows outside of a slice. The query is wrapped, so it must select *time_column*.

    :param service_provider: mParticle's name of the warehouse, for example ``"Snowflake"``.
    :raises ConfigError: *time_column* is not the name of a column.
    """
    if not COLUMN.fullmatch(time_column):
        raise ConfigError(
            f"time_column must be the name of a column that sql selects, not {time_column!r}; for anything else use "
            "window_start and window_end in sql. Nothing was sent to mParticle."
        )
    start, end = (time_literal(at, service_provider) for at in (window.start, window.end))
    query = sql.strip().rstrip(";").rstrip()
    return f"SELECT * FROM (\n{query}\n) AS unsliced WHERE {time_column} >= {start} AND {time_column} < {end}"  # noqa: S608  # the query is the user's own, the column's name is checked above


def time_literal(at: datetime, service_provider: str | None) -> str:
    """Return an instant as the warehouse's literal, in UTC."""
    text = at.astimezone(UTC).isoformat(sep=" ")
    return f"TIMESTAMP '{text}'" if (service_provider or "").lower() in TYPED_LITERALS else f"'{text}'"
