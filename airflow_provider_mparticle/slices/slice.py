"""
Defines a slice of history, a half-open range of time in UTC, and reads the instants that bound it.

A full pipeline ingests history slice by slice; docs/how-to/backfill.md explains how.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.client.timestamps import read_iso_8601

# The first and the last instant that a datetime can hold. An instant outside becomes the nearer of them.
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?", re.ASCII)
# A number from here on probably counts milliseconds since 1970: as seconds it would be after the year 5000.
_FIRST_MILLISECONDS = 100_000_000_000


@dataclass(frozen=True, order=True)
class Slice:
    """
    All instants from *start* (inclusive) to *end* (exclusive).

    :param start: First instant of the slice. Without a time zone it is UTC.
    :param end: First instant after the slice. Without a time zone it is UTC.
    :raises ConfigError: *start* is not before *end*, or one of them is not an instant.
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            object.__setattr__(self, name, read_instant(getattr(self, name), name))
        if self.start >= self.end:
            raise ConfigError(
                f"A slice must start before it ends, but start is {self.start.isoformat()} and end is "
                f"{self.end.isoformat()}. Give an earlier start or a later end. Nothing was sent to mParticle."
            )

    def __str__(self) -> str:
        return f"[{self.start.isoformat()}, {self.end.isoformat()})"

    def isoformat(self) -> str:
        """Return the slice as an ISO 8601 interval: ``"start/end"``."""
        return f"{self.start.isoformat()}/{self.end.isoformat()}"

    @classmethod
    def fromisoformat(cls, interval: str) -> Slice:
        """Return the slice of an ISO 8601 interval."""
        start, _, end = interval.partition("/")
        return cls(read_instant(start, "start"), read_instant(end, "end"))

    def as_dict(self) -> dict[str, str]:
        """Return the bounds as JSON, with the names of the arguments of ``MParticleSyncSliceOperator``."""
        return {"window_start": self.start.isoformat(), "window_end": self.end.isoformat()}


def read_instant(value: object, name: str) -> datetime:
    """
    Return an instant in UTC. An instant that a datetime in UTC cannot hold becomes `EARLIEST` or `LATEST`.

    A number is refused, also as text: 2026030112 may count seconds or may be a date.

    :param value: A datetime, a date (its midnight), or ISO 8601 text. Without a time zone it is UTC.
    :param name: The caller's name for the value, for the message.
    :raises ConfigError: The value is anything else.
    """
    if isinstance(value, datetime) and isinstance(value.year, int):  # pandas has a datetime without a year, NaT
        return in_utc(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), UTC)
    if isinstance(value, str) and (read := read_iso_8601(value)):
        return in_utc(read)
    raise ConfigError(
        f"{name} must be an ISO 8601 instant, for example '2026-03-01T00:00:00Z', not {shown(value)}."
        f"{_meaning_since_1970(value)} Nothing was sent to mParticle."
    )


def in_utc(at: datetime) -> datetime:
    """Return a datetime in UTC, as an object of class datetime itself. Without a time zone it is already UTC."""
    plain = datetime(
        *(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond), tzinfo=at.tzinfo, fold=at.fold
    )
    if plain.tzinfo is None:
        return plain.replace(tzinfo=UTC)
    try:
        return plain.astimezone(UTC)
    except OverflowError:
        return EARLIEST if plain.year == datetime.min.year else LATEST


def in_zone(at: datetime, zone: tzinfo) -> datetime:
    """Return what the clocks of a zone show, or the first or last datetime if a datetime cannot hold that."""
    try:
        return at.astimezone(zone)
    except OverflowError:
        return (datetime.min if at.year == datetime.min.year else datetime.max).replace(tzinfo=zone)


def later(at: datetime, duration: timedelta) -> datetime:
    """Return the instant that is *duration* after *at*. A negative duration gives an earlier instant."""
    try:
        return at + duration
    except OverflowError:
        return EARLIEST if duration < timedelta(0) else LATEST


def _meaning_since_1970(value: object) -> str:
    """Return a hint about the instant that a number may mean, or nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return ""
    if isinstance(value, str) and not _NUMBER.fullmatch(value.strip()):
        return ""
    try:
        number, unit = float(value), "seconds"
        if abs(number) >= _FIRST_MILLISECONDS:
            number, unit = number / 1000, "milliseconds"
        meant = datetime.fromtimestamp(number, UTC)
    except (OverflowError, ValueError, OSError):
        return ""
    return f" If it counts {unit} since 1970, write {meant.isoformat()!r}."
