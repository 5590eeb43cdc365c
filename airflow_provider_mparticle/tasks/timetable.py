"""
Reads the time zone of a DAG's timetable and the dates of its DAG runs, and checks that their slices do not overlap.

The timetable determines the slices of a DAG, so granularity and time zone must match it. This is checked when Airflow
parses the DAG file, and again by each task. It works with the timetables of Airflow 2.11 to 3.3 and of plugins.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import chain, islice
from typing import Any

from airflow.providers.common.compat.sdk import conf

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices.arguments import Granularity, zone_named
from airflow_provider_mparticle.slices.run_slice import RunDates, refuse_overlaps, slice_of_dates
from airflow_provider_mparticle.slices.slice import Slice, in_zone, later

log = logging.getLogger(__name__)

# DAG runs that are checked when a DAG file is parsed: some weeks of a daily DAG, some years of a monthly one.
RUNS_WHEN_PARSED = 40
# DAG runs that a task checks after its own: so neither its slice nor the next one can belong to two DAG runs.
RUNS_AHEAD = 2


def zone_of(dag: Any) -> tzinfo:
    """Return the time zone in which the days of a DAG begin: the timetable's, or else the DAG's, or else UTC."""
    return _zone_of_timetable(getattr(dag, "timetable", None)) or getattr(dag, "timezone", None) or UTC


def check_schedule(dag: Any, granularity: Granularity | None) -> None:
    """
    Refuse a DAG whose timetable leads to overlapping slices. Its first DAG runs are checked.

    :raises ConfigError: Slices overlap, or the time zones of the DAG and of the timetable lead to different slices.
    """
    runs = islice(_runs(dag, None), RUNS_WHEN_PARSED)
    refuse_overlaps(_slices(dag, granularity, runs), _name(dag))


def check_run(dag: Any, granularity: Granularity | None, dates: RunDates, *, is_scheduled: bool) -> Slice | None:
    """
    Compare the slice of a DAG run with the slices of the next ones, and return the gap after it, or None.

    :param is_scheduled: Whether the timetable created the DAG run. A DAG run of a user may repeat a slice.
    :raises ConfigError: Slices are equal or overlap, or the time zones of the DAG and of the timetable lead to
        different slices.
    """
    following = islice(_runs(dag, dates), RUNS_AHEAD)
    own = [dates] if is_scheduled else []
    gap = refuse_overlaps(_slices(dag, granularity, chain(own, following)), _name(dag))
    found = slice_of_dates(granularity, dates)
    return gap if gap and found and gap.start == found[0].end else None


def _slices(dag: Any, granularity: Granularity | None, runs: Iterator[RunDates]) -> Iterator[Slice]:
    chosen = _zone_of_user(dag)
    for dates in runs:
        if (found := slice_of_dates(granularity, dates)) is None:
            return
        other = chosen and slice_of_dates(granularity, replace(dates, zone=chosen))
        if other and other != found:
            raise ConfigError(
                f"The DAG has the time zone {chosen}, but its timetable {_name(dag)} has {dates.zone}. The slice of a "
                f"DAG run would be {other[0]} with the first and {found[0]} with the second. Give start_date and the "
                "timetable the same time zone. Nothing was sent to mParticle."
            )
        yield found[0]


def _runs(dag: Any, after: RunDates | None) -> Iterator[RunDates]:
    """Yield the dates of the DAG runs that the timetable creates after a DAG run, or since the start of the DAG."""
    try:
        for info in _infos(dag, after):
            interval = info.data_interval
            yield RunDates(
                data_interval_start=interval and interval.start,
                data_interval_end=interval and interval.end,
                partition_date=getattr(info, "partition_date", None),
                logical_date=interval and interval.start,
                zone=zone_of(dag),
            )
    except Exception as error:  # broad: a plugin's timetable may raise anything, and the slices may still be right
        log.warning("The slices of timetable %s could not be checked: %r.", _name(dag), error)


def _infos(dag: Any, after: RunDates | None) -> Iterator[Any]:
    timetable = _core_timetable(getattr(dag, "timetable", None))
    if timetable is None or not getattr(timetable, "periodic", False):
        return iter(())
    start = getattr(dag, "start_date", None) or datetime.now(UTC)
    if getattr(timetable, "partitioned", False):
        return _partitions(timetable, after, start, zone_of(dag))
    return _intervals(timetable, after, start)


def _intervals(timetable: Any, after: RunDates | None, start: datetime) -> Iterator[Any]:
    """Call the timetable as Airflow's scheduler does in a catch-up."""
    import pendulum
    from airflow.timetables.base import DataInterval, TimeRestriction

    last: DataInterval | None = None
    earliest: pendulum.DateTime | None = pendulum.instance(start)
    if after is not None:
        bounds = after.data_interval_start or after.logical_date, after.data_interval_end or after.logical_date
        if not all(bounds):
            return
        last, earliest = DataInterval(*(pendulum.instance(bound) for bound in bounds if bound)), None
    restriction = TimeRestriction(earliest=earliest, latest=None, catchup=True)
    for _ in range(2 * RUNS_WHEN_PARSED):
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        if info is None:
            return
        if last is None or info.data_interval.start > last.start:
            yield info
        last, restriction = info.data_interval, restriction._replace(earliest=None)


def _partitions(timetable: Any, after: RunDates | None, start: datetime, zone: tzinfo) -> Iterator[Any]:
    """Yield the DAG runs of a partitioned timetable, one for each partition, as Airflow's backfill does."""
    first = after.partition_date if after else start
    if first is None or not hasattr(timetable, "iter_partition_dagrun_infos"):
        return
    # Airflow expects local times in the time zone of the timetable.
    infos = timetable.iter_partition_dagrun_infos(
        earliest=in_zone(first, zone), latest=later(in_zone(first, zone), timedelta(days=100 * 366))
    )
    yield from (info for info in infos if after is None or info.partition_date > first)


def _core_timetable(timetable: Any) -> Any:
    """Return a timetable that computes its next runs. A DAG file of Airflow 3.2 and later has only descriptions."""
    if timetable is None or hasattr(timetable, "next_dagrun_info"):
        return timetable
    try:
        from airflow.serialization.encoders import coerce_to_core_timetable
    except ImportError:
        return None
    return coerce_to_core_timetable(timetable)


def _zone_of_timetable(timetable: Any) -> tzinfo | None:
    inner = getattr(timetable, "timetable", None)  # AssetOrTimeSchedule has one
    several = getattr(timetable, "timetables", None) or getattr(timetable, "_timetables", None)
    if several:
        inner = several[0]
    if inner:
        return _zone_of_timetable(inner)
    # The attribute is private in Airflow 2 and in core, and public in the descriptions of Airflow 3.2.
    zone = getattr(timetable, "timezone", None) or getattr(timetable, "_timezone", None)
    return zone_named(zone) if isinstance(zone, str) else zone


def _zone_of_user(dag: Any) -> tzinfo | None:
    """Return the DAG's own time zone, or None if it is a default."""
    zone: tzinfo | None = getattr(dag, "timezone", None)
    return None if str(zone) in ("None", "UTC", conf.get("core", "default_timezone", fallback="UTC")) else zone


def _name(dag: Any) -> str:
    timetable = getattr(dag, "timetable", None)
    schedule = getattr(timetable, "expression", None) or getattr(timetable, "delta", None)
    schedule = schedule or getattr(timetable, "summary", None)
    return type(timetable).__name__ + (f" ({schedule})" if schedule else "")
