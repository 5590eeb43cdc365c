"""The slices of consecutive DAG runs, for the timetables of Airflow in zones whose clocks do odd things."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.providers.common.compat.sdk import DAG
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.events import EventsTimetable
from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable
from airflow.timetables.trigger import CronTriggerTimetable, DeltaTriggerTimetable
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.operators import MParticleSyncSliceOperator
from airflow_provider_mparticle.slices.calendar_units import split
from airflow_provider_mparticle.slices.run_slice import RunDates, slice_of_dates
from airflow_provider_mparticle.slices.slice import Slice
from airflow_provider_mparticle.tasks.timetable import check_run, check_schedule, zone_of

# Zones with clock changes by half an hour, at midnight, across midnight, or by a whole day.
ZONES = [
    "UTC",
    "Europe/London",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "America/St_Johns",
    "America/Havana",
    "Asia/Kathmandu",
    "Pacific/Apia",
]
CRONS = [
    "0 0 * * *",
    "0 0 * * 1",
    "0 0 1 * *",
    "0 0 31 * *",
    "0 0 1,15 * *",
    "0 * * * *",
    "30 * * * *",
    "0 */6 * * *",
    "30 5 * * *",
    "0 12 * * 1-5",
]
# Timetables that Airflow 2 does not have; a plain cron replaces them there.
TRIGGERS = importlib.import_module("airflow.timetables.trigger")
CronPartitionTimetable = getattr(TRIGGERS, "CronPartitionTimetable", CronTriggerTimetable)
HAS_SEVERAL_CRONS = hasattr(TRIGGERS, "MultipleCronTriggerTimetable")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
GRANULARITIES = [None, "hour", "day", "week", "month", 6 * HOUR, DAY]

quick = settings(max_examples=60, database=None)
# The days around which clocks change, in one zone or another.
starts = st.sampled_from(
    [
        datetime(2009, 10, 30),
        datetime(2011, 12, 28),
        datetime(2018, 10, 30),
        datetime(2026, 3, 27),
        datetime(2026, 10, 1),
    ]
).flatmap(lambda day: st.timedeltas(timedelta(0), 3 * DAY).map(lambda passed: (day + passed).replace(microsecond=0)))
deltas = st.sampled_from([HOUR, 6 * HOUR, DAY, 7 * DAY, 36 * HOUR])
intervals = st.sampled_from([timedelta(0), HOUR, DAY])


def of_several_crons(crons: tuple[str, ...], zone: str) -> Any:
    """A timetable of several crons, or of the last one."""
    if HAS_SEVERAL_CRONS:
        return TRIGGERS.MultipleCronTriggerTimetable(*crons, timezone=zone)
    return CronTriggerTimetable(crons[-1], timezone=zone)


def timetables(zone: str) -> st.SearchStrategy[Any]:
    """Any timetable of Airflow that makes DAG runs by the clock."""
    cron = st.sampled_from(CRONS)
    return st.one_of(
        st.builds(CronTriggerTimetable, cron, timezone=st.just(zone), interval=intervals),
        st.builds(CronDataIntervalTimetable, cron, timezone=st.just(zone)),
        st.builds(DeltaTriggerTimetable, deltas, interval=intervals),
        st.builds(DeltaDataIntervalTimetable, deltas),
        st.builds(of_several_crons, st.tuples(cron, cron), st.just(zone)),
        st.lists(st.timedeltas(timedelta(0), 90 * DAY), min_size=3, max_size=6).map(
            lambda passed: EventsTimetable([pendulum.datetime(2026, 3, 1) + one for one in passed])
        ),
        cron.map(lambda one: one),  # Airflow makes a timetable of it
        deltas.map(lambda one: one),
    )


def dag_with(schedule: Any, start: datetime = datetime(2026, 1, 1)) -> DAG:
    """A DAG whose start date has no time zone, as most have."""
    return DAG("history", schedule=schedule, start_date=start)


def core(timetable: Any) -> Any:
    """The timetable as Airflow's scheduler has it."""
    if hasattr(timetable, "next_dagrun_info"):
        return timetable
    return importlib.import_module("airflow.serialization.encoders").coerce_to_core_timetable(timetable)


def scheduled(dag: DAG) -> Iterator[RunDates]:
    """The dates of the DAG runs that Airflow's scheduler makes in a catch-up."""
    timetable, last = core(dag.timetable), None
    earliest = pendulum.instance(dag.start_date)
    if getattr(timetable, "partitioned", False):
        if not hasattr(timetable, "iter_partition_dagrun_infos"):
            pytest.skip("this Airflow does not list the DAG runs of partitions")
        infos = timetable.iter_partition_dagrun_infos(earliest=earliest, latest=earliest.add(years=9))
        yield from (RunDates(partition_date=info.partition_date, zone=zone_of(dag)) for info in infos)
        return
    restriction = TimeRestriction(earliest=earliest, latest=None, catchup=True)
    while info := timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction):
        last = DataInterval(*info.data_interval)
        yield RunDates(
            data_interval_start=last.start, data_interval_end=last.end, logical_date=last.start, zone=zone_of(dag)
        )


