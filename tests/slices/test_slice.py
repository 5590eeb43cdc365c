"""How history is cut into slices, in the calendars of many zones, and which slice a DAG run gets."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices.arguments import CALENDAR_UNITS
from airflow_provider_mparticle.slices.calendar_units import slice_at, slice_from, split
from airflow_provider_mparticle.slices.run_slice import CONF_KEYS, RunDates, slice_of_dag_run
from airflow_provider_mparticle.slices.slice import Slice, read_instant

BERLIN, HAVANA, APIA = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Havana"), ZoneInfo("Pacific/Apia")
TICK, HOUR, DAY = timedelta.resolution, timedelta(hours=1), timedelta(days=1)
LENGTHS = {"hour": HOUR, "day": DAY, "week": 7 * DAY, "month": 31 * DAY}

# Days on which clocks do something odd: their zone, and how many hours they last.
ODD_DAYS = [
    ("Europe/Berlin", date(2026, 3, 29), 23),
    ("Europe/Berlin", date(2026, 10, 25), 25),
    ("America/New_York", date(2026, 3, 8), 23),
    ("America/Havana", date(2026, 3, 8), 23),  # midnight is skipped
    ("America/Havana", date(2026, 11, 1), 25),  # midnight comes twice
    ("Asia/Beirut", date(2026, 3, 29), 23),  # midnight is skipped
    ("Africa/Cairo", date(2026, 4, 24), 23),  # midnight is skipped
    ("America/Sao_Paulo", date(2018, 11, 4), 23),  # midnight is skipped
    ("America/Sao_Paulo", date(2018, 2, 17), 25),  # the hour before midnight comes twice
    ("America/St_Johns", date(2009, 11, 1), 25),  # one minute old, on the first of a month, it goes back a day
    ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
    ("Australia/Lord_Howe", date(2026, 10, 4), 23.5),
    ("Pacific/Apia", date(2011, 12, 29), 24),  # the 30th is skipped
    ("Pacific/Kwajalein", date(1993, 8, 20), 24),  # the 21st is skipped
    ("Pacific/Kiritimati", date(1994, 12, 30), 24),  # the 31st is skipped
]
ZONES = sorted({"UTC", "Asia/Kolkata", "Asia/Kathmandu", *(zone for zone, _, _ in ODD_DAYS)})


def noon(day, zone):
    """Noon of a day, in a zone."""
    return datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo(zone))


def local(at, zone):
    """What clocks show, as text."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def refusal(function, *args):
    """The message with which *function* refuses its arguments."""
    with pytest.raises(ConfigError) as raised:
        function(*args)
    assert str(raised.value).endswith(". Nothing was sent to mParticle.")
    return str(raised.value)


