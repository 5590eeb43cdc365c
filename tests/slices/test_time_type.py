"""How instants are written for each warehouse and each type of time column."""

from __future__ import annotations

import sqlite3
import time
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_days import ODD_DAYS, ZONES, noon
from sqlglot import exp

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices.arguments import TIME_COLUMN_TYPES, Granularity
from airflow_provider_mparticle.slices.calendar_units import split
from airflow_provider_mparticle.slices.slice import EARLIEST, LATEST
from airflow_provider_mparticle.slices.time_type import DIALECT_OF, TIMESTAMP, TimeType

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
WAREHOUSES = ["Snowflake", "Redshift", "BigQuery", "Databricks"]
Kind = exp.DataType.Type

# Each warehouse's name for the type, as the parser of its dialect reads the literal; None for a text without a cast,
# which gets the type of the column.
TYPES = {
    "Snowflake": {
        "timestamp": None,
        "timestamp_tz": Kind.TIMESTAMPTZ,
        "timestamp_ltz": Kind.TIMESTAMPLTZ,
        "timestamp_ntz": Kind.TIMESTAMPNTZ,
        "datetime": Kind.TIMESTAMPNTZ,
        "date": Kind.DATE,
    },
    "Redshift": {
        "timestamp": None,
        "timestamp_tz": Kind.TIMESTAMPTZ,
        "timestamp_ltz": Kind.TIMESTAMPTZ,
        "timestamp_ntz": Kind.TIMESTAMP,
        "datetime": Kind.TIMESTAMP,
        "date": Kind.DATE,
    },
    "BigQuery": {
        "timestamp": Kind.TIMESTAMPTZ,
        "timestamp_tz": Kind.TIMESTAMPTZ,
        "timestamp_ltz": Kind.TIMESTAMPTZ,
        "timestamp_ntz": Kind.TIMESTAMP,  # BigQuery's DATETIME is sqlglot's TIMESTAMP
        "datetime": Kind.TIMESTAMP,
        "date": Kind.DATE,
    },
    "Databricks": {
        "timestamp": Kind.TIMESTAMPTZ,
        "timestamp_tz": Kind.TIMESTAMPTZ,
        "timestamp_ltz": Kind.TIMESTAMPTZ,
        "timestamp_ntz": Kind.TIMESTAMPNTZ,
        "datetime": Kind.TIMESTAMPNTZ,
        "date": Kind.DATE,
    },
}


def literal_read_back(text: str, warehouse: str) -> exp.Expression:
    """The literal as the warehouse's dialect reads it in a comparison."""
    statement = sqlglot.parse_one(f"SELECT 1 FROM t WHERE at >= {text}", dialect=DIALECT_OF[warehouse.lower()])
    where = statement.args["where"]
    assert isinstance(where.this, exp.GTE)
    return where.this.expression


@pytest.mark.parametrize("warehouse", WAREHOUSES)
@pytest.mark.parametrize("name", [name for name in TIME_COLUMN_TYPES if "unixtime" not in name])
def test_a_literal_has_the_type_of_the_column(warehouse: str, name: str) -> None:
    """BigQuery refuses to compare a TIMESTAMP with a DATE, and Snowflake reads one without a zone in its session's."""
    read = literal_read_back(TimeType(name).literal(FIRST, warehouse), warehouse)

    expected = TYPES[warehouse][name]
    assert (expected is None) == isinstance(read, exp.Literal)
    if expected is not None:
        assert isinstance(read, exp.Cast)
        assert read.to.this in (expected, {Kind.TIMESTAMP: Kind.DATETIME}.get(expected))


