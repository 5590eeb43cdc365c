"""How time is cut into slices, in the calendars of many zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_days import APIA, BERLIN, DAY, HAVANA, HOUR, LENGTHS, ODD_DAYS, TICK, ZONES, local, noon, refusal

from airflow_provider_mparticle.slices.arguments import CALENDAR_UNITS
from airflow_provider_mparticle.slices.calendar_units import slice_at, slice_from, split
from airflow_provider_mparticle.slices.slice import EARLIEST, LATEST, Slice, later

# Properties. Half of the instants are within three days of noon on an odd day.

quick = settings(max_examples=300, database=None)
zones = st.sampled_from(ZONES).map(ZoneInfo)
anywhere = st.tuples(zones, st.datetimes(datetime(1975, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
near_odd_days = st.tuples(st.sampled_from(ODD_DAYS), st.timedeltas(-3 * DAY, 3 * DAY)).map(
    lambda drawn: (ZoneInfo(drawn[0][0]), noon(drawn[0][1], drawn[0][0]).astimezone(UTC) + drawn[1])
)
places = anywhere | near_odd_days
durations = st.timedeltas(timedelta(seconds=1), 60 * DAY)
long_durations = st.timedeltas(60 * DAY) | st.just(timedelta.max)
units = st.sampled_from(CALENDAR_UNITS)
# About how many slices to cut. A whole number of durations leaves no shorter slice at the end.
counts = st.integers(1, 40) | st.floats(0.01, 40)


def end_of(start, granularity, count):
    """An end after about *count* slices."""
    return start + LENGTHS.get(granularity, granularity) * count


@quick
@given(places, units | durations, counts)
def test_slices_follow_one_another_and_cover_the_range_exactly(place, granularity, count):
    """With a gap rows would be lost, and with an overlap they would be sent twice."""
    zone, start = place
    end = end_of(start, granularity, count)

    cuts = list(split(start, end, granularity, zone))

    assert (start, end) == (cuts[0].start, cuts[-1].end)
    assert all(cut.start < cut.end for cut in cuts)
    assert all(one.end == other.start for one, other in pairwise(cuts))


@quick
@given(places, units, counts)
def test_a_range_is_cut_where_its_units_begin_and_nowhere_else(place, unit, count):
    """Two users who cut different ranges of one table get the same slices where the ranges overlap."""
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
    """Every row belongs to the slice of exactly one DAG run."""
    zone, at = place

    here = slice_at(at, granularity, zone)

    assert here.start <= at < here.end
    assert here == slice_at(here.end - TICK, granularity, zone)
    assert here.start == slice_at(here.start - TICK, granularity, zone).end
    assert here.end == slice_at(here.end, granularity, zone).start


@quick
@given(places.filter(lambda place: place[0].key != "America/St_Johns"), st.sampled_from(CALENDAR_UNITS[1:]))
def test_a_unit_begins_and_ends_with_its_days(place, unit):
    """Users think of days, weeks and months in their own zone, not in UTC."""
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
    """However clocks change in between."""
    zone, start = place

    made = slice_from(start, granularity, zone)

    assert start == made.start < made.end


@quick
@given(places, units)
def test_a_slice_from_the_beginning_of_a_unit_is_that_unit(place, unit):
    """Partition dates are such instants, and the slices of neighbouring partitions must not overlap."""
    zone, at = place
    here = slice_at(at, unit, zone)

    made = slice_from(here.start, unit, zone)

    assert here == made


# The calendar


@pytest.mark.parametrize(("zone", "day", "hours"), ODD_DAYS)
def test_a_day_lasts_as_long_as_its_clocks_say(zone, day, hours):
    """An hour that is skipped or comes twice belongs to exactly one day."""
    found = slice_at(noon(day, zone), "day", ZoneInfo(zone))

    assert hours * HOUR == found.end - found.start


def test_a_day_without_a_midnight_begins_when_clocks_skip_it():
    """Its partition ends at the next midnight, and not an hour into the next partition."""
    found = slice_at(noon(date(2026, 3, 8), "America/Havana"), "day", HAVANA)

    assert ("2026-03-08 01:00", "2026-03-09 00:00") == (local(found.start, HAVANA), local(found.end, HAVANA))
    assert found == slice_from(found.start, "day", HAVANA)


def test_a_day_that_comes_again_for_a_while_has_ended_already():
    """In St. John's in 2009 clocks went from 00:01 on the 1st back to 23:01 on the 31st."""
    zone = ZoneInfo("America/St_Johns")
    again = datetime(2009, 10, 31, 23, 30, fold=1, tzinfo=zone)

    day, month = slice_at(again, "day", zone), slice_at(again, "month", zone)
    [rest] = split(again, day.end, "day", zone)

    assert "2009-11-01 00:00" == local(day.start, zone) == local(month.start, zone)
    assert day.start < again < day.end
    assert Slice(again, day.end) == rest