@pytest.fixture
def _tokyo(monkeypatch):
    """The machine's own time zone is not UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


# Properties. Every other place lies within three days of noon on an odd day.

quick = settings(deadline=None, max_examples=300, database=None)
zones = st.sampled_from(ZONES).map(ZoneInfo)
anywhere = st.tuples(zones, st.datetimes(datetime(1975, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
near_odd_days = st.tuples(st.sampled_from(ODD_DAYS), st.timedeltas(-3 * DAY, 3 * DAY)).map(
    lambda drawn: (ZoneInfo(drawn[0][0]), noon(drawn[0][1], drawn[0][0]).astimezone(UTC) + drawn[1])
)
places = anywhere | near_odd_days
durations = st.timedeltas(timedelta(seconds=1), 60 * DAY)
units = st.sampled_from(CALENDAR_UNITS)
# About how many slices to cut: a whole number of a duration leaves no shorter slice at the end.
counts = st.integers(1, 40) | st.floats(0.01, 40)


def end_of(start, granularity, count):
    """An end after about *count* slices."""
    return start + LENGTHS.get(granularity, granularity) * count


@quick
@given(places, units | durations, counts)
def test_slices_follow_one_another_and_cover_the_range_exactly(place, granularity, count):
    """A gap loses rows for good, and an overlap sends them twice."""
    zone, start = place
    end = end_of(start, granularity, count)

    cuts = list(split(start, end, granularity, zone))

    assert (start, end) == (cuts[0].start, cuts[-1].end)
    assert all(cut.start < cut.end for cut in cuts)
    assert all(one.end == other.start for one, other in pairwise(cuts))


@quick
@given(places, units, counts)
def test_a_range_is_cut_where_its_units_begin_and_nowhere_else(place, unit, count):
    """Two people who cut different ranges of one table get the same slices where the ranges meet."""
    zone, start = place
    end = end_of(start, unit, count)

    cuts = list(split(start, end, unit, zone))

    assert all(slice_at(cut.start, unit, zone) == cut for cut in cuts[1:-1])
    assert [slice_at(cut.start, unit, zone).start for cut in cuts[1:]] == [cut.end for cut in cuts[:-1]]
    assert end <= slice_at(cuts[-1].start, unit, zone).end


@quick
@given(anywhere, durations, counts)
def test_a_duration_is_counted_from_the_start_of_the_range(place, duration, count):
    """All slices but the last are equally long."""
    _, start = place

    cuts = list(split(start, end_of(start, duration, count), duration))

    assert all(cut.end - cut.start == duration for cut in cuts[:-1])
    assert cuts[-1].end - cuts[-1].start <= duration


@quick
@given(places, units | durations)
def test_every_instant_lies_in_its_slice_and_the_slices_touch(place, granularity):
    """DAG runs of neighbouring slices leave no row to nobody."""
    zone, at = place

    here = slice_at(at, granularity, zone)

    assert here.start <= at < here.end
    assert here == slice_at(here.end - TICK, granularity, zone)
    assert here.start == slice_at(here.start - TICK, granularity, zone).end
    assert here.end == slice_at(here.end, granularity, zone).start


@quick
@given(places.filter(lambda place: place[0].key != "America/St_Johns"), st.sampled_from(CALENDAR_UNITS[1:]))
def test_a_unit_begins_and_ends_where_the_calendar_turns_its_page(place, unit):
    """People read days, weeks and months off a calendar on the wall, not off UTC."""
    zone, at = place
    pages = {"day": datetime.date, "week": lambda at: at.isocalendar()[:2], "month": lambda at: (at.year, at.month)}

    here = slice_at(at, unit, zone)

    before, first, shown, last, after = (
        pages[unit](instant.astimezone(zone))
        for instant in (here.start - TICK, here.start, at, here.end - TICK, here.end)
    )
    assert before < first == shown == last < after


@quick
@given(places, units | durations)
def test_a_slice_from_an_instant_begins_there_and_ends_later(place, granularity):
    """Whatever clocks do meanwhile."""
    zone, start = place

    made = slice_from(start, granularity, zone)

    assert start == made.start < made.end


@quick
@given(places, units)
def test_a_slice_from_the_beginning_of_a_unit_is_that_unit(place, unit):
    """Partition dates are such beginnings, and the slices of neighbouring partitions must not overlap."""
    zone, at = place
    here = slice_at(at, unit, zone)

    made = slice_from(here.start, unit, zone)

    assert here == made


# The calendar


@pytest.mark.parametrize(("zone", "day", "hours"), ODD_DAYS)
def test_a_day_lasts_as_long_as_its_clocks_say(zone, day, hours):
    """The hour that is skipped or comes twice belongs to exactly one day."""
    found = slice_at(noon(day, zone), "day", ZoneInfo(zone))

    assert hours * HOUR == found.end - found.start


def test_a_day_without_a_midnight_begins_when_clocks_skip_it():
    """Its partition ends at the next midnight and not an hour into the next partition."""
    found = slice_at(noon(date(2026, 3, 8), "America/Havana"), "day", HAVANA)

    assert ("2026-03-08 01:00", "2026-03-09 00:00") == (local(found.start, HAVANA), local(found.end, HAVANA))
    assert found == slice_from(found.start, "day", HAVANA)


def test_a_day_that_comes_again_for_a_while_has_ended_already():
    """In St. John's of 2009 clocks went from 00:01 on the 1st back to 23:01 on the 31st."""
    zone = ZoneInfo("America/St_Johns")
    again = datetime(2009, 10, 31, 23, 30, fold=1, tzinfo=zone)

    day, month = slice_at(again, "day", zone), slice_at(again, "month", zone)
    [rest] = split(again, day.end, "day", zone)

    assert "2009-11-01 00:00" == local(day.start, zone) == local(month.start, zone)
    assert day.start < again < day.end
    assert Slice(again, day.end) == rest


def test_a_day_that_a_zone_skipped_has_no_slice():
    """Samoa moved across the date line, and its 30th of December 2011 never was."""
    start, end = datetime(2011, 12, 28, tzinfo=APIA), datetime(2012, 1, 2, tzinfo=APIA)

    days = [local(cut.start, APIA) for cut in split(start, end, "day", APIA)]

    assert ["2011-12-28 00:00", "2011-12-29 00:00", "2011-12-31 00:00", "2012-01-01 00:00"] == days


