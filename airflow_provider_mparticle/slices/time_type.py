"""
Writes an instant as a literal that a warehouse can compare with a time column.

Source: the references of Snowflake, Redshift, BigQuery and Databricks on date and time literals and casts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices.arguments import WITHOUT_ZONE, Granularity, TimeColumnType
from airflow_provider_mparticle.slices.calendar_units import EPOCH, midnight
from airflow_provider_mparticle.slices.slice import in_zone

# mParticle's service providers and Airflow's connection types, in lower case -> sqlglot's name of the dialect.
DIALECT_OF = {
    **{name: name for name in ("snowflake", "redshift", "bigquery", "databricks", "postgres")},
    "gcpbigquery": "bigquery",
    "google_cloud_platform": "bigquery",
}

# A text without a cast gets the type of the column: an instant if the type has a time zone, else UTC.
_BARE = "{}"

# Dialect -> type of column -> literal. For all other types the literal is a text without a cast.
_LITERALS: dict[str | None, dict[str, str]] = {
    "snowflake": {
        "timestamp_tz": "{}::TIMESTAMP_TZ",
        "timestamp_ltz": "{}::TIMESTAMP_LTZ",
        "timestamp_ntz": "{}::TIMESTAMP_NTZ",
        "datetime": "{}::TIMESTAMP_NTZ",
        "date": "{}::DATE",
    },
    "redshift": {
        "timestamp_tz": "{}::TIMESTAMPTZ",
        "timestamp_ltz": "{}::TIMESTAMPTZ",
        "timestamp_ntz": "{}::TIMESTAMP",
        "datetime": "{}::TIMESTAMP",
        "date": "{}::DATE",
    },
    "bigquery": {
        "timestamp": "TIMESTAMP {}",
        "timestamp_tz": "TIMESTAMP {}",
        "timestamp_ltz": "TIMESTAMP {}",
        "timestamp_ntz": "DATETIME {}",
        "datetime": "DATETIME {}",
        "date": "DATE {}",
    },
    "databricks": {
        "timestamp": "TIMESTAMP {}",
        "timestamp_tz": "TIMESTAMP {}",
        "timestamp_ltz": "TIMESTAMP {}",
        "timestamp_ntz": "TIMESTAMP_NTZ {}",
        "datetime": "TIMESTAMP_NTZ {}",
        "date": "DATE {}",
    },
}
_LITERALS["postgres"] = _LITERALS["redshift"]

_PER_SECOND = {"timestamp_unixtime_s": 1, "timestamp_unixtime_ms": 1000}


def dialect_of(warehouse: str | None) -> str | None:
    """Return sqlglot's name for the dialect of a warehouse, or None for an unknown warehouse."""
    return DIALECT_OF.get((warehouse or "").lower())


@dataclass(frozen=True)
class TimeType:
    """
    The type of a time column.

    :param name: mParticle's name for the type. Default: ``"timestamp"``.
    :param zone: Time zone of the column's values, for a type without a time zone. Default: UTC.
    """

    name: TimeColumnType = "timestamp"
    zone: tzinfo = UTC

    def literal(self, at: datetime, warehouse: str | None) -> str:
        """
        Return the literal for an instant, to compare it with the column.

        :param warehouse: mParticle's service provider, or Airflow's connection type.
        :raises ConfigError: The column cannot be cut at the instant: it has days only, or the clocks of its zone show
            the instant twice.
        """
        if self.name in _PER_SECOND:
            return _since_1970(at, _PER_SECOND[self.name])
        form = _LITERALS.get(dialect_of(warehouse), {}).get(self.name, _BARE)
        return form.format(f"'{self._text(at)}'")

    def finest(self, granularity: Granularity, zone: tzinfo) -> tuple[Granularity, tzinfo]:
        """Return the smallest unit of a slice of this column, and its time zone. For dates: days in its own zone."""
        if self.name != "date":
            return granularity, zone
        return granularity if granularity in ("day", "week", "month") else "day", self.zone

    def can_cut(self, at: datetime) -> bool:
        """Return whether a slice can end at an instant: whether the column can separate the rows before it."""
        return self._reason_against(at) is None

    def _text(self, at: datetime) -> str:
        if self.name not in WITHOUT_ZONE:
            return at.astimezone(UTC).isoformat(sep=" ")
        if reason := self._reason_against(at):
            raise self._refusal(at, reason)
        local = in_zone(at, self.zone)
        return local.date().isoformat() if self.name == "date" else local.replace(tzinfo=None).isoformat(sep=" ")

    def _reason_against(self, at: datetime) -> str | None:
        """Return why the column cannot be cut at an instant, or None if it can."""
        if self.name not in WITHOUT_ZONE:
            return None
        local = in_zone(at, self.zone)
        if self.name == "date":
            is_midnight = at == midnight(local.date(), self.zone)
            return None if is_midnight else "is not the start of a day there, but the column has whole days"
        # At the beginning of an hour that clocks show twice a cut is possible: all later rows have a later time.
        if _is_shown_twice(local) and (local.fold or _is_shown_twice(local - timedelta.resolution)):
            return "is in an hour that clocks there show twice, so its rows look like the rows of the other hour"
        return None

    def _refusal(self, at: datetime, why: str) -> ConfigError:
        return ConfigError(
            f"A column of type {self.name!r} in time zone {self.zone} cannot be cut at {at.isoformat()}: that {why}. "
            "Choose another start or end of the slice, or the column's own zone with time_column_zone. "
            "Nothing was sent to mParticle."
        )


TIMESTAMP = TimeType()


def _is_shown_twice(local: datetime) -> bool:
    return local.replace(fold=0).utcoffset() > local.replace(fold=1).utcoffset()  # type: ignore[operator]  # has a zone


def _since_1970(at: datetime, per_second: int) -> str:
    """Return the exact time since 1970 as a number."""
    microseconds = (at - EPOCH) // timedelta(microseconds=1)
    number = Decimal(microseconds) * per_second / 1_000_000
    return f"{number.normalize():f}"
