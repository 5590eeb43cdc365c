"""How far mParticle's clock is ahead of ours, by the Date header."""

from __future__ import annotations

from email.utils import formatdate
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client import clocks
from airflow_provider_mparticle.client.clocks import clock_skew_s


@given(st.floats(0, 4e9), st.floats(-1e5, 1e5), st.floats(0, clocks.QUICK_S), st.floats(0, 1))
def test_a_quick_answer_shows_the_skew_to_half_a_second_and_half_the_exchange(sent, skew, took, share):
    """Runs are compared with requests by it, so its error must be known."""
    stamped = sent + share * took + skew
    headers = {"date": formatdate(int(max(0.0, stamped)), usegmt=True)}

    told = clock_skew_s(headers, sent, sent + took)

    assert told is not None
    assert stamped < 1 or abs(told - skew) <= 0.5 + took / 2 + 1e-3


@given(st.floats(1e6, 4e9), st.none() | st.floats(-1e5, 1e5), st.floats(0, 600), st.floats(0, 1))
def test_a_slow_answer_does_not_change_a_skew_that_it_fits(sent, skew, took, share):
    """mParticle may set the date at any time while it handles the request."""
    headers = {"date": formatdate(int(sent + share * took + (skew or 0.0)), usegmt=True)}

    told = clock_skew_s(headers, sent, sent + took, skew)

    assert told is not None
    assert abs(told - (skew or 0.0)) <= 1.0 + 1e-3


@given(st.floats(1e6, 4e9), st.floats(-1e5, 1e5), st.floats(0, 600))
def test_a_slow_answer_that_contradicts_what_is_known_shows_the_skew_as_well_as_it_can(sent, skew, took):
    """A clock may be set at any time."""
    headers = {"date": formatdate(int(sent + took / 2 + skew), usegmt=True)}

    told = clock_skew_s(headers, sent, sent + took)

    assert told is not None
    assert abs(told - skew) <= 1.0 + took / 2 + 1e-3


def test_a_steady_clock_ignores_that_the_clock_is_set(monkeypatch):
    """Instants of one task are compared with each other."""
    times = SimpleNamespace(time=lambda: 1000.0, monotonic=lambda: 5.0)
    monkeypatch.setattr(clocks, "time", times)
    clock = clocks.steady_clock()

    times.time, times.monotonic = lambda: 99_999.0, lambda: 8.0

    assert 1003.0 == clock()


@pytest.mark.parametrize("headers", [{}, {"date": ""}, {"date": "yesterday"}, {"date": "2026-03-01T12:00:00Z"}])
def test_an_answer_without_a_date_has_no_skew(headers):
    """A proxy may remove the header."""
    assert clock_skew_s(headers, 1.0, 2.0) is None


DATE_PARTS = st.sampled_from(
    ["Mon,", "01", "Jan", "2026", "9999", "00:00:00", "25:61:61", "0:0", "GMT", "+" + "9" * 21, "(", "-"]
)


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=30), st.lists(DATE_PARTS, max_size=7).map(" ".join)))
def test_any_date_gives_a_skew_or_none(date: str) -> None:
    """Python's parser raises OverflowError for some dates, which once hid that a run had been started."""
    told = clock_skew_s({"date": date}, 0.0, 1.0)

    assert told is None or isinstance(told, float)
