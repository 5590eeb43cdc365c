"""Arguments that describe slices, and those that are refused while a DAG file is parsed."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices.arguments import (
    CALENDAR_UNITS,
    LONGEST,
    TIME_COLUMN_TYPES,
    check_counting,
    check_time_column_type,
    checked_granularity,
    zone_named,
)

quick = settings(max_examples=100, database=None)
anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.lists(st.text())
    | st.just({})
    | st.binary()
)


@quick
@given(anything | st.timedeltas(max_value=timedelta(0)) | st.sampled_from(["DAY", "days", "daily", " day", "year"]))
def test_what_is_not_a_unit_or_a_duration_is_refused(value: Any) -> None:
    """For any value in a DAG file or a template."""
    if value in CALENDAR_UNITS:
        return
    with pytest.raises(ConfigError, match="granularity must be one of hour, day, week, month or a timedelta"):
        checked_granularity(value)


@quick
@given(st.sampled_from(CALENDAR_UNITS) | st.timedeltas(min_value=timedelta.resolution, max_value=LONGEST))
def test_units_and_durations_are_accepted(value: Any) -> None:
    """Any duration above zero."""
    assert value == checked_granularity(value)


@quick
@given(st.timedeltas(min_value=LONGEST) | st.just(timedelta.max))
def test_a_duration_that_no_slice_can_have_is_the_longest(value: timedelta) -> None:
    """So it can be negated and multiplied: timedelta.max cannot."""
    assert LONGEST == checked_granularity(value)


@quick
@given(anything | st.sampled_from(["text", "Timestamp", "timestamp ", "epoch"]))
def test_an_unknown_type_of_time_column_is_refused(value: Any) -> None:
    """Text, for example, sorts by letters."""
    if value in TIME_COLUMN_TYPES:
        return
    with pytest.raises(ConfigError, match="time_column_type must be one of timestamp, "):
        check_time_column_type(value, "UTC")


@pytest.mark.parametrize("name", TIME_COLUMN_TYPES)
def test_a_zone_that_has_no_effect_is_refused(name: Any) -> None:
    """The author has local times, so all bounds of slices would be hours away."""
    has_zone = name not in ("timestamp_ntz", "datetime", "date")

    with pytest.raises(ConfigError, match="has no effect on a column of type") if has_zone else nullcontext():
        check_time_column_type(name, "Europe/Berlin")
    check_time_column_type(name, "UTC")


@quick
@given(anything | st.sampled_from(["Mars", "../../etc/passwd", "/etc/localtime", "Europe", "UTC ", "+02:00", "\0"]))
def test_a_zone_that_does_not_exist_is_refused(value: Any) -> None:
    """A zone is read from a file, so its name must not lead to another file."""
    if isinstance(value, str) and value in available_timezones():
        return
    with pytest.raises(ConfigError, match="is not a time zone"):
        zone_named(value)


def test_utc_is_the_plain_one() -> None:
    """It needs no time zone database."""
    assert UTC is zone_named("UTC")


@pytest.mark.parametrize("max_records", [0, -1, True, 2e7, "5", None, float("inf")])
def test_a_limit_that_is_not_a_number_of_rows_is_refused(max_records: Any) -> None:
    """True would count as one row."""
    with pytest.raises(ConfigError, match="max_records must be a number of rows above zero"):
        check_counting("orders", "at", None, max_records)


@pytest.mark.parametrize("max_records", [1, 2, 24_000_000])
def test_any_number_of_rows_above_zero_is_a_limit(max_records: int) -> None:
    """One row for each run is slow, but not wrong."""
    check_counting("orders", "at", None, max_records)
    check_counting(None, None, "SELECT 1", max_records)


def test_a_dag_file_that_checks_arguments_imports_next_to_nothing() -> None:
    """Airflow parses it again and again."""
    code = "import sys, airflow_provider_mparticle.slices.arguments; print({*sys.modules} & {'sqlglot', 'requests'})"

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)

    assert "set()" == told.stdout.strip()
