"""Reads and writes instants: ISO 8601 text, always in UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

# A date, alone or with a time after a separator. If the separator were optional, Python would read "1711121012345", a
# number of milliseconds, as an instant of the year 1711.
_ISO_8601 = re.compile(r"\d{4}-?(\d\d-?\d\d|W\d\d(-?\d)?)([Tt ].*)?", re.ASCII)
# Longer text is not an instant.
_LONGEST = 64


def parse_timestamp(value: object) -> datetime | None:
    """
    Return an instant in UTC, or None for a value that cannot be read, or that is outside the years 1 to 9999 in UTC.

    :param value: A datetime, a date, or ISO 8601 text. Without a time zone it is UTC.
    """
    if not isinstance(value, str | date):  # a datetime is a date
        return None
    try:
        return read.astimezone(UTC) if (read := read_iso_8601(str(value))) else None
    except OverflowError:  # 0001-01-01T00:00:00+01:00 has no UTC
        return None


def read_iso_8601(text: str) -> datetime | None:
    """Return the instant of an ISO 8601 text, in its own time zone (default: UTC), or None for any other text."""
    text = text.strip()
    if len(text) > _LONGEST or not _ISO_8601.fullmatch(text):
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:  # for example the 31st of June
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read


def whole_second(at: datetime) -> datetime:
    """Return an instant without fractions of a second, to compare it with one of mParticle, which may have none."""
    return at.replace(microsecond=0)


def iso_text(at: datetime | None) -> str | None:
    """Return an instant as ISO 8601 text, or None for None."""
    return at.isoformat() if at else None


def query_text(at: datetime) -> str:
    """
    Return an instant as mParticle expects it in a query parameter: ``2026-03-01T00:00:00Z``.

    :param at: An instant; without a time zone it is UTC. In UTC it is limited to the years 1 to 9999.
    """
    if at.tzinfo is not None:
        try:
            at = at.astimezone(UTC)
        except OverflowError:
            at = datetime.min if at.year == 1 else datetime.max
    return at.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"
