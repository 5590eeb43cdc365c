"""
Cut time into hours, days, weeks, months or durations, in any time zone.

Slices follow one another without a gap and without an overlap, whatever clocks do. Bounds that a datetime cannot hold
are moved to the earliest or latest instant that it can.
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
    Cut a range into slices, in order, that cover it exactly.

    Days, weeks (from Monday) and months begin at midnight in *zone*, so a day may last 23 or 25 hours, and the first
    and the last slice may be shorter than the others. A duration is counted from *start*.

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
    """Return the first instant after another at which an hour, day, week or month begins."""
    if unit == "hour":
        return later(_floor(after, unit, zone), HOUR)
    day: date | None = in_zone(after, zone).date()
    # Where a day came again, the boundary after it has passed already.
    while day and (day := _following(day, unit)):
        if (boundary := midnight(day, zone)) > after:
            return boundary
    return LATEST


def midnight(day: date, zone: tzinfo) -> datetime:
    """Return the first instant of a day. Where clocks skip midnight, that is when they skip it."""
    return in_utc(datetime.combine(day, time(), zone))


_DAYS = {"day": 1, "week": 7}


def _floor(at: datetime, unit: CalendarUnit, zone: tzinfo) -> datetime:
    """Return the last instant, *at* or before it, at which a unit begins."""
    if unit == "hour":  # hours are the same everywhere, except in the few zones that are off by a part of one
        return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = in_zone(at, zone).date()
    if unit == "week":
        day -= timedelta(days=day.weekday())
    first = day.replace(day=1) if unit == "month" else day
    if first == date.min:
        return EARLIEST
    # Where clocks went back across midnight (America/St_Johns until 2011, at 00:01), the old day came again for a
    # while after the new one had begun. That while belongs to the new one.
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
