"""How instants are read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_mparticle.client.timestamps import parse_timestamp


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-07-01T12:34:56", datetime(2025, 7, 1, 12, 34, 56, tzinfo=UTC)),
        ("2025-07-01T12:34:56Z", datetime(2025, 7, 1, 12, 34, 56, tzinfo=UTC)),
        ("2025-07-01T12:34:56.7Z", datetime(2025, 7, 1, 12, 34, 56, 700_000, UTC)),
        ("2025-07-01T12:34:56.78", datetime(2025, 7, 1, 12, 34, 56, 780_000, UTC)),
        ("2025-07-01T12:34:56.789+00:00", datetime(2025, 7, 1, 12, 34, 56, 789_000, UTC)),
        ("2025-07-01T12:34:56.1234567Z", datetime(2025, 7, 1, 12, 34, 56, 123_456, UTC)),
        ("2025-07-01T14:34:56+02:00", datetime(2025, 7, 1, 12, 34, 56, tzinfo=UTC)),
        (" 2025-07-01 12:34:56 ", datetime(2025, 7, 1, 12, 34, 56, tzinfo=UTC)),
        ("2025-07-01", datetime(2025, 7, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_leniently_and_is_utc(text: str, expected: datetime) -> None:
    """Instants come with and without a zone, with zero to three digits of a second."""
    assert expected == parse_timestamp(text)
    assert UTC == parse_timestamp(text).tzinfo  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "yesterday",
        "2025-13-01T00:00:00Z",
        "2025-07-01T25:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        0,
        1751328000,
        True,
        [],
        {},
    ],
)
def test_an_instant_that_cannot_be_read_is_none(value: object) -> None:
    """An instant is only shown, so it must not cause an error."""
    assert parse_timestamp(value) is None
