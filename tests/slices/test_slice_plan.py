"""Slices of history that fit into one run each: how ranges are cut, what is counted, and what is reported."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices.arguments import Granularity, TimeColumnType
from airflow_provider_mparticle.slices.calendar_units import slice_at
from airflow_provider_mparticle.slices.slice import Slice
from airflow_provider_mparticle.slices.slice_plan import SlicePlan, plan_slices, read_count
from airflow_provider_mparticle.slices.time_type import TimeType

YEAR = Slice(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))


class Table:
    """Rows by their instants; records what was counted."""

    def __init__(self, *rows: datetime) -> None:
        self.rows = sorted(rows)
        self.calls: list[list[Slice]] = []

    def count(self, spans: Sequence[Slice]) -> list[int]:
        """Count the rows of each slice."""
        self.calls.append([*spans])
        return [bisect_left(self.rows, span.end) - bisect_left(self.rows, span.start) for span in spans]


def rows_at(text: str, rows: int) -> list[datetime]:
    """Return a number of rows at one instant."""
    return [datetime.fromisoformat(text).replace(tzinfo=UTC)] * rows


def spans(plan: SlicePlan) -> list[tuple[str, str, int]]:
    """The slices of a plan, in a short form."""
    return [(f"{s.slice.start:%m-%d %H:%M}", f"{s.slice.end:%m-%d %H:%M}", s.rows) for s in plan.slices]


# How a range is cut


def test_a_range_that_fits_takes_one_count() -> None:
    """Most tables are small."""
    table = Table(*rows_at("2025-05-05", 10))

    plan = plan_slices(YEAR, table.count, max_records=10)

    assert [("01-01 00:00", "01-01 00:00", 10)] == spans(plan)
    assert 1 == plan.queries == len(table.calls)


def test_only_what_is_too_large_is_cut_further() -> None:
    """A count scans a part of the table, which costs money."""
    table = Table(*rows_at("2025-02-05", 60), *rows_at("2025-07-08 09:30", 50), *rows_at("2025-07-08 14:30", 60))

    plan = plan_slices(YEAR, table.count, max_records=100)

    months, weeks, days, hours = 12, 5, 7, 24  # the year, July, the week from July 7th, July 8th
    assert 1 + months + weeks + days + hours == plan.queries
    assert [1, months, weeks, days, hours] == [len(call) for call in table.calls]
    assert [
        ("01-01 00:00", "07-08 09:00", 60),
        ("07-08 09:00", "07-08 14:00", 50),
        ("07-08 14:00", "01-01 00:00", 60),
    ] == spans(plan)


def test_neighbours_are_merged_as_far_as_they_fit() -> None:
    """Each slice is a run of 15 minutes or more, so few slices are better; merging needs no count."""
    table = Table(*(datetime(2025, month, 15, tzinfo=UTC) for month in range(1, 13)))

    plan = plan_slices(YEAR, table.count, max_records=5)

    assert [
        ("01-01 00:00", "06-01 00:00", 5),
        ("06-01 00:00", "11-01 00:00", 5),
        ("11-01 00:00", "01-01 00:00", 2),
    ] == spans(plan)
    assert 1 + 12 == plan.queries


def test_a_range_within_a_unit_is_not_counted_twice() -> None:
    """An hour of one day, cut by month, is the same hour."""
    hour = Slice(datetime(2025, 3, 3, 10, tzinfo=UTC), datetime(2025, 3, 3, 11, tzinfo=UTC))
    table = Table(*rows_at("2025-03-03 10:30", 5))

    plan = plan_slices(hour, table.count, max_records=4)

    assert 1 == plan.queries
    assert [(hour, 5)] == [(one.slice, one.rows) for one in plan.oversized]


def test_empty_spans_belong_to_their_neighbours() -> None:
    """Rows may still arrive there, and a run without rows costs as much as any other."""
    table = Table(*rows_at("2025-05-05 05:00", 3), *rows_at("2025-08-05 05:00", 3))

    plan = plan_slices(YEAR, table.count, max_records=3)

    assert [("01-01 00:00", "08-01 00:00", 3), ("08-01 00:00", "01-01 00:00", 3)] == spans(plan)


def test_a_range_without_rows_has_no_slices() -> None:
    """A run without rows takes as long as any other."""
    assert () == plan_slices(YEAR, Table().count).slices


def test_a_duration_is_bisected_down_to_at_its_multiples_from_the_start() -> None:
    """The smallest slices are known before the count, whatever the rows."""
    start = datetime(2025, 1, 1, 0, 7, tzinfo=UTC)
    whole = Slice(start, start + timedelta(minutes=100))
    table = Table(*rows_at("2025-01-01 00:50", 4), *rows_at("2025-01-01 01:10", 4))

    plan = plan_slices(whole, table.count, max_records=4, granularity=timedelta(minutes=15))

    assert [("01-01 00:07", "01-01 00:52", 4), ("01-01 00:52", "01-01 01:47", 4)] == spans(plan)
    assert 1 + 2 == plan.queries


@given(units=st.integers(2, 40), data=st.data())
def test_a_duration_is_cut_at_whichever_multiple_can_be_used(units: int, data: st.DataObject) -> None:
    """A column cannot be cut within hours that clocks show twice, so the multiples near the middle may not do."""
    usable = data.draw(st.integers(1, units - 1))
    whole = Slice(YEAR.start, YEAR.start + timedelta(minutes=units))
    middle = whole.start + timedelta(minutes=usable)
    table = Table(whole.start, whole.end - timedelta.resolution)

    plan = plan_slices(
        whole, table.count, max_records=1, granularity=timedelta(minutes=1), can_cut=lambda at: at == middle
    )

    assert [(Slice(whole.start, middle), 1), (Slice(middle, whole.end), 1)] == [
        (one.slice, one.rows) for one in plan.slices
    ]


def test_nothing_is_cut_finer_than_the_granularity() -> None:
    """A batch of the source must not be in two slices."""
    table = Table(*rows_at("2025-05-05 05:00", 3), *rows_at("2025-05-05 15:00", 3))

    plan = plan_slices(YEAR, table.count, max_records=3, granularity="day")

    assert [("05-05 00:00", "05-06 00:00", 6)] == [row for row in spans(plan) if row[2] > 3]


def test_days_begin_in_the_time_zone() -> None:
    """The business day of the rows is the local day."""
    table = Table(*rows_at("2025-05-05 05:00", 3), *rows_at("2025-05-06 05:00", 3))

    plan = plan_slices(YEAR, table.count, max_records=3, zone=ZoneInfo("America/New_York"))

    assert [one.slice.start.hour for one in plan.slices[1:]] == [4]


ZONES = [UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("America/St_Johns")]
GRANULARITIES: list[Granularity] = ["hour", "day", "week", "month", timedelta(minutes=50), timedelta(days=3)]
INSTANTS = st.datetimes(datetime(2025, 1, 1), datetime(2025, 6, 30)).map(lambda at: at.replace(tzinfo=UTC))


@given(
    rows=st.lists(st.tuples(INSTANTS, st.integers(1, 40)), max_size=30),
    bounds=st.tuples(INSTANTS, INSTANTS).map(sorted).filter(lambda pair: pair[0] < pair[1]),
    max_records=st.integers(1, 100),
    granularity=st.sampled_from(GRANULARITIES),
    zone=st.sampled_from(ZONES),
)
def test_whatever_the_rows_are(
    rows: list[tuple[datetime, int]],
    bounds: list[datetime],
    max_records: int,
    granularity: Granularity,
    zone: Any,
) -> None:
    """No row is missing or ingested twice, no run is too large, and no slice could be merged."""
    whole = Slice(*bounds)
    table = Table(*(at for at, times in rows for _ in range(times)))
    expected = Table(*table.rows)

    plan = plan_slices(whole, table.count, max_records=max_records, granularity=granularity, zone=zone)

    counted = [span for call in table.calls for span in call]
    assert len(counted) == len(set(counted)) == plan.queries
    assert () == plan.disagreements
    assert expected.count([whole]) == [plan.rows]
    if plan.slices:
        assert whole == Slice(plan.slices[0].slice.start, plan.slices[-1].slice.end)
    assert all(left.slice.end == right.slice.start for left, right in pairwise(plan.slices))
    assert [one.rows for one in plan.slices] == expected.count([one.slice for one in plan.slices])
    assert all(left.rows + right.rows > max_records for left, right in pairwise(plan.slices))
    assert all(is_finest(one.slice, whole, granularity, zone) for one in plan.oversized)


def is_finest(span: Slice, whole: Slice, granularity: Granularity, zone: Any) -> bool:
    """Return whether a slice is within one unit of the granularity."""
    if isinstance(granularity, timedelta):
        return (span.start - whole.start) % granularity == timedelta(0) and span.end - span.start <= granularity
    return span.end <= slice_at(span.start, granularity, zone).end


# Reports


def test_counts_that_do_not_add_up_are_reported() -> None:
    """A query that also counts window_end ingests rows twice."""
    table = Table(*rows_at("2025-02-01 00:00", 4), *rows_at("2025-08-15", 4))

    def both_ends(spans: Sequence[Slice]) -> list[int]:
        return table.count([Slice(span.start, span.end + timedelta.resolution) for span in spans])

    plan = plan_slices(YEAR, both_ends, max_records=5)

    assert [(YEAR, 8, 12)] == [(one.slice, one.rows, one.rows_in_parts) for one in plan.disagreements]
    assert f"{YEAR} had 8 rows, its parts 12" == str(plan.disagreements[0])


def test_all_oversized_slices_are_named_at_once() -> None:
    """The next attempt should succeed, and the rest of the plan is not lost."""
    table = Table(*rows_at("2025-02-01 10:00", 6000), *rows_at("2025-08-15 20:30", 7000), *rows_at("2025-09-01", 10))
    plan = plan_slices(YEAR, table.count, max_records=5000)

    with pytest.raises(ConfigError) as caught:
        plan.require_all_fit("hour")

    for told in (
        "2 of 5 slices",
        "[2025-02-01T10:00:00+00:00, 2025-02-01T11:00:00+00:00) with 6,000 rows",
        "[2025-08-15T20:00:00+00:00, 2025-08-15T21:00:00+00:00) with 7,000 rows",
        "max_records=5,000",
        "granularity='hour'",
        "finer granularity",
    ):
        assert told in str(caught.value)
    assert 10 == plan.slices[-1].rows


def test_a_plan_that_fits_is_not_refused() -> None:
    """The limit itself is allowed."""
    plan_slices(YEAR, Table(*rows_at("2025-02-01", 5)).count, max_records=5).require_all_fit("hour")


def test_the_table_shows_slices_rows_and_shares() -> None:
    """A user reads it before the first run."""
    table = Table(*rows_at("2025-02-05 10:00", 800), *rows_at("2025-08-15", 1500), *rows_at("2025-10-01", 1000))
    plan = plan_slices(YEAR, table.count, max_records=1000)

    lines = [" ".join(line.split()) for line in plan.lines()]

    assert "from until rows share of limit" == lines[0]
    assert "2025-01-01T00:00:00+00:00 2025-08-15T00:00:00+00:00 800 80.0%" == lines[1]
    assert "2025-08-15T00:00:00+00:00 2025-08-15T01:00:00+00:00 1,500 150.0% too many" == lines[2]
    assert "2025-08-15T01:00:00+00:00 2026-01-01T00:00:00+00:00 1,000 100.0%" == lines[3]
    assert f"Slices: 3. Rows: 3,300. Limit of rows per slice: 1,000. Queries: {plan.queries}." == lines[-1]


def test_the_report_is_json() -> None:
    """It becomes an XCom."""
    plan = plan_slices(YEAR, Table(*rows_at("2025-02-05", 2)).count)

    expected = {"window_start": "2025-01-01T00:00:00+00:00", "window_end": "2026-01-01T00:00:00+00:00", "rows": 2}
    assert [expected] == plan.report()


# The answers to counts


@pytest.mark.parametrize("value", [7, 7.0, Decimal(7)])
def test_a_count_is_a_whole_number_of_any_type(value: Any) -> None:
    """Drivers return different types."""
    assert 7 == read_count([(value,)], "SELECT 7")
    assert 0 == read_count([(value - value,)], "SELECT 0")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "returned no row:"),
        ([(1,), (2,)], "returned several rows:"),
        ([(1,), (2,), (3,)], "returned several rows:"),
        ([(1, "a")], "returned (1, 'a'):"),
    ],
)
def test_a_refused_answer_is_named(rows: Any, said: str) -> None:
    """A user corrects the query by it."""
    with pytest.raises(ConfigError) as refused:
        read_count(rows, "SELECT what")

    assert said in str(refused.value)


@pytest.mark.parametrize(
    "rows",
    [
        *([], None, [(1,), (2,)], [(1, 2)], [()], [(None,)], [("7",)], [(True,)], [(-1,)], [(0.5,)]),
        *([(float("nan"),)], [(float("inf"),)], [(Decimal("NaN"),)]),
    ],
)
def test_an_answer_that_is_not_a_count_is_refused(rows: Any) -> None:
    """The query may list rows, or may sum up no rows to NULL."""
    with pytest.raises(ConfigError, match=r"one row with one number.*SELECT what"):
        read_count(rows, "SELECT what")


@pytest.mark.parametrize("granularity", ["minute", timedelta(0), None])
def test_an_unknown_granularity_is_refused(granularity: Any) -> None:
    """It is refused before the second count."""
    with pytest.raises(ConfigError, match="granularity must be"):
        plan_slices(YEAR, Table().count, granularity=granularity)


def test_all_of_time_takes_few_counts() -> None:
    """A range from the year 1 has 24,000 months, and a count costs money."""
    whole = Slice("0001-01-01", "9999-12-31")
    table = Table(*rows_at("2025-05-05 10:00", 3), *rows_at("2025-05-06 10:00", 3))

    plan = plan_slices(whole, table.count, max_records=3)

    for years, cuts in zip((100, 1), table.calls[1:3], strict=True):
        assert {(1, 1, 0)} == {(one.start.month, one.start.day, one.start.year % years) for one in cuts[1:]}
    centuries, years, months, weeks, days = 101, 100, 12, 5, 7
    assert 1 + centuries + years + months + weeks + days >= plan.queries
    assert [3, 3] == [one.rows for one in plan.slices]
    assert whole == Slice(plan.slices[0].slice.start, plan.slices[-1].slice.end)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Auckland", "America/New_York"])
def test_a_long_range_is_cut_at_the_decades_of_its_zone(zone: str) -> None:
    """Also if its last decade has just begun there, while it is another year in UTC."""
    local = ZoneInfo(zone)
    whole = Slice(datetime(1905, 5, 5, tzinfo=local), datetime(2030, 1, 1, 0, 30, tzinfo=local))
    table = Table(*rows_at("1950-05-05", 1), *rows_at("2025-05-05", 1))

    plan_slices(whole, table.count, max_records=1, zone=local)

    decades = [datetime(year, 1, 1, tzinfo=local) for year in range(1910, 2031, 10)]
    assert [one.start for one in table.calls[1]] == [whole.start, *decades]


@settings(max_examples=60, database=None)
@given(
    rows=st.lists(st.integers(0, 25 * 24 * 60 - 1), min_size=1, max_size=40),  # Apia had no 30th of December 2011
    name=st.sampled_from(["date", "datetime"]),
    zone=st.sampled_from(["America/Havana", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"]),
    asked=st.sampled_from(["hour", "day", timedelta(minutes=10), timedelta(hours=5)]),
    year=st.sampled_from([2011, 2026]),
    month=st.sampled_from([10, 12]),
)
def test_a_range_is_cut_only_where_its_column_can_be_cut(
    rows: list[int], name: TimeColumnType, zone: str, asked: Granularity, year: int, month: int
) -> None:
    """A plan with another cut cannot be counted: the night on which clocks go back would make the whole plan fail."""
    column = TimeType(name, ZoneInfo(zone))
    first = datetime(year, month, 20 if month == 10 else 5, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    whole = Slice(first, datetime(year, 12, 31, tzinfo=ZoneInfo(zone)).astimezone(UTC))
    table = Table(*(first + timedelta(minutes=minute) for minute in rows))
    granularity, days = column.finest(asked, UTC)

    plan = plan_slices(whole, table.count, max_records=3, granularity=granularity, zone=days, can_cut=column.can_cut)

    for span in (span for call in table.calls for span in call):
        assert column.literal(span.start, None) < column.literal(span.end, None)
    assert len(rows) == plan.rows
    assert [one.slice.end for one in plan.slices[:-1]] == [one.slice.start for one in plan.slices[1:]]
    assert (whole.start, whole.end) == (plan.slices[0].slice.start, plan.slices[-1].slice.end)
    if asked == timedelta(minutes=10) and name == "datetime":
        most = max(sum(1 for other in rows if abs(other - row) <= 70) for row in rows)
        assert most > 3 or not plan.oversized
