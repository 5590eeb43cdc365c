"""Defines options of the simulated mParticle, where its behaviour is not documented or depends on the account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Habits:
    """
    Options of :class:`.simulator.Simulator`, each given to it by name.

    To add a habit, add a field here, with its default and a sentence, and use it where it has an effect.
    """

    run_s: float = 1.0
    """Seconds from the trigger of a run to its end. The run passes through triggered, queued and running."""

    layout: Literal["v2", "v1"] = "v2"
    """The paths of the pipeline calls and the field names of a run: Warehouse Sync v2, or v1 of 2023."""

    run_routes: bool = True
    """False: the list of runs and the one-run route do not exist (404)."""

    trigger_answer: Literal["id", "empty", "no_id"] = "id"
    """What a trigger answers. ``"id"``: the run's id and a status. ``"no_id"``: a status. ``"empty"``: no body."""

    status_404_s: float = 0.0
    """Seconds after the creation of a pipeline during which its status answers 404."""

    from_is_inclusive: bool = True
    """
    Whether the first run of an incremental pipeline reads rows exactly at ``sync_mode.from``.

    Assumed; the documentation says "everything after".
    """

    list_lag_s: float = 0.0
    """Seconds after its start during which a run is missing in the list of runs and in the status of the pipeline."""
