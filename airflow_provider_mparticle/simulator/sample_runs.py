"""Computes the start and the states of runs that a test adds without a trigger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_mparticle.simulator.runs import END_WORDS
from airflow_provider_mparticle.simulator.timestamps import cut, unix

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_mparticle.simulator.runs import Step

# The default age of an added run that has ended, and of one in progress.
ENDED_RUN_AGE_S = 86_400.0
RUN_IN_PROGRESS_AGE_S = 60.0

INSTANTS = frozenset({"started_on", "ended_on", "logical_date", "range_start", "range_end"})


def read_instants(fields: Mapping[str, object]) -> dict[str, float | None]:
    """Return the instants of a run as Unix times. A TypeError names a field that a run does not have."""
    unknown = fields.keys() - INSTANTS
    if unknown:
        raise TypeError(f"A run has no {', '.join(sorted(unknown))}.")
    return {name: unix(value, name) for name, value in fields.items()}


def life(
    state: str, now: float, run_s: float, instants: Mapping[str, float | None], ends: tuple[float | None, str]
) -> tuple[float, tuple[Step, ...]]:
    """
    Return when a run started, and its states since then.

    :param state: The current state of the run.
    :param run_s: Duration of a run that has ended, in seconds, unless *instants* contains its end.
    :param instants: The known instants of the run.
    :param ends: For a run in progress: in how many seconds it ends (None: never), and in which state.
    """
    begin = instants.get("started_on") or min(instants.get("logical_date") or 0.0, now)  # a date may lie in the future
    if state.lower() in END_WORDS:
        started = begin or now - ENDED_RUN_AGE_S
        lasted_s = (instants.get("ended_on") or started + run_s) - started
        return started, (("running", lasted_s), (state, None))
    started = begin or now - RUN_IN_PROGRESS_AGE_S
    ends_in_s, ends_as = ends
    if ends_in_s is None:
        return started, ((state, None),)
    return started, ((state, now - cut(started) + ends_in_s), (ends_as, None))
