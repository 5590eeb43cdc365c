"""What logs say about a run is easy to read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.runs.log_lines import in_words, summary
from airflow_provider_mparticle.runs.outcome import Outcome

RUN = {
    "pipeline_id": "orders",
    "pipeline_run_id": 13325,
    "started_on": "2026-01-01T00:00:00+00:00",
    "ended_on": "2026-01-01T00:00:10+00:00",
    "range_start": "2025-12-31T00:00:00+00:00",
    "range_end": "2026-01-01T00:00:00+00:00",
    "successful_records": 1000,
    "failed_records": 0,
}


def test_a_summary_has_the_duration_the_counts_and_the_range() -> None:
    """One line has everything that users look for."""
    assert (
        "Run 13325 of pipeline 'orders' succeeded in 10 s: 1000 records ingested, 0 rejected; "
        "it read 2025-12-31T00:00:00+00:00 to 2026-01-01T00:00:00+00:00." == summary(Outcome(RUN))
    )


def test_a_summary_leaves_out_what_mparticle_does_not_say() -> None:
    """In mParticle's own examples ended runs have no end instant."""
    silent = {**RUN, "ended_on": None, "range_end": None, "failed_records": None}

    assert "Run 13325 of pipeline 'orders' succeeded: 1000 records ingested, unknown rejected." == summary(
        Outcome(silent)
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (45, "45 s"),
        (60, "1 min"),
        (725, "12 min 5 s"),
        (7500, "2 h 5 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, words: str) -> None:
    """Users need not convert seconds."""
    assert words == in_words(seconds)


@given(st.floats(min_value=-1e9, max_value=1e9))
def test_every_duration_has_words(seconds: float) -> None:
    """A clock that was set back must not break the last log line of a run that succeeded."""
    parts = in_words(seconds).split()

    assert len(parts) in (2, 4)
    assert all(int(count) >= 0 for count in parts[::2])
    assert set(parts[1::2]) <= {"d", "h", "min", "s"}