@pytest.mark.parametrize(("day", "count"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_hours_stay_hours_when_clocks_change(day, count):
    """An hour that comes twice is two slices, and one that is skipped is none."""
    whole = slice_at(noon(day, "Europe/Berlin"), "day", BERLIN)

    hours = list(split(whole.start, whole.end, "hour", BERLIN))

    assert [HOUR] * count == [cut.end - cut.start for cut in hours]


def test_hours_begin_with_the_hours_of_utc():
    """In India that is at half past, so that one table has the same hours for everybody."""
    found = slice_at(datetime(2026, 3, 1, 12, 45, tzinfo=UTC), "hour", ZoneInfo("Asia/Kolkata"))

    assert "[2026-03-01T12:00:00+00:00, 2026-03-01T13:00:00+00:00)" == str(found)


def test_multiples_of_a_duration_are_counted_from_1970():
    """Slices of seven hours stay where they are, whichever instant one asks with; 8 h on the 3rd is 56 h."""
    found = slice_at(datetime(1970, 1, 3, 8), timedelta(hours=7), BERLIN)

    assert Slice("1970-01-03T08:00", "1970-01-03T15:00") == found


def test_a_week_begins_on_monday():
    """As ISO 8601 has it; Sunday is its last day, across the end of a year too."""
    sunday = datetime(2027, 1, 3, 23, 59, tzinfo=BERLIN)

    found = slice_at(sunday, "week", BERLIN)

    assert ("2026-12-28 00:00", "2027-01-04 00:00") == (local(found.start, BERLIN), local(found.end, BERLIN))


@pytest.mark.parametrize(("year", "month", "days"), [(2026, 2, 28), (2024, 2, 29), (2026, 4, 30), (2026, 12, 31)])
def test_a_month_lasts_until_the_first_of_the_next(year, month, days):
    """Leap years and the end of a year included."""
    last = datetime(year, month, days, 23, 59, tzinfo=UTC)

    found = slice_at(last, "month")

    assert Slice(datetime(year, month, 1), last + timedelta(minutes=1)) == found


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-01-31", "2026-02-28"),
        ("2024-01-31", "2024-02-29"),
        ("2026-03-31", "2026-04-30"),
        ("2026-02-28", "2026-03-28"),
        ("2026-12-31", "2027-01-31"),
    ],
)
def test_a_month_from_a_late_day_ends_within_the_next_month(start, end):
    """A month from the 31st that ran into the month after next would be two months long."""
    made = slice_from(datetime.fromisoformat(start), "month")

    assert Slice(start, end) == made


@pytest.mark.parametrize(("unit", "end"), [("day", "2026-03-29 12:00"), ("week", "2026-04-04 12:00")])
def test_a_slice_from_an_hour_ends_at_the_same_hour(unit, end):
    """A partition from noon to noon stays so when clocks change."""
    made = slice_from(datetime(2026, 3, 28, 12, tzinfo=BERLIN), unit, BERLIN)

    assert end == local(made.end, BERLIN)


@pytest.mark.parametrize("granularity", ["fortnight", "Day", "", None, 60, timedelta(0), -HOUR], ids=repr)
@pytest.mark.parametrize("function", [slice_at, slice_from, lambda at, unit: list(split(at, at + DAY, unit))])
def test_an_unknown_granularity_is_refused_with_the_known_ones(function, granularity):
    """A duration of zero would cut for ever."""
    message = refusal(function, datetime(2026, 3, 1), granularity)

    assert f"one of hour, day, week, month or a timedelta above zero, not {granularity!r}. " in message


# The slice of a DAG run

# What a DAG run may say, the most telling first: how, what is found, and what is said of its origin.
ARGUMENTS = {"window_start": "2026-01-01", "window_end": "2026-01-02"}
CONF = {"conf": {"window_start": "2026-02-01", "window_end": "2026-02-02"}}
INTERVAL = {"data_interval_start": datetime(2026, 3, 1), "data_interval_end": datetime(2026, 3, 2)}
SAYINGS = [
    (ARGUMENTS, "2026-01-01/2026-01-02", "the arguments window_start and window_end"),
    (CONF, "2026-02-01/2026-02-02", "the DAG run's conf"),
    (INTERVAL, "2026-03-01/2026-03-02", "the DAG run's data interval"),
    ({"partition_date": datetime(2026, 4, 1, 6)}, "2026-04-01T06/2026-04-02T06", "the DAG run's partition date"),
    ({"logical_date": datetime(2026, 5, 1, 6)}, "2026-05-01/2026-05-02", "the DAG run's logical date"),
]


