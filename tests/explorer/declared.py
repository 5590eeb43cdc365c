"""
Lists what the explorer allows: the exceptions from the promise, with their titles in docs/explanation/exactly-once.md.

A violation that no entry allows fails the test. So does an entry that the page does not list.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

from mparticle_model import Run

if TYPE_CHECKING:
    from airflow_tasks import Task
    from explorer_world import World

# A run of others that began so long after a request may be taken for the task's own run, with tolerance for the clocks.
SAME_SECONDS = (-4.0, 14.0)
# A slice that finds the data model free writes its SQL within this time, or later if there are errors or lost answers.
SAME_WRITES_S = 3.0
SAME_WRITES_WITH_ERRORS_S = 120.0
# For how long a start that finds the pipeline busy looks for the other run.
LOOKS_S = 300.0
# Without a Date header, the clocks are assumed to differ by no more than this.
UNKNOWN_CLOCK_S = 60.0


def foreign_run_in_the_same_seconds(world: World, which: str, task: Task, run: Run | None) -> bool:
    """A request is lost, and others start a run of the same pipeline within seconds of it."""
    return _took_a_run_of_others(world, which, task, run, SAME_SECONDS)


def status_only(world: World, which: str, task: Task, run: Run | None) -> bool:
    """Without run routes only the latest run by logical date is visible; it hides the task's own or one in progress."""
    if world.habits.has_run_routes or which not in ("I1", "I4", "I5"):
        return False
    runs = world.mparticle.runs
    hidden = [run for run in runs if run.owner == task.name or run.started + run.lasts_s > world.now - LOOKS_S]
    return any(other is not run and other.logical >= run.logical for run in hidden for other in runs)


def no_date_header(world: World, which: str, task: Task, run: Run | None) -> bool:
    """Without a Date header, it is unknown how the clocks differ, and who started a run that began within a minute."""
    if world.habits.tells_date or not task.requests_in_doubt:
        return False
    machines = (0.0, world.other_clock_s)
    if max(abs(world.habits.skew_s - ahead_s) for ahead_s in machines) > UNKNOWN_CLOCK_S:
        return bool(world.faults) or not world.habits.tells_id
    within = SAME_SECONDS[0] - UNKNOWN_CLOCK_S, SAME_SECONDS[1] + UNKNOWN_CLOCK_S
    if which == "I4" and not world.habits.tells_id:  # the task cannot tell which of two runs is its own
        return any(_took_a_run_of_others(world, "I2", task, other, within) for other in world.mparticle.runs)
    return _took_a_run_of_others(world, which, task, run, within)


def _took_a_run_of_others(world: World, which: str, task: Task, run: Run | None, within: tuple[float, float]) -> bool:
    """Return whether a run of others began this close to a request in doubt. If it failed, the task starts another."""
    if which == "I1":
        runs = [other for other in world.mparticle.runs if other.state(world.now) == "failed"]
    else:
        runs = [run] if run and which in ("I2", "I3") else []
    others = [other for other in runs if other.owner != task.name]
    return any(within[0] <= other.started - sent <= within[1] for other in others for sent in task.requests_in_doubt)


def two_slices_at_once(world: World, which: str, task: Task, run: Run | None) -> bool:
    """Two slices run at once and write the data model within seconds, or minutes if mParticle answers with errors."""
    if not task.slice or world.slots == 1 or which not in ("I1", "I4", "I5"):
        return False
    within_s = SAME_WRITES_S if not world.faults else SAME_WRITES_WITH_ERRORS_S
    changes = world.mparticle.sql_changes
    return any(later - earlier <= within_s and one != other for (earlier, one), (later, other) in pairwise(changes))


def slice_whose_success_was_not_heard_of(world: World, which: str, task: Task, run: Run | None) -> bool:
    """The last try of a slice dies before Airflow hears of its success, and a user clears the failed task."""
    return which == "I5" and bool(task.slice) and bool(task.unheard_epochs)


Allows = Callable[["World", str, "Task", Run | None], bool]
DECLARED: dict[str, Allows] = {
    "A run of others in the same seconds": foreign_run_in_the_same_seconds,
    "Status only": status_only,
    "No Date header": no_date_header,
    "More than one slice at once": two_slices_at_once,
    "A slice whose success Airflow did not hear of": slice_whose_success_was_not_heard_of,
}
