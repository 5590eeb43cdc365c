"""
The state words of a pipeline run, and what each means to a wait.

Any other word means that the run is still under way, so a word that mParticle adds later never fails a task; the
extra field ``run_states`` of the Airflow connection gives such a word its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Progress(StrEnum):
    """How far a run is, whatever mParticle calls it."""

    UNDER_WAY = "under_way"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


# "success" is stated by the documentation of v2, the others by the v1 reference of 2023.
RUN_STATES: Mapping[str, Progress] = {
    "success": Progress.SUCCEEDED,
    "failed": Progress.FAILED,
    "triggered": Progress.UNDER_WAY,
    "queued": Progress.UNDER_WAY,
    "running": Progress.UNDER_WAY,
    "dataset_triggered": Progress.UNDER_WAY,
}


def progress_of(state: object, states: Mapping[str, Progress]) -> Progress:
    """Look a state word up, without regard to case; an unknown word, or no word at all, means under way."""
    return states.get(_word(state), Progress.UNDER_WAY)


def is_known(state: object, states: Mapping[str, Progress]) -> bool:
    """Tell whether a state word is in the table."""
    return _word(state) in states


def _word(state: object) -> str:
    return str(state or "").strip().lower()