def found_by(window_start=None, window_end=None, granularity="day", **dates):
    """The slice of a DAG run that says these things, and its origin."""
    return slice_of_dag_run(window_start, window_end, granularity, RunDates(**dates))


@pytest.mark.usefixtures("_tokyo")
@pytest.mark.parametrize("first", range(len(SAYINGS)), ids=[origin for _, _, origin in SAYINGS])
def test_the_most_telling_of_what_a_dag_run_says_counts(first):
    """What somebody typed beats what Airflow made up; all of it is UTC where it names no zone."""
    said, expected, origin = SAYINGS[first]
    less_telling = {key: value for also, _, _ in SAYINGS[first:] for key, value in also.items()}

    found = found_by(**less_telling)

    assert (Slice.fromisoformat(expected), origin) == found == found_by(**said)


@pytest.mark.parametrize(("start_day", "end_day"), [(1, 1), (2, 1), (None, 1), (1, None)])
def test_a_data_interval_that_spans_nothing_is_passed_over(start_day, end_day):
    """Airflow 3 gives a cron DAG and a manual run an interval whose bounds are equal."""
    start, end = (day and datetime(2026, 3, day, tzinfo=UTC) for day in (start_day, end_day))

    found = found_by(data_interval_start=start, data_interval_end=end, logical_date=datetime(2026, 3, 1, 6, tzinfo=UTC))

    assert (Slice("2026-03-01", "2026-03-02"), "the DAG run's logical date") == found


def test_bounds_in_conf_that_are_null_are_not_given():
    """A form that triggers DAGs sends null for what nobody filled in."""
    conf = {"window_start": None, "window_end": None}

    _, origin = found_by(conf=conf, logical_date=datetime(2026, 3, 1, tzinfo=UTC))

    assert "the DAG run's logical date" == origin


def test_dates_are_cut_in_the_zone_of_the_dag():
    """The day of a DAG in Berlin begins an hour or two before that of UTC."""
    start = datetime(2026, 3, 28, 23, tzinfo=UTC)

    by_partition, _ = found_by(partition_date=start, zone=BERLIN)
    by_date, _ = found_by(logical_date=start + HOUR, zone=BERLIN)

    assert Slice(start, start + 23 * HOUR) == by_partition == by_date


@pytest.mark.parametrize("date_name", ["partition_date", "logical_date"])
def test_a_mere_date_without_a_granularity_is_refused_with_the_cure(date_name):
    """An instant is no slice, and a guess would lose rows."""
    dates = RunDates(**{date_name: datetime(2026, 3, 1, tzinfo=UTC)})

    message = refusal(slice_of_dag_run, None, None, None, dates)

    assert "all it has is a date, 2026-03-01T00:00:00+00:00. Pass granularity, for example 'day', or" in message


def test_a_dag_run_that_says_nothing_is_refused_with_the_cure():
    """A run that an asset or a person started need not have a date."""
    message = refusal(slice_of_dag_run, None, None, "day", RunDates())

    assert "Pass window_start and window_end, or trigger the DAG with conf" in message


def by_arguments(start, end):
    """Find the slice by arguments."""
    return found_by(start, end, logical_date=datetime(2026, 3, 1))


def by_conf(start, end):
    """Find the slice by the DAG run's conf."""
    return found_by(conf=dict(zip(CONF_KEYS, (start, end), strict=True)), logical_date=datetime(2026, 3, 1))


typed = pytest.mark.parametrize(
    ("find", "place"), [(by_arguments, "the arguments"), (by_conf, "the DAG run's conf")], ids=["arguments", "conf"]
)


@typed
@pytest.mark.parametrize("missing", [0, 1], ids=CONF_KEYS)
def test_one_bound_without_the_other_is_refused(find, place, missing):
    """To guess the other from the DAG run would sync what nobody asked for."""
    bounds = ["2026-01-01", "2026-01-02"]
    bounds[missing] = None

    message = refusal(find, *bounds)

    said = f"{CONF_KEYS[missing]} is missing: only {CONF_KEYS[1 - missing]} is given in {place}. Give both, or leave"
    assert message.startswith(said)


@typed
@pytest.mark.parametrize("unreadable", [[0], [1], [0, 1]], ids=[*CONF_KEYS, "both"])
@pytest.mark.parametrize("value", ["None", "", "yesterday", "01.03.2026", 7.5, []], ids=repr)
def test_a_bound_that_nobody_can_read_is_refused(find, place, unreadable, value):
    """A template renders 'None' or nothing where the DAG run lacks what it asks for."""
    bounds = ["2026-01-01", "2026-01-02"]
    for index in unreadable:
        bounds[index] = value

    message = refusal(find, *bounds)

    assert message.startswith(f"{CONF_KEYS[unreadable[0]]} in {place} must be an ISO 8601 instant, for example ")
    assert f", not {value!r}. " in message


