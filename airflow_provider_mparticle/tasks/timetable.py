"""
What a DAG's timetable says: its time zone, and the dates of the DAG runs that it makes.

The slices of a DAG are what its timetable makes them, so granularity and zone are held against it: while Airflow
parses the DAG file, and again by each task. Works with the timetables of Airflow 2.11 to 3.3 and of plugins.
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

# While a DAG file is parsed: some weeks of a daily DAG, some years of a monthly one.
RUNS_WHEN_PARSED = 40
# When a task runs: its own DAG run and the next two, so that neither its slice nor the next one has two DAG runs.
RUNS_AHEAD = 2


def zone_of(dag: Any) -> tzinfo:
    """Return the time zone in which the days of a DAG begin: its timetable's, else its own, else UTC."""
    return _zone_of_timetable(getattr(dag, "timetable", None)) or getattr(dag, "timezone", None) or UTC


def check_schedule(dag: Any, granularity: Granularity | None) -> None:
    """
    Refuse a DAG whose timetable makes slices that overlap, as far as its first runs show it.

    :raises ConfigError: They do, or the time zones of DAG and timetable make different slices.
    """
    runs = islice(_runs(dag, None), RUNS_WHEN_PARSED)
    refuse_overlaps(_slices(dag, granularity, runs), _name(dag))


def check_run(dag: Any, granularity: Granularity | None, dates: RunDates, *, is_scheduled: bool) -> Slice | None:
    """
    Check the slice of a DAG run against those of the next ones, and return the gap behind it, if there is one.

    :param is_scheduled: Whether the timetable made the DAG run. A user's own may repeat a slice.
    :raises ConfigError: Slices are the same or overlap, or the time zones of DAG and timetable make different slices.
    """
    following = islice(_runs(dag, dates), RUNS_AHEAD)
    own = [dates] if is_scheduled else []
    gap = refuse_overlaps(_slices(dag, granularity, chain(own, following)), _name(dag))
    found = slice_of_dates(granularity, dates)
    return gap if gap and found and gap.start == found[0].end else None


def _slices(dag: Any, granularity: Granularity | None, runs: Iterator[RunDates]) -> Iterator[Slice]:
    chosen = _zone_that_users_chose(dag)
    for dates in runs:
        if (found := slice_of_dates(granularity, dates)) is None:
            return
        other = chosen and slice_of_dates(granularity, replace(dates, zone=chosen))
        if other and other != found:
            raise ConfigError(
                f"The DAG has time zone {chosen}, but its timetable {_name(dag)} has {dates.zone}: a DAG run would "
                f"have the slice {other[0]} by one and {found[0]} by the other. Give start_date and timetable the same "
                "zone. Nothing was sent to mParticle."
            )
        yield found[0]


def _runs(dag: Any, after: RunDates | None) -> Iterator[RunDates]:
    """Yield the dates of the DAG runs that the timetable makes after one, or from the DAG's start on."""
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
    except Exception as error:  # Airflow or a plugin's timetable may raise anything, and may be fine nevertheless
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
    """Ask the timetable as Airflow's scheduler does in a catch-up."""
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
    """Yield the DAG runs of a partitioned timetable by their partitions, as Airflow's backfill does."""
    first = after.partition_date if after else start
    if first is None or not hasattr(timetable, "iter_partition_dagrun_infos"):
        return
    # Airflow takes what the clocks of the timetable's zone show.
    infos = timetable.iter_partition_dagrun_infos(
        earliest=in_zone(first, zone), latest=later(in_zone(first, zone), timedelta(days=100 * 366))
    )
    yield from (info for info in infos if after is None or info.partition_date > first)


def _core_timetable(timetable: Any) -> Any:
    """Return a timetable that can say its next runs; a DAG file of Airflow 3.2 and later holds only descriptions."""
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
    # Airflow's own are private in Airflow 2 and in core; what a DAG file of 3.2 describes is public.
    zone = getattr(timetable, "timezone", None) or getattr(timetable, "_timezone", None)
    return zone_named(zone) if isinstance(zone, str) else zone


def _zone_that_users_chose(dag: Any) -> tzinfo | None:
    """Return the DAG's own time zone, unless it is a default and not a choice."""
    zone: tzinfo | None = getattr(dag, "timezone", None)
    return None if str(zone) in ("None", "UTC", conf.get("core", "default_timezone", fallback="UTC")) else zone


def _name(dag: Any) -> str:
    timetable = getattr(dag, "timetable", None)
    said = getattr(timetable, "expression", None) or getattr(timetable, "delta", None)
    said = said or getattr(timetable, "summary", None)
    return type(timetable).__name__ + (f" ({said})" if said else "")
