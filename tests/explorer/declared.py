"""
What the explorer allows: the places where the promise ends, each under the title that docs/explanation/exactly-once.md
gives it. A violation that no entry allows fails the test; so does an entry that the page does not list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mparticle_model import OTHERS, Run

if TYPE_CHECKING:
    from airflow_model import Task
    from explorer_world import World

# How long after a request a run of others passes for its own, with the tolerance of the clocks on both sides.
SAME_SECONDS = (-4.0, 14.0)


def foreign_run_in_the_same_seconds(world: World, which: str, task: Task, run: Run | None) -> bool:
    """A request is lost, and others start a run of the same pipeline within seconds of it."""
    if which not in ("I2", "I3") or run is None or run.owner == task.name:
        return False
    low, high = SAME_SECONDS
    return any(low <= run.started - sent <= high for sent in task.requests_in_doubt)


def no_record_before_33(world: World, which: str, task: Task, run: Run | None) -> bool:
    """Airflow 3.0 to 3.2 tell a retry nothing of the tries before it."""
    return which in ("I1", "I4") and world.version.name == "Airflow 3.1" and not task.slice and task.try_number > 1


def tries_of_211(world: World, which: str, task: Task, run: Run | None) -> bool:
    """Airflow 2.11 tells when earlier tries ran, and others started a run just then."""
    if which == "I4" and task.try_number > 1 and world.version.name == "Airflow 2.11":
        return not task.slice  # a run of others began shortly after a try
    if which not in ("I2", "I3") or world.version.name != "Airflow 2.11" or task.slice or not run:
        return False
    return any(start - 3 <= run.started <= (end or world.now) + 13 for start, end in task.tries[:-1])


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
    "Airflow 3.0 to 3.2": no_record_before_33,
    "Airflow 2.11": tries_of_211,
    "Status only": status_only,
    "No Date header": no_date_header,
    "More than one slice at once": two_slices_at_once,
    "A run that others start while a slice's SQL stands": run_started_by_hand_reads_the_slice,
}