def checked(dag: DAG, granularity: Any, runs: int = 12) -> list[tuple[Slice | None, Slice | None, Slice]]:
    """For each DAG run: its slice if it is accepted, the gap that is announced behind it, and its slice at all."""
    found = []
    for dates in islice(scheduled(dag), runs):
        own = slice_of_dates(granularity, dates)
        if own is None:
            return found
        try:
            found.append((own[0], check_run(dag, granularity, dates, is_scheduled=True), own[0]))
        except ConfigError:
            found.append((None, None, own[0]))
    return found


@quick
@given(
    case=st.sampled_from(ZONES).flatmap(timetables),
    start=starts,
    granularity=st.sampled_from(GRANULARITIES),
)
def test_accepted_slices_neither_overlap_nor_leave_a_gap_that_is_not_announced(
    case: Any, start: datetime, granularity: Any
) -> None:
    """A row is ingested twice or never otherwise, and all tasks are green."""
    found = checked(dag_with(case, start), granularity)

    accepted = [own for own, _, _ in found if own]
    assert all(one.end <= following.start for one, following in pairwise(accepted))
    for (own, gap, _), (_, _, following) in pairwise(found):
        if own:
            assert (Slice(own.end, following.start) if own.end < following.start else None) == gap


@quick
@given(
    case=st.sampled_from(ZONES).flatmap(timetables),
    start=starts,
    granularity=st.sampled_from(GRANULARITIES),
)
def test_a_slice_is_refused_only_where_slices_near_it_overlap(case: Any, start: datetime, granularity: Any) -> None:
    """A red task for a fine run wakes people at night."""
    found = checked(dag_with(case, start), granularity)

    for number, (own, _, _) in enumerate(found[:-2]):
        near = [each for _, _, each in found[number : number + 3]]
        overlap = any(following.start < one.end for one, following in pairwise(near))
        assert overlap == (own is None)


# Without Havana: where clocks show midnight twice, Airflow's data intervals begin at the second one.
@pytest.mark.parametrize("zone", [zone for zone in ZONES if zone != "America/Havana"])
@pytest.mark.parametrize(("cron", "unit"), [("0 0 * * *", "day"), ("0 0 * * 1", "week"), ("0 0 1 * *", "month")])
@pytest.mark.parametrize("kind", [CronTriggerTimetable, CronDataIntervalTimetable, CronPartitionTimetable])
def test_the_slices_of_consecutive_dag_runs_are_the_planned_ones(zone: str, cron: str, unit: Any, kind: Any) -> None:
    """A plan, a backfill and a schedule cut history at the same instants."""
    dag = dag_with(kind(cron, timezone=zone), datetime(2026, 1, 1))

    found = checked(dag, unit, runs=30)

    slices = [own for own, _, _ in found if own]
    assert 30 == len(slices)
    assert [*split(slices[0].start, slices[-1].end, unit, ZoneInfo(zone))] == slices
    assert not [gap for _, gap, _ in found if gap]


def test_partitions_touch_where_clocks_show_midnight_twice() -> None:
    """Airflow's partition begins at the second midnight, and the hour before it is part of the day as well."""
    zone = ZoneInfo("America/Havana")
    second = datetime(2026, 11, 1, 0, 0, fold=1, tzinfo=zone)

    found = slice_of_dates("day", RunDates(partition_date=second, zone=zone))

    assert found
    assert Slice("2026-11-01T04:00Z", "2026-11-02T05:00Z") == found[0]


@pytest.mark.parametrize(
    ("schedule", "granularity"),
    [
        (CronTriggerTimetable("0 * * * *", timezone="UTC"), "day"),
        (CronTriggerTimetable("0 */6 * * *", timezone="UTC"), "day"),
        (CronTriggerTimetable("0 0 1,15 * *", timezone="UTC"), "month"),
        (CronTriggerTimetable("0 * * * *", timezone="UTC", interval=DAY), None),
        (of_several_crons(("0 0 * * *", "0 */12 * * *"), "UTC"), "day"),
        (DeltaTriggerTimetable(HOUR), "day"),
    ],
    ids=["hourly", "every 6 hours", "twice a month", "long intervals", "two crons", "delta"],
)
def test_a_dag_whose_slices_overlap_is_refused_while_it_is_parsed(schedule: Any, granularity: Any) -> None:
    """The author sees it in the list of DAGs, before anything is paid for."""
    with pytest.raises(ConfigError) as refused, dag_with(schedule):
        MParticleSyncSliceOperator(
            task_id="sync", pipeline_id="orders", data_model_id="orders-model", sql="SELECT 1", granularity=granularity
        )

    assert 2 <= str(refused.value).count("[2")
    assert "be ingested twice" in str(refused.value)


