"""Slices of history, and the instants that bound them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_days import BERLIN, ZONES, refusal

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices.calendar_units import split
from airflow_provider_mparticle.slices.slice import EARLIEST, LATEST, Slice, in_zone, later, read_instant


def test_the_same_instants_make_the_same_slice_in_utc():
    """Slices are compared, and their text identifies runs, so one slice must have one text."""
    india = timezone(timedelta(hours=5, minutes=30))

    made = Slice("2026-03-01T05:30:00+05:30", datetime(2026, 3, 2, 5, 30, tzinfo=india))

    assert Slice("2026-03-01", "2026-03-02T00:00:00Z") == made
    assert hash(Slice("2026-03-01", "2026-03-02")) == hash(made)
    assert "[2026-03-01T00:00:00+00:00, 2026-03-02T00:00:00+00:00)" == str(made)


def test_a_slice_travels_as_json_and_as_an_interval():
    """XComs, mapped tasks and DAG parameters have only text, and a lost microsecond is a lost row."""
    made = Slice(datetime(2026, 3, 1, tzinfo=BERLIN), datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=BERLIN))

    bounds = json.loads(json.dumps(made.as_dict()))

    assert {"window_start": "2026-02-28T23:00:00+00:00", "window_end": "2026-03-01T11:00:00.000001+00:00"} == bounds
    assert made == Slice.fromisoformat(made.isoformat())


class NotATime(datetime):
    """As pandas' NaT, which is what an empty cell is read as: a datetime whose parts are not numbers."""

    year = month = day = float("nan")  # type: ignore[assignment]


def test_a_datetime_without_a_date_is_refused() -> None:
    """It comes from a query whose column is NULL, by an XCom."""
    assert "window_start must be an ISO 8601 instant, " in refusal(read_instant, NotATime(2026, 1, 1), "window_start")


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("2026-03-01", "end", ""),
        ("/2026-03-01", "start", ""),
        ("2026-03-01/P1D", "end", "P1D"),
        ("2026-03-01/2026-03-02/2026-03-03", "end", "2026-03-02/2026-03-03"),
    ],
)
def test_text_that_is_not_an_interval_is_refused_by_the_bound_that_is_wrong(text, name, value):
    """Only two instants are read."""
    message = refusal(Slice.fromisoformat, text)

    assert message.startswith(f"{name} must be an ISO 8601 instant, ")
    assert f", not {value!r}. " in message


def test_slices_are_ordered_by_time():
    """History is synced from its beginning on."""
    days = list(split(datetime(2026, 3, 1), datetime(2026, 3, 9), "day"))

    assert days == sorted(days[4:] + days[:4])
    assert days[0] < replace(days[0], end=days[1].end) < days[1]


@pytest.mark.parametrize("end", ["2026-03-01", "2026-02-28"], ids=["empty", "backwards"])
def test_a_slice_that_does_not_end_after_its_start_is_refused(end):
    """Both as a slice and as a range to cut."""
    message = refusal(Slice, "2026-03-01", end)

    assert f"but start is 2026-03-01T00:00:00+00:00 and end is {end}T00:00:00+00:00. Give an earlier" in message
    assert message == refusal(list, split("2026-03-01", end, "day"))


# What is an instant

quick = settings(max_examples=300, database=None)
zones = st.sampled_from(ZONES).map(ZoneInfo)


@quick
@given(st.datetimes(timezones=st.none() | zones | st.sampled_from([timezone(timedelta(hours=h)) for h in (-12, 14)])))
def test_a_datetime_is_read_as_itself_by_whatever_class_and_as_text(at):
    """Templates render to text, and Airflow has pendulum's datetimes."""
    expected = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    try:
        expected = expected.astimezone(UTC)
    except OverflowError:
        expected = EARLIEST if at.year == 1 else LATEST

    read = read_instant(at, "start")

    assert expected == read
    assert datetime is type(read)
    if isinstance(at.tzinfo, ZoneInfo) and 1 < at.year < 9999:
        whole_minutes = at.utcoffset().total_seconds() % 60 == 0
        assert expected == read_instant(pendulum.instance(expected), "start")
        assert not whole_minutes or expected == read_instant(at.isoformat(), "start")
    if at.tzinfo is None:
        assert expected == read_instant(f" {at.isoformat(sep=' ')} ", "start")