@typed
@pytest.mark.parametrize("end", ["2026-01-02T00:00:00Z", "2026-01-01T23:00:00Z"], ids=["equal", "before"])
def test_bounds_in_the_wrong_order_are_refused(find, place, end):
    """To sync nothing and report success would hide a mistake."""
    message = refusal(find, "2026-01-02T01:00:00+01:00", end)

    assert message.startswith(f"window_start must lie before window_end in {place}, but they are 2026-01-02T00:00:00+")
    assert ". Give a later window_end, or leave both out to take the slice from the DAG run. " in message


# Instants and slices


@pytest.mark.usefixtures("_tokyo")
def test_an_instant_without_a_zone_is_utc_everywhere():
    """A slice that shifts with the machine's zone would leave a gap when the worker moves."""
    naive, aware = datetime(2026, 3, 1, 20), datetime(2026, 3, 1, 20, tzinfo=UTC)

    assert aware == read_instant(naive, "start") == read_instant("2026-03-01T20:00", "start")
    for granularity in (*CALENDAR_UNITS, timedelta(hours=7)):
        assert slice_at(aware, granularity, BERLIN) == slice_at(naive, granularity, BERLIN)
        assert slice_from(aware, granularity, BERLIN) == slice_from(naive, granularity, BERLIN)
        assert list(split(aware, aware + DAY, granularity)) == list(split(naive, naive + DAY, granularity))


@pytest.mark.parametrize("granularity", [*CALENDAR_UNITS, timedelta(hours=7)], ids=str)
def test_pendulum_is_understood(granularity):
    """Airflow gives its dates and the zones of its DAGs as pendulum's, whose arithmetic differs."""
    at, zone = pendulum.datetime(2026, 3, 29, 12, tz="Europe/Berlin"), pendulum.timezone("Europe/Berlin")
    plain = datetime(2026, 3, 29, 12, tzinfo=BERLIN)

    assert slice_at(plain, granularity, BERLIN) == slice_at(at, granularity, zone)
    assert slice_from(plain, granularity, BERLIN) == slice_from(at, granularity, zone)
    assert list(split(plain, plain + DAY, granularity, BERLIN)) == list(split(at, at + DAY, granularity, zone))
    assert found_by(logical_date=plain, zone=BERLIN) == found_by(logical_date=at, zone=zone)


def test_the_same_instants_make_the_same_slice_in_utc():
    """Slices are compared, and their text names runs, so one slice must have one text."""
    india = timezone(timedelta(hours=5, minutes=30))

    made = Slice("2026-03-01T05:30:00+05:30", datetime(2026, 3, 2, 5, 30, tzinfo=india))

    assert Slice("2026-03-01", "2026-03-02T00:00:00Z") == made
    assert hash(Slice("2026-03-01", "2026-03-02")) == hash(made)
    assert "[2026-03-01T00:00:00+00:00, 2026-03-02T00:00:00+00:00)" == str(made)


def test_a_slice_travels_as_json_and_as_an_interval():
    """XCom, mapped tasks and DAG parameters carry text only, and a microsecond lost is a row lost."""
    made = Slice(datetime(2026, 3, 1, tzinfo=BERLIN), datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=BERLIN))

    bounds = json.loads(json.dumps(made.as_dict()))

    assert {"window_start": "2026-02-28T23:00:00+00:00", "window_end": "2026-03-01T11:00:00.000001+00:00"} == bounds
    assert made == by_arguments(**dict(zip(("start", "end"), bounds.values(), strict=True)))[0]
    assert made == Slice.fromisoformat(made.isoformat())


def test_slices_are_ordered_by_time():
    """History is synced from its beginning on."""
    days = list(split(datetime(2026, 3, 1), datetime(2026, 3, 9), "day"))

    assert days == sorted(days[4:] + days[:4])
    assert days[0] < replace(days[0], end=days[1].end) < days[1]


@pytest.mark.parametrize("end", ["2026-03-01", "2026-02-28"], ids=["empty", "backwards"])
def test_a_slice_that_does_not_end_after_its_start_is_refused(end):
    """Both in itself and as a range to cut."""
    message = refusal(Slice, "2026-03-01", end)

    assert f"but start is 2026-03-01T00:00:00+00:00 and end is {end}T00:00:00+00:00. Give an earlier" in message
    assert message == refusal(list, split("2026-03-01", end, "day"))
