"""
Slices of history: half-open spans of time, in UTC, that follow one another without a gap and without an overlap. Pure.

A full pipeline ingests history slice by slice. docs/how-to/backfill.md tells how, and which slice a DAG run gets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.models import parse_timestamp
from airflow_provider_mparticle.slices.arguments import CalendarUnit, Granularity, checked_granularity

# From which multiples of a duration are counted.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

CONF_KEYS = ("window_start", "window_end")

# What the slice of a DAG run may be taken from. A date alone does not say that its slice is over.
PARTITION_DATE = "the DAG run's partition date"
LOGICAL_DATE = "the DAG run's logical date"
DATES_ALONE = (PARTITION_DATE, LOGICAL_DATE)

_OR_NEITHER = "or leave both out to take the slice from the DAG run. Nothing was sent to mParticle."


@dataclass(frozen=True, order=True)
class Slice:
    """
    What lies at or after *start* and before *end*.

    :param start: First instant that belongs to it. One without a time zone is UTC.
    :param end: First instant that does not. One without a time zone is UTC.
    :raises ConfigError: *start* does not lie before *end*.
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
        """Return it as an ISO 8601 interval: ``"start/end"``."""
        return f"{self.start.isoformat()}/{self.end.isoformat()}"

    @classmethod
    def fromisoformat(cls, interval: str) -> Slice:
        """Read an ISO 8601 interval."""
        start, _, end = interval.partition("/")
        return cls(read_instant(start, "start"), read_instant(end, "end"))

    def as_dict(self) -> dict[str, str]:
        """Return the bounds as JSON, named as the arguments of ``MParticleSyncSliceOperator``."""
        return {"window_start": self.start.isoformat(), "window_end": self.end.isoformat()}


@dataclass(frozen=True)
class RunDates:
    """
    What a DAG run says of its time; None stands where it says nothing. A date without a time zone is UTC.

    :param conf: What the DAG run was triggered with.
    :param zone: The DAG's time zone, in which days, weeks and months begin. Default: UTC.
    """

    conf: Mapping[str, Any] = field(default_factory=dict)
    data_interval_start: datetime | None = None
    data_interval_end: datetime | None = None
    partition_date: datetime | None = None
    logical_date: datetime | None = None
    zone: tzinfo = UTC


def split(start: datetime, end: datetime, granularity: Granularity, zone: tzinfo = UTC) -> Iterator[Slice]:
    """
    Cut a range into slices, in order, that cover it exactly.

    Days, weeks (from Monday) and months begin at midnight in *zone*, so a day may last 23 or 25 hours, and the first
    and the last slice may be shorter than the others. A duration is counted from *start*.

    :param granularity: ``"hour"``, ``"day"``, ``"week"``, ``"month"`` or a duration.
    :param zone: Time zone of the calendar. Default: UTC.
    :raises ConfigError: *start* does not lie before *end*, or there is no such granularity.
    """
    whole, unit = Slice(start, end), checked_granularity(granularity)
    begin = whole.start
    while begin < whole.end:
        following = begin + unit if isinstance(unit, timedelta) else _next_boundary(begin, unit, zone)
        cut = Slice(begin, min(following, whole.end))
        yield cut
        begin = cut.end


def slice_at(at: datetime, granularity: Granularity, zone: tzinfo = UTC) -> Slice:
    """
    Return the slice that *at* lies in: the hour, day, week or month, or the multiple of a duration since 1970.

    :param at: An instant. One without a time zone is UTC.
    :param zone: Time zone of the calendar. Default: UTC.
    """
    at, unit = read_instant(at, "at"), checked_granularity(granularity)
    if isinstance(unit, timedelta):
        start = EPOCH + (at - EPOCH) // unit * unit
        return Slice(start, start + unit)
    start = _floor(at, unit, zone)
    return Slice(start, _next_boundary(start, unit, zone))


def slice_from(start: datetime, granularity: Granularity, zone: tzinfo = UTC) -> Slice:
    """
    Return the slice that begins at *start* and lasts for one hour, day, week, month or duration.

    A day, week or month ends at the hour at which it began; one that began with its day ends with a day, even where
    clocks skip midnight. A month ends on the same day of the next month, or on that month's last day if it is shorter.

    :param start: An instant. One without a time zone is UTC.
    :param zone: Time zone of the calendar. Default: UTC.
    """
    start, unit = read_instant(start, "start"), checked_granularity(granularity)
    if isinstance(unit, timedelta):
        return Slice(start, start + unit)
    if unit == "hour":
        return Slice(start, start + timedelta(hours=1))
    local = start.astimezone(zone)
    days = {"day": 1, "week": 7}
    following = _next_month(local.date()) if unit == "month" else local.date() + timedelta(days=days[unit])
    time_of_day = time() if start == _midnight(local.date(), zone) else local.time()
    return Slice(start, _utc(datetime.combine(following, time_of_day, zone)))


