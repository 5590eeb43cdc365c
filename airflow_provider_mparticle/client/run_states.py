"""
Holds the table of the states of a pipeline run, and what each means for a wait.

Any other state means that the run is still in progress, so a state that mParticle adds later does not fail a task. The
extra field ``run_states`` of the Airflow connection sets the meaning of such a state.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Progress(StrEnum):
    """The meaning of a state: in progress, succeeded or failed."""

    UNDER_WAY = "under_way"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


# The documentation of v2 has "success"; the others are from the v1 reference of 2023.
RUN_STATES: Mapping[str, Progress] = {
    "success": Progress.SUCCEEDED,
    "failed": Progress.FAILED,
    "triggered": Progress.UNDER_WAY,
    "queued": Progress.UNDER_WAY,
    "running": Progress.UNDER_WAY,
    "dataset_triggered": Progress.UNDER_WAY,
}


def progress_of(state: object, states: Mapping[str, Progress]) -> Progress:
    """Return the meaning of a state, in any case. An unknown or missing state means that the run is in progress."""
    return states.get(state_word(state), Progress.UNDER_WAY)


def is_known(state: object, states: Mapping[str, Progress]) -> bool:
    """Return whether a state is one of the words in *states*."""
    return state_word(state) in states


def state_word(state: object) -> str:
    """Return a state as the table has it: in lower case, without spaces around it; empty if it is missing."""
    return str(state or "").strip().lower()