@pytest.mark.parametrize("warehouse", [*WAREHOUSES, "gcpbigquery", "postgres", "sqlite", None])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("timestamp", "'2026-01-01 00:00:00+00:00'"),
        ("timestamp_tz", "'2026-01-01 00:00:00+00:00'"),
        ("timestamp_ntz", "'2026-01-01 00:00:00'"),
        ("datetime", "'2026-01-01 00:00:00'"),
        ("date", "'2026-01-01'"),
        ("timestamp_unixtime_s", "1767225600"),
        ("timestamp_unixtime_ms", "1767225600000"),
    ],
)
def test_an_instant_is_written_in_utc(warehouse: str | None, name: str, text: str) -> None:
    """For any zone of the instant; a column without a zone has UTC by default."""
    assert text in TimeType(name).literal(FIRST.astimezone(timezone(timedelta(hours=5))), warehouse)


def test_a_column_without_a_zone_may_hold_local_time() -> None:
    """Many tables have the local time of the shop."""
    at = datetime(2026, 7, 1, 22, tzinfo=UTC)

    assert "DATETIME '2026-07-02 00:00:00'" == TimeType("datetime", BERLIN).literal(at, "BigQuery")
    assert "DATE '2026-07-02'" == TimeType("date", BERLIN).literal(at, "BigQuery")
    assert "TIMESTAMP '2026-07-01 22:00:00+00:00'" == TimeType("timestamp", BERLIN).literal(at, "BigQuery")


@pytest.mark.parametrize(
    ("zone", "at"), [(UTC, "2026-01-01T00:00:00.000001Z"), (UTC, "2026-01-01T12:00Z"), (BERLIN, "2026-01-01T00:00Z")]
)
def test_a_column_of_days_is_not_cut_within_a_day(zone: ZoneInfo, at: str) -> None:
    """The rows of that day would be in both slices, or in none."""
    with pytest.raises(ConfigError, match=r"type 'date' .* is not the start of a day there.*time_column_zone"):
        TimeType("date", zone).literal(datetime.fromisoformat(at), "BigQuery")


def test_a_local_time_that_comes_twice_is_refused() -> None:
    """The rows of both hours look the same, so no slice can end between them."""
    with pytest.raises(ConfigError, match="clocks there show twice"):
        TimeType("datetime", BERLIN).literal(datetime(2026, 10, 25, 1, tzinfo=UTC), "BigQuery")


@pytest.mark.parametrize(
    ("zone", "at", "text"),
    [
        ("America/Havana", "2026-11-01T04:00Z", "'2026-11-01 00:00:00'"),
        ("Europe/Berlin", "2026-10-25T00:00Z", "'2026-10-25 02:00:00'"),
        ("Europe/Berlin", "2026-10-25T02:00Z", "'2026-10-25 03:00:00'"),
        ("Australia/Lord_Howe", "2026-04-04T14:30Z", "'2026-04-05 01:30:00'"),
    ],
)
def test_a_cut_is_possible_at_the_start_and_the_end_of_an_hour_that_comes_twice(zone: str, at: str, text: str) -> None:
    """In Havana a day begins there; otherwise that day and the one before could never be synced."""
    column = TimeType("datetime", ZoneInfo(zone))

    assert column.can_cut(datetime.fromisoformat(at))
    assert text == column.literal(datetime.fromisoformat(at), None)


