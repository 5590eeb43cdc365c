"""Reads and writes instants: ISO 8601 text, always in UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

# A date, alone or followed by a time. Without the separator Python would read "1711121012345", which is a number of
# milliseconds, as an instant of the year 1711.
_ISO_8601 = re.compile(r"\d{4}-?(\d\d-?\d\d|W\d\d(-?\d)?)([Tt ].*)?", re.ASCII)
# Longer text is not an instant.
_LONGEST = 64


def parse_timestamp(value: object) -> datetime | None:
    """
    Read an instant leniently.

    :param value: A datetime, a date, or ISO 8601 text; one without a time zone is UTC.
    :return: The instant in UTC, or None for a value that cannot be read or has no UTC within years 1 to 9999.
    """
    if not isinstance(value, str | date):  # a datetime is a date
        return None
    try:
        return read.astimezone(UTC) if (read := read_iso_8601(str(value))) else None
    except OverflowError:  # 0001-01-01T00:00:00+01:00 has no UTC
        return None


def read_iso_8601(text: str) -> datetime | None:
    """Return the instant that an ISO 8601 text names, in its own time zone or UTC, or None if it names none."""
    text = text.strip()
    if len(text) > _LONGEST or not _ISO_8601.fullmatch(text):
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:  # the 31st of June, for example
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read


def whole_second(at: datetime) -> datetime:
    """Return an instant without fractions, as mParticle may answer it, so that the two compare."""
    return at.replace(microsecond=0)


def iso_text(at: datetime | None) -> str | None:
    """Return an instant as ISO 8601 text, or None for None."""
    return at.isoformat() if at else None


def query_text(at: datetime) -> str:
    """
    Return an instant as mParticle's query parameters take it: ``2026-03-01T00:00:00Z``.

    :param at: An instant. One without a time zone is UTC; one that has no UTC is clamped to the years 1 to 9999.
    """
    if at.tzinfo is not None:
        try:
            at = at.astimezone(UTC)
        except OverflowError:
            at = datetime.min if at.year == 1 else datetime.max
    return at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