@quick
@given(st.dates())
def test_a_date_is_its_midnight(day):
    """YAML reads unquoted days as dates."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)

    assert midnight == read_instant(day, "start") == read_instant(day.isoformat(), "start")
    assert midnight == read_instant(day.strftime("%Y%m%d").zfill(8), "start")


@quick
@given(st.integers(-(10**15), 10**15) | st.floats() | st.booleans() | st.none() | st.binary() | st.lists(st.integers()))
def test_what_is_neither_a_time_nor_text_is_refused(value):
    """A number may count seconds or milliseconds, or be a date; a guess would sync other rows."""
    with pytest.raises(ConfigError, match="must be an ISO 8601 instant"):
        read_instant(value, "start")


@quick
@given(st.integers(300, 6000), st.sampled_from([1, -1]), st.booleans())
def test_a_number_of_any_length_is_refused_by_us(digits, sign, as_text):
    """JSON has integers of thousands of digits, and Airflow would retry an overflow error."""
    value = sign * 10**digits
    value = "1" * digits if as_text else value
    with pytest.raises(ConfigError, match="must be an ISO 8601 instant") as refused:
        read_instant(value, "start")
    assert len(str(refused.value)) < 1000


@quick
@given(st.from_regex(r"[0-9]{1,7}|[0-9]{9,16}|[0-9]{9,13}\.[0-9]{1,6}", fullmatch=True))
def test_text_of_digits_alone_is_refused_unless_it_is_a_basic_date(text):
    """Milliseconds of 2024 such as "1711121012345" look like the year 1711 to a lenient parser."""
    with pytest.raises(ConfigError, match="must be an ISO 8601 instant"):
        read_instant(text, "start")


@quick
@given(st.text(max_size=30))
def test_any_text_is_an_instant_or_is_refused(text):
    """Airflow would retry any other error."""
    try:
        read = read_instant(text, "start")
    except ConfigError:
        return
    assert f"{read.year:04}" in (text.strip()[:4], f"{read.year + 1:04}", f"{read.year - 1:04}")


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("1711121012345", "If it counts milliseconds since 1970, write '2024-03-22T15:23:32.345000+00:00'."),
        ("1711121012", "If it counts seconds since 1970, write '2024-03-22T15:23:32+00:00'."),
        (1711121012345, "If it counts milliseconds since 1970, write '2024-03-22T15:23:32.345000+00:00'."),
        ("yesterday", "not 'yesterday'. Nothing was sent"),
        (True, "not True. Nothing was sent"),
        ("9" * 400, "999.... Nothing was sent"),
    ],
)
def test_a_refused_number_comes_with_what_it_may_mean(value, hint):
    """The user can copy it."""
    assert hint in refusal(read_instant, value, "window_start")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0001-01-01", EARLIEST),
        ("0001-01-01T00:00:00+14:00", EARLIEST),
        ("9999-12-31T23:59:59.999999-12:00", LATEST),
        ("9999-12-31", datetime(9999, 12, 31, tzinfo=UTC)),
        ("2026-W01-1", datetime(2025, 12, 29, tzinfo=UTC)),
        ("20260301T120000Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
    ],
)
def test_iso_8601_is_read_up_to_its_ends(text, expected):
    """An instant that a datetime in UTC cannot hold becomes the nearest one that it can hold."""
    assert expected == read_instant(text, "start")


@pytest.mark.usefixtures("_tokyo")
def test_an_instant_without_a_zone_is_utc_everywhere():
    """If a slice depended on the zone of the machine, another worker would leave a gap."""
    aware = datetime(2026, 3, 1, 20, tzinfo=UTC)

    assert aware == read_instant(datetime(2026, 3, 1, 20), "start") == read_instant("2026-03-01T20:00", "start")
    assert aware.replace(hour=0) == read_instant(date(2026, 3, 1), "start")


@pytest.mark.parametrize(
    ("at", "hours"), [(EARLIEST, -14), (LATEST, 14)], ids=["before the first year", "after the last year"]
)
def test_an_instant_at_the_end_of_the_calendar_stays_in_it(at, hours):
    """A bound may be 0001-01-01 or 9999-12-31, and the clocks of a zone may show the day before or after."""
    zone = timezone(timedelta(hours=hours))

    assert at.year == in_zone(at, zone).year
    assert at == later(at, timedelta(hours=hours))


@pytest.mark.parametrize(("interval", "named"), [("then/2026-03-02", "start"), ("2026-03-01/then", "end")])
def test_a_bad_bound_of_an_interval_is_named(interval, named):
    """A user may have typed it."""
    with pytest.raises(ConfigError, match=rf"^{named} "):
        Slice.fromisoformat(interval)


@pytest.mark.parametrize(
    ("number", "meant"),
    [(99_999_999_999, "seconds since 1970, write '5138-"), (100_000_000_000, "milliseconds since 1970, write '1973-")],
)
def test_a_number_is_explained_as_seconds_or_milliseconds(number, meant):
    """Few tables have rows of the year 5138."""
    with pytest.raises(ConfigError, match=meant):
        read_instant(number, "start")