@pytest.mark.parametrize("schedule", [None, "@once", DeltaDataIntervalTimetable(HOUR), "0 0 31 * *", "0 0 * * *"])
def test_a_dag_whose_slices_may_be_fine_is_not_refused(schedule: Any) -> None:
    """Some make one slice, none at all, or leave gaps on purpose."""
    with dag_with(schedule) as dag:
        MParticleSyncSliceOperator(
            task_id="sync", pipeline_id="orders", data_model_id="orders-model", sql="SELECT 1", granularity="day"
        )
    check_schedule(dag, "day")

    assert ["sync"] == dag.task_ids


def test_a_continuous_dag_is_not_refused() -> None:
    """Each of its data intervals begins where the last one ended."""
    dag = DAG("history", schedule="@continuous", start_date=datetime(2026, 1, 1), max_active_runs=1)
    check_schedule(dag, None)
    now = datetime.now(UTC)
    dates = RunDates(data_interval_start=now - HOUR, data_interval_end=now, logical_date=now - HOUR)

    assert check_run(dag, "day", dates, is_scheduled=True) is None


def test_the_timetable_s_zone_decides_for_a_start_date_without_a_zone() -> None:
    """Midnight on the first of April in London is still March in UTC."""
    dag = dag_with(CronTriggerTimetable("0 0 1 * *", timezone="Europe/London"))

    months = [
        f"{own.start.astimezone(ZoneInfo('Europe/London')):%m-%d %H:%M}" for own, _, _ in checked(dag, "month") if own
    ]

    assert [f"{month:02}-01 00:00" for month in range(1, 13)] == months


def test_time_zones_of_dag_and_timetable_that_make_different_slices_are_refused() -> None:
    """The author chose both, and only one of them can decide."""
    start = pendulum.datetime(2026, 1, 1, tz="Asia/Tokyo")
    dag = DAG("history", schedule=CronTriggerTimetable("0 0 * * *", timezone="Europe/London"), start_date=start)

    with pytest.raises(ConfigError, match=r"time zone Asia/Tokyo, but its timetable CronTrigger.* Europe/London"):
        check_schedule(dag, "day")
    check_schedule(dag, "hour")


def test_a_manual_dag_run_may_repeat_a_slice() -> None:
    """A user asks for it, and the schedule goes on as it is."""
    dag = dag_with(CronTriggerTimetable("0 0 * * 0", timezone="UTC"))
    wednesday = RunDates(logical_date=datetime(2026, 1, 7, 15, tzinfo=UTC))

    assert check_run(dag, "week", wednesday, is_scheduled=False) is None
    with pytest.raises(ConfigError, match="the same slice"):
        check_run(dag, "week", wednesday, is_scheduled=True)


def test_a_timetable_that_fails_when_asked_is_not_refused(caplog: pytest.LogCaptureFixture) -> None:
    """One of a plugin may need what a worker does not have; the log says that nothing was checked."""

    class Broken(CronTriggerTimetable):
        def next_dagrun_info(self, **_: Any) -> Any:
            raise KeyError("no database")

    check_schedule(dag_with(Broken("0 * * * *", timezone="UTC")), "day")

    assert "could not be checked: KeyError('no database')" in caplog.text


def test_a_timetable_that_airflow_cannot_make_is_not_refused(caplog: pytest.LogCaptureFixture) -> None:
    """In 3.3 that is so for the SDK's EventsTimetable: the DAG file is not to blame, and the log says it."""

    class Undefined:
        can_be_scheduled = periodic = True

        @property
        def next_dagrun_info(self) -> Any:
            raise KeyError("_summary")

    check_schedule(SimpleNamespace(timetable=Undefined(), start_date=None, timezone=UTC), "day")

    assert "could not be checked: KeyError('_summary')" in caplog.text


def test_a_mapped_operator_is_not_checked_when_airflow_unmaps_it() -> None:
    """An error there would be retried; the task itself refuses the slice, once."""
    with dag_with(CronTriggerTimetable("0 * * * *", timezone="UTC")):
        mapped = MParticleSyncSliceOperator.partial(
            task_id="sync", data_model_id="m", sql="SELECT 1", granularity="day"
        ).expand(pipeline_id=["orders"])

    assert "orders" == mapped.unmap({"pipeline_id": "orders"}).pipeline_id


def test_a_dag_run_without_a_timetable_has_the_zone_of_its_dag() -> None:
    """Tests and other tools run tasks with less than Airflow's own objects."""
    assert UTC == zone_of(None)
    assert "Europe/Berlin" == str(
        zone_of(DAG("d", schedule=None, start_date=pendulum.datetime(2026, 1, 1, tz="Europe/Berlin")))
    )