def slice_of_dag_run(
    window_start: object, window_end: object, granularity: Granularity | None, dates: RunDates
) -> tuple[Slice, str]:
    """
    Return the slice of a DAG run, and what it was taken from.

    In this order: explicit bounds; ``window_start`` and ``window_end`` of the DAG run's conf; its data interval, if
    that is not empty; its partition date, for one *granularity* long; its logical date, floored to *granularity*.

    :param window_start: Explicit first instant, or None.
    :param window_end: Explicit end, or None.
    :raises ConfigError: One bound without the other, an instant that nobody can read, or nothing to take it from.
    """
    if (given := _bounds(window_start, window_end, "the arguments")) is not None:
        return given, "the arguments window_start and window_end"
    start, end = (dates.conf.get(key) for key in CONF_KEYS)
    if (given := _bounds(start, end, "the DAG run's conf")) is not None:
        return given, "the DAG run's conf"
    if (interval := _interval(dates)) is not None:
        return interval, "the DAG run's data interval"
    if granularity is not None and dates.partition_date:
        return slice_from(dates.partition_date, granularity, dates.zone), PARTITION_DATE
    if granularity is not None and dates.logical_date:
        return slice_at(dates.logical_date, granularity, dates.zone), LOGICAL_DATE
    raise _no_slice(granularity, dates)


def read_instant(value: object, name: str) -> datetime:
    """
    Read an instant, given as a datetime or as ISO 8601; one without a time zone is UTC.

    :raises ConfigError: Nobody can read it.
    """
    if (read := parse_timestamp(value)) is None:
        raise ConfigError(
            f"{name} must be an ISO 8601 instant, for example '2026-03-01T00:00:00Z', not {value!r}. "
            "Nothing was sent to mParticle."
        )
    return read


def _bounds(start: object, end: object, place: str) -> Slice | None:
    if start is None and end is None:
        return None
    if start is None or end is None:
        present, missing = CONF_KEYS if end is None else CONF_KEYS[::-1]
        raise ConfigError(f"{missing} is missing: only {present} is given in {place}. Give both, {_OR_NEITHER}")
    first, last = read_instant(start, f"window_start in {place}"), read_instant(end, f"window_end in {place}")
    if first >= last:
        raise ConfigError(
            f"window_start must lie before window_end in {place}, but they are {first.isoformat()} and "
            f"{last.isoformat()}. Give a later window_end, {_OR_NEITHER}"
        )
    return Slice(first, last)


def _interval(dates: RunDates) -> Slice | None:
    """Return the data interval, unless there is none or, as is usual since Airflow 3, it is empty."""
    if not (dates.data_interval_start and dates.data_interval_end):
        return None
    start = read_instant(dates.data_interval_start, "data_interval_start")
    end = read_instant(dates.data_interval_end, "data_interval_end")
    return Slice(start, end) if start < end else None


def _no_slice(granularity: Granularity | None, dates: RunDates) -> ConfigError:
    if granularity is None and (at := dates.partition_date or dates.logical_date):
        known, wanted = f"all it has is a date, {at.isoformat()}", "Pass granularity, for example 'day'"
    else:
        known = "it has no data interval, no partition date and no logical date"
        wanted = "Pass window_start and window_end"
    return ConfigError(
        f"This DAG run does not say which slice of history to sync: {known}. {wanted}, or trigger the DAG with "
        f'conf {{"window_start": "...", "window_end": "..."}}. Nothing was sent to mParticle.'
    )


# The calendar


def _next_boundary(after: datetime, unit: CalendarUnit, zone: tzinfo) -> datetime:
    """Return the first boundary after an instant; where a day came again, the boundary after it has passed already."""
    if unit == "hour":
        return _floor(after, unit, zone) + timedelta(hours=1)
    day = after.astimezone(zone).date()
    while (boundary := _midnight(day := _following(day, unit), zone)) <= after:
        pass
    return boundary


def _following(day: date, unit: CalendarUnit) -> date:
    if unit == "month":
        return _next_month(day.replace(day=1))
    return day + timedelta(days=7 - day.weekday() if unit == "week" else 1)


def _floor(at: datetime, unit: CalendarUnit, zone: tzinfo) -> datetime:
    if unit == "hour":  # hours are the same everywhere, but for the few zones that are off by a part of one
        return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = at.astimezone(zone).date()
    if unit == "week":
        day -= timedelta(days=day.weekday())
    first = day.replace(day=1) if unit == "month" else day
    # Where clocks went back across midnight (America/St_Johns until 2011, at 00:01), the old day came again for a
    # while after the new one had begun; that while belongs to the new one.
    begun = _midnight(_following(first, unit), zone)
    return begun if begun <= at else _midnight(first, zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    """Return the first instant of a day; where clocks skip midnight, that is when they do."""
    return _utc(datetime.combine(day, time(), zone))


def _next_month(day: date) -> date:
    first = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    last = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(day.day, last.day))


def _utc(local: datetime) -> datetime:
    return local.astimezone(UTC)
