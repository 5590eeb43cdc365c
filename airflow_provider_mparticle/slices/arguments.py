"""
Checks the arguments that describe slices: limits, units, time zones and types of time columns.

Operators use it while Airflow parses a DAG, so it must import almost nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from airflow_provider_mparticle.client.errors import ConfigError

# Largest number of records of one on-demand run; contracts differ. Warehouse Sync overview, "Limits".
MAX_RECORDS = 24_000_000

CalendarUnit = Literal["hour", "day", "week", "month"]
Granularity = CalendarUnit | timedelta
CALENDAR_UNITS: tuple[CalendarUnit, ...] = get_args(CalendarUnit)
# A datetime can hold no two instants that are further apart.
LONGEST = datetime.max - datetime.min

# mParticle's names for the types of iterator columns.
TimeColumnType = Literal[
    "timestamp",
    "timestamp_tz",
    "timestamp_ltz",
    "timestamp_ntz",
    "datetime",
    "date",
    "timestamp_unixtime_s",
    "timestamp_unixtime_ms",
]
# These have no time zone, so the values are in that of the argument time_column_zone.
WITHOUT_ZONE: tuple[TimeColumnType, ...] = ("timestamp_ntz", "datetime", "date")
TIME_COLUMN_TYPES: tuple[TimeColumnType, ...] = get_args(TimeColumnType)


def checked_granularity(granularity: Granularity) -> Granularity:
    """
    Return *granularity*, or `LONGEST` for a longer duration, with which no instant can be calculated.

    :raises ConfigError: *granularity* is neither a calendar unit nor a duration above zero.
    """
    if isinstance(granularity, timedelta) and granularity > timedelta(0):
        return min(granularity, LONGEST)
    if isinstance(granularity, str) and granularity in CALENDAR_UNITS:
        return granularity
    raise _refusal(
        f"granularity must be one of {', '.join(CALENDAR_UNITS)} or a timedelta above zero, not {_shown(granularity)}. "
        "Nothing was sent to mParticle."
    )


def check_time_column_type(time_column_type: TimeColumnType, time_column_zone: str) -> None:
    """
    Refuse an unknown type of time column, or a time zone for it that is unknown or has no effect.

    :raises ConfigError: The type or the zone is unknown, or the type does not need the zone. Text is not a type of
        time, since it sorts by letters.
    """
    if not isinstance(time_column_type, str) or time_column_type not in TIME_COLUMN_TYPES:
        raise _refusal(
            f"time_column_type must be one of {', '.join(TIME_COLUMN_TYPES)}, not {_shown(time_column_type)}. "
            "A column of text does not sort by time; cast it in sql. Nothing was sent to mParticle."
        )
    if zone_named(time_column_zone) != UTC and time_column_type not in WITHOUT_ZONE:
        raise _refusal(
            f"time_column_zone={time_column_zone!r} has no effect on a column of type {time_column_type!r}, whose "
            f"values are instants. If the column has local times, pass one of {', '.join(WITHOUT_ZONE)} as "
            "time_column_type. Otherwise leave time_column_zone out. Nothing was sent to mParticle."
        )


def check_counting(table: str | None, time_column: str | None, count_sql: str | None, max_records: int) -> None:
    """
    Refuse arguments that do not say how to count rows, or up to which number.

    :raises ConfigError: The arguments give no way to count or both ways, or *max_records* is not a number of rows.
    """
    if {table is not None, time_column is not None} != {count_sql is None}:
        raise _refusal("Pass either count_sql, or table and time_column. Nothing was sent to mParticle.")
    if isinstance(max_records, bool) or not isinstance(max_records, int) or not 1 <= max_records < 2**63:
        raise _refusal(f"max_records must be a number of rows above zero, not {_shown(max_records)}.")


def zone_named(time_zone: str) -> tzinfo:
    """
    Return a time zone.

    :raises ConfigError: No time zone has this name.
    """
    try:
        return UTC if time_zone == "UTC" else ZoneInfo(time_zone)
    except (OSError, TypeError, ValueError, ZoneInfoNotFoundError) as error:
        raise _refusal(f"{_shown(time_zone)} is not a time zone; an example is 'Europe/Berlin'.") from error


def _refusal(message: str) -> ConfigError:
    from airflow_provider_mparticle.client.errors import ConfigError

    return ConfigError(message)


def _shown(value: object) -> str:
    from airflow_provider_mparticle.client.shown import shown

    return shown(value)
