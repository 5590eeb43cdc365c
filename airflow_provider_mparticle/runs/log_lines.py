"""Decides what logs say about a run: which failed polls, one line for its end, durations that a person can read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_mparticle.runs.outcome import Outcome, counts

# Each unit with its length in seconds, the longest first. A duration is written in at most two of them.
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))

# Of failed polls in a row, the first is logged, and then every tenth.
FAILED_POLLS_PER_LINE = 10


def is_logged(failed_polls: int) -> bool:
    """Return whether the last of so many failed polls in a row is logged."""
    return failed_polls == 1 or failed_polls % FAILED_POLLS_PER_LINE == 0


def summary(outcome: Outcome) -> str:
    """Return the log line for a run that succeeded: its duration, its records and the range that it read."""
    run, duration_s = outcome.run, outcome.duration_s
    took = "" if duration_s is None else f" in {in_words(duration_s)}"
    return (
        f"Run {run['pipeline_run_id']} of pipeline {run['pipeline_id']!r} succeeded{took}: {counts(run)}{_range(run)}."
    )


def in_words(seconds: float) -> str:
    """Return a duration in words, for example ``"45 s"``, ``"12 min"`` or ``"2 h 5 min"``."""
    whole = max(0, round(seconds))
    first = next((i for i, (_, size) in enumerate(_UNITS) if whole >= size), len(_UNITS) - 1)
    parts: list[str] = []
    for unit, size in _UNITS[first : first + 2]:
        count, whole = divmod(whole, size)
        if count or not parts:
            parts.append(f"{count} {unit}")
    return " ".join(parts)


def _range(run: Mapping[str, Any]) -> str:
    start, end = run.get("range_start"), run.get("range_end")
    return f"; it read {start} to {end}" if start and end else ""
