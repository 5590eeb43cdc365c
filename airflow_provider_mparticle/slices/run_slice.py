"""
Determines the slice of a DAG run, and checks that the runs of a schedule have slices that do not overlap.

It gets the dates of DAG runs from `tasks`, and must not know Airflow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, tzinfo
from itertools import pairwise
from typing import Any

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.client.spelling import meant_by
from airflow_provider_mparticle.slices.arguments import Granularity
from airflow_provider_mparticle.slices.calendar_units import midnight, slice_at, slice_from
from airflow_provider_mparticle.slices.slice import Slice, in_zone, read_instant

CONF_KEYS = ("window_start", "window_end")

# The possible sources of a slice.
ARGUMENTS = "the arguments window_start and window_end"
CONF = "the DAG run's conf"
DATA_INTERVAL = "the DAG run's data interval"
PARTITION_DATE = "the DAG run's partition date"
LOGICAL_DATE = "the DAG run's logical date"
# These give one date, which does not say whether its slice has ended.
DATES_ALONE = (PARTITION_DATE, LOGICAL_DATE)
# These come from the timetable.
OF_THE_TIMETABLE = (DATA_INTERVAL, *DATES_ALONE)

_OR_NEITHER = "or leave both out to take the slice from the DAG run. Nothing was sent to mParticle."


@dataclass(frozen=True)
class RunDates:
    """
    The dates of a DAG run; a date that it does not have is None. A date without a time zone is UTC.

    :param conf: The conf with which the DAG run was triggered; it must be an object.
    :param zone: Time zone in which days, weeks and months begin. Default: UTC.
    """

    conf: Mapping[str, Any] = field(default_factory=dict)
    data_interval_start: datetime | None = None
    data_interval_end: datetime | None = None
    partition_date: datetime | None = None
    logical_date: datetime | None = None
    zone: tzinfo = UTC


def slice_of_dag_run(
    window_start: object, window_end: object, granularity: Granularity | None, dates: RunDates
) -> tuple[Slice, str]:
    """
    Return the slice of a DAG run, and its source.

    The first of these sources that the DAG run has: the arguments *window_start* and *window_end*; the same keys of the
    DAG run's conf; its data interval, unless that is empty; its partition date, for one *granularity*; its logical
    date, rounded down to *granularity*.

    :param window_start: Start of the slice, or None.
    :param window_end: End of the slice, or None.
    :param granularity: Unit or duration of a slice; needed if the DAG run has only a date.
    :param dates: The dates of the DAG run.
    :raises ConfigError: One bound is given without the other, a value is not an instant, or the DAG run has no source.
    """
    if (given := _bounds(window_start, window_end, "the arguments")) is not None:
        return given, ARGUMENTS
    if not isinstance(dates.conf, Mapping):
        raise ConfigError(
            'The DAG run\'s conf must be an object, for example {"window_start": "2026-01-01", "window_end": '
            f'"2026-01-08"}}, not a {type(dates.conf).__name__}. Nothing was sent to mParticle.'
        )
    _refuse_similar(dates.conf)
    start, end = (dates.conf.get(key) for key in CONF_KEYS)
    if (given := _bounds(start, end, CONF)) is not None:
        return given, CONF
    if (found := slice_of_dates(granularity, dates)) is not None:
        return found
    raise _no_slice(granularity, dates)


def slice_of_dates(granularity: Granularity | None, dates: RunDates) -> tuple[Slice, str] | None:
    """Return the slice that a DAG run has by its dates, and its source, or None if the dates give no slice."""
    if (interval := _interval(dates)) is not None:
        return interval, DATA_INTERVAL
    if granularity is not None and dates.partition_date:
        return slice_from(_partition_start(dates.partition_date, dates.zone), granularity, dates.zone), PARTITION_DATE
    if granularity is not None and dates.logical_date:
        return slice_at(dates.logical_date, granularity, dates.zone), LOGICAL_DATE
    return None


def refuse_overlaps(slices: Iterable[Slice], timetable: str) -> Slice | None:
    """
    Check the slices of consecutive DAG runs, and return the first gap between them, or None.

    :param slices: The slices in the order of the DAG runs.
    :param timetable: The user's name for the schedule, for the message.
    :raises ConfigError: Two slices are the same or overlap, or a slice comes before its predecessor.
    """
    first_gap = None
    for one, following in pairwise(slices):
        if following.start < one.end:
            same = "the same slice" if one == following else "slices that overlap"
            raise ConfigError(
                f"Two consecutive DAG runs of timetable {timetable} have {same}, {one} and {following}, so rows would "
                "be ingested twice. Use a granularity that fits the schedule, for example 'day' with '0 0 * * *'; or a "
                "timetable with data intervals that touch (CronDataIntervalTimetable); or window_start and window_end. "
                "Nothing was sent to mParticle."
            )
        if one.end < following.start and first_gap is None:
            first_gap = Slice(one.end, following.start)
    return first_gap


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


def _refuse_similar(conf: Mapping[str, Any]) -> None:
    """Refuse a key of a conf that is a bound with another spelling: the DAG run would get the slice of its dates."""
    for key in conf.keys() - {*CONF_KEYS}:
        if meant := meant_by(key, CONF_KEYS):
            raise ConfigError(
                f"The DAG run's conf has {shown(key)}, which is not {meant}. Write {meant}. "
                "Nothing was sent to mParticle."
            )


def _interval(dates: RunDates) -> Slice | None:
    """Return the data interval, or None if it is missing or empty, as is usual since Airflow 3."""
    if not (dates.data_interval_start and dates.data_interval_end):
        return None
    start = read_instant(dates.data_interval_start, "data_interval_start")
    end = read_instant(dates.data_interval_end, "data_interval_end")
    return Slice(start, end) if start < end else None


def _partition_start(partition_date: datetime, zone: tzinfo) -> datetime:
    """Return the start of a partition. If clocks show midnight twice, Airflow gives the second one."""
    start = read_instant(partition_date, "partition_date")
    local = in_zone(start, zone)
    return midnight(local.date(), zone) if local.time() == time() else start


def _no_slice(granularity: Granularity | None, dates: RunDates) -> ConfigError:
    if granularity is None and (at := dates.partition_date or dates.logical_date):
        known, wanted = f"it only has a date, {at.isoformat()}", "Pass granularity, for example 'day'"
    else:
        known = "it has no data interval, no partition date and no logical date"
        wanted = "Pass window_start and window_end"
    return ConfigError(
        f"This DAG run does not say which slice of history to sync: {known}. {wanted}, or trigger the DAG with "
        f'conf {{"window_start": "...", "window_end": "..."}}. Nothing was sent to mParticle.'
    )
