"""
Cuts time into hours, days, weeks, months or durations, in any time zone.

Slices follow one another without gaps and overlaps, even where clocks change. A bound that a datetime cannot hold
becomes the earliest or the latest instant that it can hold.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from airflow_provider_mparticle.slices.arguments import CalendarUnit, Granularity, checked_granularity
from airflow_provider_mparticle.slices.slice import EARLIEST, LATEST, Slice, in_utc, in_zone, later, read_instant

# Multiples of a duration are counted from here.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

HOUR = timedelta(hours=1)


def split(start: datetime, end: datetime, granularity: Granularity, zone: tzinfo = UTC) -> Iterator[Slice]:
    """
    Cut a range into slices that cover it exactly, and yield them in order.

    Days, weeks (from Monday) and months begin at midnight in *zone*, so a day may last 23 or 25 hours. The first and
    the last slice may be shorter than the others. A duration is counted from *start*.

    :param granularity: ``"hour"``, ``"day"``, ``"week"``, ``"month"`` or a duration.
    :param zone: Time zone of the calendar. Default: UTC.
    :raises ConfigError: *start* is not before *end*, or the granularity is unknown.
    """
    whole, unit = Slice(start, end), checked_granularity(granularity)
    begin = whole.start
    while begin < whole.end:
        following = later(begin, unit) if isinstance(unit, timedelta) else next_boundary(begin, unit, zone)
        cut = Slice(begin, min(following, whole.end))
        yield cut
        begin = cut.end


def slice_at(at: datetime, granularity: Granularity, zone: tzinfo = UTC) -> Slice:
    """
    Return the slice that contains *at*: the hour, day, week or month, or the multiple of a duration since 1970.

    :param at: An instant. Without a time zone it is UTC.
    :param zone: Time zone of the calendar. Default: UTC.
    """
    at, unit = read_instant(at, "at"), checked_granularity(granularity)
    if isinstance(unit, timedelta):
        multiple = (at - EPOCH) // unit
        return Slice(later(EPOCH, multiple * unit), later(EPOCH, (multiple + 1) * unit))
    start = _floor(at, unit, zone)
    return Slice(start, next_boundary(start, unit, zone))


def slice_from(start: datetime, granularity: Granularity, zone: tzinfo = UTC) -> Slice:
    """
    Return the slice that begins at *start* and lasts for one hour, day, week, month or duration.

    A day, week or month ends at the hour at which it began. If it began with its day, it ends with a day, even where
    clocks skip midnight. A month ends on the same day of the next month, or on that month's last day if it is shorter.

    :param start: An instant. Without a time zone it is UTC.
    :param zone: Time zone of the calendar. Default: UTC.
    """
    start, unit = read_instant(start, "start"), checked_granularity(granularity)
    if isinstance(unit, timedelta) or unit == "hour":
        return Slice(start, later(start, unit if isinstance(unit, timedelta) else HOUR))
    local = in_zone(start, zone)
    try:
        following = _next_month(local.date()) if unit == "month" else local.date() + timedelta(days=_DAYS[unit])
    except OverflowError:
        return Slice(start, LATEST)
    time_of_day = time() if start == midnight(local.date(), zone) else local.time()
    return Slice(start, in_utc(datetime.combine(following, time_of_day, zone)))


def next_boundary(after: datetime, unit: CalendarUnit, zone: tzinfo = UTC) -> datetime:
    """Return the first instant after *after* at which an hour, day, week or month begins."""
    if unit == "hour":
        return later(_floor(after, unit, zone), HOUR)
    day: date | None = in_zone(after, zone).date()
    # If clocks went back to the previous day, the boundary after that day has already passed.
    while day and (day := _following(day, unit)):
        if (boundary := midnight(day, zone)) > after:
            return boundary
    return LATEST


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return the first instant of a day. If clocks skip midnight on that day, it is the instant of the skip."""
    return in_utc(datetime.combine(day, time(), zone))


_DAYS = {"day": 1, "week": 7}


def _floor(at: datetime, unit: CalendarUnit, zone: tzinfo) -> datetime:
    """Return the last instant at which a unit begins, not later than *at*."""
    if unit == "hour":  # hours begin at the same instants in all zones, except in the few that differ by a part of one
        return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = in_zone(at, zone).date()
    if unit == "week":
        day -= timedelta(days=day.weekday())
    first = day.replace(day=1) if unit == "month" else day
    if first == date.min:
        return EARLIEST
    # If clocks go back across midnight (America/St_Johns until 2011, at 00:01), they show the previous day again for
    # some time after the new day has begun. This time belongs to the new day.
    following = _following(first, unit)
    begun = midnight(following, zone) if following else LATEST
    return begun if begun <= at else midnight(first, zone)


def _following(day: date, unit: CalendarUnit) -> date | None:
    """Return the first day of the next unit, or None after the last year."""
    try:
        if unit == "month":
            return _next_month(day.replace(day=1))
        return day + timedelta(days=7 - day.weekday() if unit == "week" else 1)
    except OverflowError:
        return None


def _next_month(day: date) -> date:
    """Return the same day of the next month, or that month's last day."""
    first = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return first.replace(day=min(day.day, monthrange(first.year, first.month)[1]))
