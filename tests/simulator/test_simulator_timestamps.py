"""Instants are written as mParticle writes them, and what is shown can be sent back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_mparticle.simulator.http_messages import Refusal
from airflow_provider_mparticle.simulator.timestamps import cut, iso, moment, unix


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (1_750_000_000, "2025-06-15T15:06:40Z"),
        (1_750_000_000.5, "2025-06-15T15:06:40.5Z"),
        (1_750_000_000.25, "2025-06-15T15:06:40.25Z"),
        (1_750_000_000.125, "2025-06-15T15:06:40.125Z"),
    ],
)
def test_instants_have_as_many_fraction_digits_as_they_need(instant, text):
    """mParticle's examples have 0 to 3, so a client must read all of them. What is shown can be sent back."""
    assert text == iso(instant)
    assert instant == unix(text, "x") == unix(text.removesuffix("Z"), "x")


def test_an_instant_may_be_missing_or_without_a_zone():
    """A run that has not ended has no end, and ranges have no zone."""
    assert iso(None) is None
    assert "2025-06-15T15:06:40" == iso(1_750_000_000, zone="")
    assert (None, None) == (unix(None, "x"), unix("", "x"))


def test_what_is_finer_than_a_millisecond_is_dropped():
    """The shown and the compared values are equal."""
    assert 1_750_000_000.123 == cut(1_750_000_000.1239)
    assert 1_750_000_000.123 == unix("2025-06-15T15:06:40.123999Z", "x")


@pytest.mark.parametrize(
    "value", ["2025-06-15T17:06:40+02:00", 1_750_000_000, datetime(2025, 6, 15, 15, 6, 40)], ids=str
)
def test_an_instant_is_read_in_each_of_its_forms(value):
    """Without a zone it is UTC."""
    assert datetime(2025, 6, 15, 15, 6, 40, tzinfo=UTC) == moment(value)


@pytest.mark.parametrize("value", ["yesterday", "2025-13-01", True, [], 1e300])
def test_what_is_not_an_instant_is_refused_by_the_name_of_its_field(value):
    """The refusal is that of a malformed field in a request."""
    with pytest.raises(Refusal, match="startDate must be an ISO 8601 instant") as refused:
        unix(value, "startDate", status=422)

    assert 422 == refused.value.status