def test_a_day_that_a_zone_skipped_has_no_slice():
    """Samoa moved across the date line, so it had no 30th of December 2011."""
    start, end = datetime(2011, 12, 28, tzinfo=APIA), datetime(2012, 1, 2, tzinfo=APIA)

    days = [local(cut.start, APIA) for cut in split(start, end, "day", APIA)]

    assert ["2011-12-28 00:00", "2011-12-29 00:00", "2011-12-31 00:00", "2012-01-01 00:00"] == days


@pytest.mark.parametrize(("day", "count"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_hours_stay_hours_when_clocks_change(day, count):
    """An hour that comes twice is two slices, and an hour that is skipped has no slice."""
    whole = slice_at(noon(day, "Europe/Berlin"), "day", BERLIN)

    hours = list(split(whole.start, whole.end, "hour", BERLIN))

    assert [HOUR] * count == [cut.end - cut.start for cut in hours]


def test_hours_begin_with_the_hours_of_utc():
    """In India hours begin at half past, so that one table has the same hours for all users."""
    found = slice_at(datetime(2026, 3, 1, 12, 45, tzinfo=UTC), "hour", ZoneInfo("Asia/Kolkata"))

    assert "[2026-03-01T12:00:00+00:00, 2026-03-01T13:00:00+00:00)" == str(found)


def test_multiples_of_a_duration_are_counted_from_1970():
    """Slices of seven hours do not depend on the instant; 8 h on the 3rd is 56 h."""
    found = slice_at(datetime(1970, 1, 3, 8), timedelta(hours=7), BERLIN)

    assert Slice("1970-01-03T08:00", "1970-01-03T15:00") == found


def test_a_week_begins_on_monday():
    """As in ISO 8601; Sunday is its last day, also across the end of a year."""
    sunday = datetime(2027, 1, 3, 23, 59, tzinfo=BERLIN)

    found = slice_at(sunday, "week", BERLIN)

    assert ("2026-12-28 00:00", "2027-01-04 00:00") == (local(found.start, BERLIN), local(found.end, BERLIN))


@pytest.mark.parametrize(("year", "month", "days"), [(2026, 2, 28), (2024, 2, 29), (2026, 4, 30), (2026, 12, 31)])
def test_a_month_lasts_until_the_first_of_the_next(year, month, days):
    """Including leap years and the end of a year."""
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
    """A month from the 31st must not last for two months."""
    made = slice_from(datetime.fromisoformat(start), "month")

    assert Slice(start, end) == made


@pytest.mark.parametrize(("unit", "end"), [("day", "2026-03-29 12:00"), ("week", "2026-04-04 12:00")])
def test_a_slice_from_an_hour_ends_at_the_same_hour(unit, end):
    """A partition from noon to noon stays one when clocks change."""
    made = slice_from(datetime(2026, 3, 28, 12, tzinfo=BERLIN), unit, BERLIN)

    assert end == local(made.end, BERLIN)


@pytest.mark.parametrize("granularity", ["fortnight", "Day", "", None, 60, timedelta(0), -HOUR], ids=repr)
@pytest.mark.parametrize("function", [slice_at, slice_from, lambda at, unit: list(split(at, at + DAY, unit))])
def test_an_unknown_granularity_is_refused_with_the_known_ones(function, granularity):
    """A duration of zero would never end."""
    message = refusal(function, datetime(2026, 3, 1), granularity)

    assert f"one of hour, day, week, month or a timedelta above zero, not {granularity!r}. " in message


@pytest.mark.parametrize(("function", "name"), [(slice_at, "at"), (slice_from, "start")])
def test_what_is_not_an_instant_is_refused_by_its_name(function, name):
    """A user calls these functions with what a template or a file has."""
    assert refusal(function, "soon", "day").startswith(f"{name} must be an ISO 8601 instant, ")


@pytest.mark.usefixtures("_tokyo")
def test_slices_of_an_instant_without_a_zone_are_those_of_utc():
    """If a slice depended on the zone of the machine, another worker would leave a gap."""
    naive, aware = datetime(2026, 3, 1, 20), datetime(2026, 3, 1, 20, tzinfo=UTC)

    for granularity in (*CALENDAR_UNITS, timedelta(hours=7)):
        assert slice_at(aware, granularity, BERLIN) == slice_at(naive, granularity, BERLIN)
        assert slice_from(aware, granularity, BERLIN) == slice_from(naive, granularity, BERLIN)
        assert list(split(aware, aware + DAY, granularity)) == list(split(naive, naive + DAY, granularity))


@pytest.mark.parametrize("granularity", [*CALENDAR_UNITS, timedelta(hours=7)], ids=str)
def test_pendulum_is_understood(granularity):
    """Airflow gives its dates and the zones of its DAGs as pendulum objects, whose arithmetic differs."""
    at, zone = pendulum.datetime(2026, 3, 29, 12, tz="Europe/Berlin"), pendulum.timezone("Europe/Berlin")
    plain = datetime(2026, 3, 29, 12, tzinfo=BERLIN)

    assert slice_at(plain, granularity, BERLIN) == slice_at(at, granularity, zone)
    assert slice_from(plain, granularity, BERLIN) == slice_from(at, granularity, zone)
    assert list(split(plain, plain + DAY, granularity, BERLIN)) == list(split(at, at + DAY, granularity, zone))


# The first and the last instants that a datetime can hold

ends_of_time = st.tuples(zones, st.sampled_from([EARLIEST, LATEST]), st.timedeltas(timedelta(0), 400 * DAY)).map(
    lambda drawn: (drawn[0], later(drawn[1], drawn[2] if drawn[1] == EARLIEST else -drawn[2]))
)


@quick
@given(ends_of_time, units | durations | long_durations)
def test_slices_at_the_ends_of_time_are_clamped(place, granularity):
    """0001-01-01 and 9999-12-31 mean "from the beginning" and "for ever"."""
    zone, at = place

    here = slice_at(at, granularity, zone)

    assert EARLIEST <= here.start <= at <= here.end <= LATEST
    assert at < here.end or at == LATEST
    if here.start > EARLIEST:
        assert here.start == slice_at(later(here.start, -TICK), granularity, zone).end
    if here.end < LATEST:
        assert here.end == slice_at(here.end, granularity, zone).start


@quick
@given(ends_of_time.filter(lambda place: place[1] < LATEST), units | durations | long_durations)
def test_a_slice_from_the_ends_of_time_is_clamped(place, granularity):
    """It ends with the last instant if it would last longer."""
    zone, start = place

    made = slice_from(start, granularity, zone)

    assert start == made.start < made.end <= LATEST


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo", "Pacific/Apia"])
@pytest.mark.parametrize("unit", ["week", "month", 500 * DAY])
def test_all_of_time_can_be_cut(zone, unit):
    """Without gaps, overlaps or an overflow."""
    for whole in (Slice("0001-01-01", "0003-02-01"), Slice("9997-11-01", "9999-12-31T23:59:59.999999")):
        cuts = list(split(whole.start, whole.end, unit, ZoneInfo(zone)))

        assert (whole.start, whole.end) == (cuts[0].start, cuts[-1].end)
        assert all(one.end == other.start for one, other in pairwise(cuts))