@settings(max_examples=150, database=None)
@given(
    zone=st.sampled_from(ZONES),
    odd=st.sampled_from(ODD_DAYS),
    minutes=st.integers(-2 * 24 * 60, 2 * 24 * 60),
    step=st.sampled_from([1, 7, 30, 60]),
    name=st.sampled_from(["datetime", "date"]),
)
def test_a_column_can_be_cut_exactly_where_it_separates_the_rows(
    zone: str, odd: tuple[str, date, float], minutes: int, step: int, name: str
) -> None:
    """Rows every few minutes for two days around the cut, with the times in the column."""
    column, at = TimeType(name, ZoneInfo(zone)), noon(odd[1], odd[0]).astimezone(UTC) + timedelta(minutes=minutes)
    rows = [at + timedelta(minutes=step * number) for number in range(-2880 // step, 2880 // step)]

    def held(row: datetime) -> str:
        local = row.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        return str(local.date()) if name == "date" else local.isoformat(sep=" ")

    try:
        text = column.literal(at, None).strip("'")
    except ConfigError:
        assert not column.can_cut(at)
        before, after = (at - timedelta(seconds=1), at)
        finer = [at + timedelta(seconds=30 * number) for number in range(-3000, 3000)]
        assert held(before) == held(after) or any((row >= at) != (held(row) >= held(at)) for row in finer)
    else:
        assert column.can_cut(at)
        assert [row >= at for row in rows] == [held(row) >= text for row in rows]


@pytest.mark.parametrize("granularity", ["hour", "day", timedelta(minutes=10)])
def test_a_column_of_days_is_cut_by_the_days_of_its_zone(granularity: Granularity) -> None:
    """For any granularity: the rows of one day all have the same value."""
    assert ("day", BERLIN) == TimeType("date", BERLIN).finest(granularity, UTC)
    assert ("month", BERLIN) == TimeType("date", BERLIN).finest("month", UTC)
    assert (granularity, UTC) == TimeType("datetime", BERLIN).finest(granularity, UTC)


@pytest.mark.parametrize("name", TIME_COLUMN_TYPES)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("at", [EARLIEST, LATEST, LATEST.replace(hour=0, minute=0, second=0, microsecond=0)])
def test_extreme_instants_are_written_or_refused(name: str, zone: str, at: datetime) -> None:
    """They mean "from the beginning" and "for ever", and must not lead to an overflow error."""
    try:
        text = TimeType(name, ZoneInfo(zone)).literal(at, "Snowflake")
    except ConfigError:
        assert "date" == name
    else:
        assert text.startswith(("'0001-01-01", "'9999-12-31", "'9999-12-30", "-62135596800", "25340"))


instants = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
fractions = st.integers(0, 999_999)


@settings(max_examples=150, database=None)
@given(start=instants, hours=st.integers(1, 72), fraction=fractions, per_second=st.sampled_from([1, 1000]))
def test_rows_of_epoch_columns_are_in_exactly_one_slice(
    start: datetime, hours: int, fraction: int, per_second: int
) -> None:
    """Bounds between two seconds cut a column of whole seconds like any other bounds."""
    start = start.replace(microsecond=fraction)
    kind = TimeType("timestamp_unixtime_s" if per_second == 1 else "timestamp_unixtime_ms")
    first = (start - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    database = sqlite3.connect(":memory:")
    rows = [(first + second) * per_second for second in range(-2, 3)]

    counts = []
    for row in rows:
        found = 0
        for cut in split(start - timedelta(hours=5), start + timedelta(hours=hours), timedelta(hours=1)):
            low, high = (kind.literal(at, None) for at in (cut.start, cut.end))
            found += database.execute(f"SELECT {row} >= {low} AND {row} < {high}").fetchone()[0]
        counts.append(found)

    assert [1] * len(rows) == counts


@settings(max_examples=150, database=None)
@given(
    at=instants,
    zone=st.sampled_from(["UTC", "Europe/London", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia"]),
    warehouse=st.sampled_from(WAREHOUSES),
    name=st.sampled_from(["timestamp_ntz", "datetime"]),
)
def test_a_local_literal_means_the_instant_it_was_made_of(at: datetime, zone: str, warehouse: str, name: str) -> None:
    """It is read again in the zone of the column; the next slice begins where the last one ended."""
    column = TimeType(name, ZoneInfo(zone))
    try:
        text = column.literal(at, warehouse)
    except ConfigError:
        return  # an hour that comes twice

    (literal,) = literal_read_back(text, warehouse).find_all(exp.Literal)
    assert at == datetime.fromisoformat(literal.this).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_a_plain_timestamp_is_the_default() -> None:
    """Most time columns are timestamps."""
    assert TimeType("timestamp", UTC) == TIMESTAMP


def test_an_instant_is_written_in_utc_wherever_the_worker_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers may have other time zones, and each slice has one text."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert "2026-01-01 00:00:00+00:00" in TIMESTAMP.literal(FIRST, "Snowflake")
    finally:
        monkeypatch.undo()
        time.tzset()
