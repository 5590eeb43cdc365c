"""Which slice a DAG run has, and when slices of consecutive DAG runs are refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from odd_days import BERLIN, HOUR, ODD_DAYS, refusal

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices.calendar_units import midnight
from airflow_provider_mparticle.slices.run_slice import CONF_KEYS, RunDates, refuse_overlaps, slice_of_dag_run
from airflow_provider_mparticle.slices.slice import Slice

# The slice of a DAG run

# The sources of a slice in order: the dates, the slice, and the name of the source.
ARGUMENTS = {"window_start": "2026-01-01", "window_end": "2026-01-02"}
CONF = {"conf": {"window_start": "2026-02-01", "window_end": "2026-02-02"}}
INTERVAL = {"data_interval_start": datetime(2026, 3, 1), "data_interval_end": datetime(2026, 3, 2)}
SOURCES = [
    (ARGUMENTS, "2026-01-01/2026-01-02", "the arguments window_start and window_end"),
    (CONF, "2026-02-01/2026-02-02", "the DAG run's conf"),
    (INTERVAL, "2026-03-01/2026-03-02", "the DAG run's data interval"),
    ({"partition_date": datetime(2026, 4, 1, 6)}, "2026-04-01T06/2026-04-02T06", "the DAG run's partition date"),
    ({"logical_date": datetime(2026, 5, 1, 6)}, "2026-05-01/2026-05-02", "the DAG run's logical date"),
]


def found_by(window_start=None, window_end=None, granularity="day", **dates):
    """The slice of a DAG run with these dates, and its source."""
    return slice_of_dag_run(window_start, window_end, granularity, RunDates(**dates))


@pytest.mark.usefixtures("_tokyo")
@pytest.mark.parametrize("first", range(len(SOURCES)), ids=[origin for _, _, origin in SOURCES])
def test_the_first_source_that_a_dag_run_has_decides(first):
    """The user's values come before Airflow's; without a zone all of them are UTC."""
    said, expected, origin = SOURCES[first]
    later_sources = {key: value for also, _, _ in SOURCES[first:] for key, value in also.items()}

    found = found_by(**later_sources)

    assert (Slice.fromisoformat(expected), origin) == found == found_by(**said)


@pytest.mark.parametrize(("start_day", "end_day"), [(1, 1), (2, 1), (None, 1), (1, None)])
def test_an_empty_data_interval_is_skipped(start_day, end_day):
    """Airflow 3 gives a cron DAG and a manual run an interval whose bounds are equal."""
    start, end = (day and datetime(2026, 3, day, tzinfo=UTC) for day in (start_day, end_day))

    found = found_by(data_interval_start=start, data_interval_end=end, logical_date=datetime(2026, 3, 1, 6, tzinfo=UTC))

    assert (Slice("2026-03-01", "2026-03-02"), "the DAG run's logical date") == found


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400) | st.dates().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*CONF_KEYS, "x"]), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=200, database=None)
@given(json_values)
def test_any_conf_is_a_slice_or_is_refused(conf):
    """Airflow would retry any other error, and the user who triggers the DAG writes the conf."""
    try:
        found, _ = found_by(conf=conf, logical_date=datetime(2026, 3, 1, tzinfo=UTC))
    except ConfigError:
        return
    assert isinstance(conf, dict)
    assert found.start < found.end


@pytest.mark.parametrize("conf", [["2026-01-01", "2026-01-02"], "2026-01-01", 5, True])
def test_a_conf_that_is_not_an_object_is_refused(conf):
    """The user meant something by it."""
    assert "conf must be an object" in refusal(found_by, conf=conf)


@pytest.mark.parametrize(
    "name", ["windowStart", "window-end", "WINDOW_START", "window start", "window_stat", "windowend"]
)
def test_a_misspelt_bound_in_conf_is_refused(name):
    """Otherwise the DAG run would sync another slice, and be green."""
    message = refusal(found_by, conf={name: "2026-02-01"}, logical_date=datetime(2026, 3, 1, tzinfo=UTC))

    assert f"conf has {name!r}, which is not window_" in message


@settings(max_examples=200, database=None)
@given(st.sampled_from(CONF_KEYS), st.data())
def test_a_bound_with_one_wrong_letter_or_another_spelling_is_refused(name, data):
    """Case and separators differ between languages, and a letter is soon mistyped."""
    place = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from("abc_-"))
    wrong = data.draw(
        st.sampled_from([name[:place] + name[place + 1 :], name[:place] + letter + name[place:], name.upper()])
    )
    if wrong in CONF_KEYS:
        return

    assert "Write window_" in refusal(found_by, conf={wrong: "x"}, logical_date=datetime(2026, 3, 1, tzinfo=UTC))


@settings(max_examples=100, database=None)
@given(st.sampled_from(["window", "window_size", "start", "end", "run_window", "window_days", "end_date", "owner", ""]))
def test_other_keys_of_a_conf_are_for_other_tasks(name):
    """All tasks of a DAG run share its conf."""
    _, origin = found_by(conf={name: 1}, logical_date=datetime(2026, 3, 1, tzinfo=UTC))

    assert "the DAG run's logical date" == origin


def test_bounds_in_conf_that_are_null_are_not_given():
    """A form that triggers DAGs sends null for empty fields."""
    conf = {"window_start": None, "window_end": None}

    _, origin = found_by(conf=conf, logical_date=datetime(2026, 3, 1, tzinfo=UTC))

    assert "the DAG run's logical date" == origin


def test_dates_are_cut_in_the_zone_of_the_dag():
    """The day of a DAG in Berlin begins an hour or two before that of UTC."""
    start = datetime(2026, 3, 28, 23, tzinfo=UTC)

    by_partition, _ = found_by(partition_date=start, zone=BERLIN)
    by_date, _ = found_by(logical_date=start + HOUR, zone=BERLIN)

    assert Slice(start, start + 23 * HOUR) == by_partition == by_date


@pytest.mark.parametrize(("zone", "day", "hours"), ODD_DAYS)
def test_partitions_of_days_touch_where_clocks_change(zone, day, hours):
    """If clocks show midnight twice, Airflow gives the second one: its hour before would be in no slice."""
    zone = ZoneInfo(zone)
    days = [day + timedelta(days=number) for number in range(-3, 4)]
    dates = [max(datetime.combine(one, time(fold=fold), zone).astimezone(UTC) for fold in (0, 1)) for one in days]

    slices = [found_by(partition_date=at, zone=zone)[0] for at in dates]

    assert midnight(day, zone) in {one.start for one in slices}
    assert timedelta(hours=hours) in {one.end - one.start for one in slices}
    assert all(one.end == following.start for one, following in pairwise(dict.fromkeys(slices)))


@pytest.mark.parametrize("date_name", ["partition_date", "logical_date"])
def test_a_date_without_a_granularity_is_refused_with_what_to_do(date_name):
    """An instant is not a slice, and a guess would lose rows."""
    dates = RunDates(**{date_name: datetime(2026, 3, 1, tzinfo=UTC)})

    message = refusal(slice_of_dag_run, None, None, None, dates)

    assert "it only has a date, 2026-03-01T00:00:00+00:00. Pass granularity, for example 'day', or" in message


def test_a_dag_run_without_a_source_is_refused_with_what_to_do():
    """A run that an asset or a user started may have no date."""
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
    """A guess from the DAG run would sync other rows than the user asked for."""
    bounds = ["2026-01-01", "2026-01-02"]
    bounds[missing] = None

    message = refusal(find, *bounds)

    said = f"{CONF_KEYS[missing]} is missing: only {CONF_KEYS[1 - missing]} is given in {place}. Give both, or leave"
    assert message.startswith(said)


@typed
@pytest.mark.parametrize("unreadable", [[0], [1], [0, 1]], ids=[*CONF_KEYS, "both"])
@pytest.mark.parametrize("value", ["None", "", "yesterday", "01.03.2026", 7.5, []], ids=repr)
def test_a_bound_that_is_not_an_instant_is_refused(find, place, unreadable, value):
    """A template renders to 'None' or nothing if the DAG run lacks the value."""
    bounds = ["2026-01-01", "2026-01-02"]
    for index in unreadable:
        bounds[index] = value

    message = refusal(find, *bounds)

    assert message.startswith(f"{CONF_KEYS[unreadable[0]]} in {place} must be an ISO 8601 instant, for example ")
    assert f", not {value!r}. " in message


@typed
@pytest.mark.parametrize("end", ["2026-01-02T00:00:00Z", "2026-01-01T23:00:00Z"], ids=["equal", "before"])
def test_bounds_in_the_wrong_order_are_refused(find, place, end):
    """A success without any rows would hide a mistake."""
    message = refusal(find, "2026-01-02T01:00:00+01:00", end)

    assert message.startswith(f"window_start must lie before window_end in {place}, but they are 2026-01-02T00:00:00+")
    assert ". Give a later window_end, or leave both out to take the slice from the DAG run. " in message


def test_pendulum_s_dates_and_zones_are_understood():
    """Airflow gives the dates of DAG runs as pendulum objects."""
    at, zone = pendulum.datetime(2026, 3, 29, 12, tz="Europe/Berlin"), pendulum.timezone("Europe/Berlin")
    plain = datetime(2026, 3, 29, 12, tzinfo=BERLIN)

    assert found_by(logical_date=plain, zone=BERLIN) == found_by(logical_date=at, zone=zone)


def test_the_json_of_a_slice_is_read_as_its_bounds():
    """A mapped task gets it from the plan."""
    made = Slice("2026-03-01", "2026-03-01T12:00:00.000001Z")

    bounds = json.loads(json.dumps(made.as_dict()))

    assert made == by_arguments(*bounds.values())[0]


# The slices of consecutive DAG runs

MONDAY, TUESDAY, THURSDAY = (Slice(f"2026-01-{day:02}", f"2026-01-{day + 1:02}") for day in (5, 6, 8))


def test_slices_that_touch_are_accepted():
    """They cover history exactly."""
    assert refuse_overlaps([MONDAY, TUESDAY], "daily") is None


def test_a_gap_is_returned():
    """Its rows are in no slice, so the task logs a warning."""
    assert Slice(TUESDAY.end, THURSDAY.start) == refuse_overlaps([MONDAY, TUESDAY, THURSDAY], "daily")


@pytest.mark.parametrize(
    ("following", "said"),
    [
        (MONDAY, "the same slice"),
        (Slice("2026-01-05T12:00", "2026-01-06T12:00"), "slices that overlap"),
        (Slice("2026-01-04", "2026-01-05"), "slices that overlap"),
    ],
)
def test_slices_that_overlap_are_refused_with_both(following, said):
    """The rows in both would be ingested twice."""
    with pytest.raises(ConfigError) as refused:
        refuse_overlaps([MONDAY, following], "hourly")

    assert f"timetable hourly have {said}, {MONDAY} and {following}" in str(refused.value)
