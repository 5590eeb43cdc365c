"""Instants of mParticle are read leniently, and written as it expects them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from airflow_provider_mparticle.client.timestamps import (
    iso_text,
    parse_timestamp,
    query_text,
    read_iso_8601,
    whole_second,
)

NOON = datetime(2025, 7, 1, 12, 34, 56, 789_000, UTC)
BERLIN = timezone(timedelta(hours=2))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2025-07-01T12:34:56", datetime(2025, 7, 1, 12, 34, 56, tzinfo=UTC)),
        ("2025-07-01T12:34:56Z", datetime(2025, 7, 1, 12, 34, 56, tzinfo=UTC)),
        ("2025-07-01T12:34:56.7Z", datetime(2025, 7, 1, 12, 34, 56, 700_000, UTC)),
        ("2025-07-01T12:34:56.78", datetime(2025, 7, 1, 12, 34, 56, 780_000, UTC)),
        ("2025-07-01T12:34:56.789+00:00", NOON),
        ("2025-07-01T12:34:56.1234567Z", datetime(2025, 7, 1, 12, 34, 56, 123_456, UTC)),
        ("2025-07-01T14:34:56+02:00", datetime(2025, 7, 1, 12, 34, 56, tzinfo=UTC)),
        (" 2025-07-01 12:34:56 ", datetime(2025, 7, 1, 12, 34, 56, tzinfo=UTC)),
        ("2025-07-01", datetime(2025, 7, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00", datetime(1, 1, 1, tzinfo=UTC)),
        (date(2025, 7, 1), datetime(2025, 7, 1, tzinfo=UTC)),
        (NOON.astimezone(BERLIN), NOON),
    ],
)
def test_an_instant_is_read_leniently_and_is_in_utc(value: object, expected: datetime) -> None:
    """They have a time zone or not, and up to seven digits of a second."""
    assert expected == parse_timestamp(value)
    assert UTC == parse_timestamp(value).tzinfo


@pytest.mark.parametrize(
    "value",
    [
        *[None, "", "yesterday", "2025-13-01T00:00:00Z", "2025-06-31", "2025-07-01T25:00:00Z", "1711121012345"],
        *["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "2025-07-01" + " " * 100 + "x"],
        *[0, 1751328000, True, [], {}],
    ],
)
def test_what_is_not_an_instant_is_none(value: object) -> None:
    """A state decides whether a run has ended, so an odd instant is not worth an error."""
    assert parse_timestamp(value) is None


def test_text_keeps_its_time_zone_until_it_is_converted() -> None:
    """Slices are cut in the time zone of the user."""
    assert timedelta(hours=2) == read_iso_8601("2025-07-01T14:34:56+02:00").utcoffset()
    assert UTC is read_iso_8601("2025-07-01T14:34:56").tzinfo


def test_fractions_of_a_second_can_be_dropped() -> None:
    """MParticle may write an instant without them, so two instants are compared without them."""
    assert NOON.replace(microsecond=0) == whole_second(NOON)


def test_an_instant_is_shown_as_iso_8601_or_not_at_all() -> None:
    """A run that has not ended has no end."""
    assert "2025-07-01T12:34:56.789000+00:00" == iso_text(NOON)
    assert iso_text(None) is None


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (NOON, "2025-07-01T12:34:56Z"),
        (NOON.astimezone(BERLIN), "2025-07-01T12:34:56Z"),
        (NOON.replace(tzinfo=None), "2025-07-01T12:34:56Z"),
        (datetime(1, 1, 1, tzinfo=BERLIN), "0001-01-01T00:00:00Z"),
        (datetime(9999, 12, 31, 23, tzinfo=timezone(-timedelta(hours=2))), "9999-12-31T23:59:59Z"),
    ],
)
def test_a_query_has_whole_seconds_in_utc(at: datetime, expected: str) -> None:
    """As in mParticle's reference."""
    assert expected == query_text(at)
