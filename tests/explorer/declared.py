"""
What the explorer allows: the places where the promise ends, each under the title that docs/explanation/exactly-once.md
gives it. A violation that no entry allows fails the test; so does an entry that the page does not list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mparticle_model import OTHERS, Run

if TYPE_CHECKING:
    from airflow_tasks import Task
    from explorer_world import World

# How long after a request a run of others passes for its own, with the tolerance of the clocks on both sides.
SAME_SECONDS = (-4.0, 14.0)


def foreign_run_in_the_same_seconds(world: World, which: str, task: Task, run: Run | None) -> bool:
    """A request is lost, and others start a run of the same pipeline within seconds of it."""
    if which not in ("I2", "I3") or run is None or run.owner == task.name:
        return False
    low, high = SAME_SECONDS
    return any(low <= run.started - sent <= high for sent in task.requests_in_doubt)


def status_only(world: World, which: str, task: Task, run: Run | None) -> bool:
    """Without run routes only the latest run by logical date is visible."""
    return which in ("I1", "I4", "I5") and not world.habits.has_run_routes


def no_date_header(world: World, which: str, task: Task, run: Run | None) -> bool:
    """Without a Date header the clocks have to agree within a minute."""
    return not world.habits.tells_date


def two_slices_at_once(world: World, which: str, task: Task, run: Run | None) -> bool:
    """Two slices of one pipeline run at once, and write the data model in the same second."""
    return bool(task.slice) and world.slots > 1


def run_started_by_hand_reads_the_slice(world: World, which: str, task: Task, run: Run | None) -> bool:
    """Others start a run while a slice's SQL stands."""
    if not task.slice or run is None or run.owner != OTHERS:
        return False
    return run.slice_read in (task.slice, None) or world.habits.cuts_seconds


Allows = Callable[["World", str, "Task", Run | None], bool]
DECLARED: dict[str, Allows] = {
    "A run of others in the same seconds": foreign_run_in_the_same_seconds,
    "Status only": status_only,
    "No Date header": no_date_header,
    "More than one slice at once": two_slices_at_once,
    "A run that others start while a slice's SQL stands": run_started_by_hand_reads_the_slice,
}
