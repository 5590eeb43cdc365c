"""
Checks what must never happen, with facts that only the model knows: who started which run, and what it read.

- I1: a task has one run, except after a failed run or a user's clear.
- I2: a task does not adopt a run of others, except with ``if_running="attach"``.
- I3: a task does not succeed with a run that failed, does not exist, or is not its own.
- I4: a task does not fail while its own run is fine, except at its deadline and in declared ambiguity.
- I5: each row of the slices is read once, and each run reads its own slice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from declared import DECLARED
from mparticle_model import OTHERS, Run

if TYPE_CHECKING:
    from airflow_tasks import Task
    from explorer_world import World

# How a task may end although its own run is fine: at its deadline, or if the API fails for all retries.
TRANSIENT = ("RunTimeoutError", "ServerError", "NoAnswerError", "RateLimitedError")


class ScheduleEnded(Exception):  # noqa: N818 - it ends the greenlet of a task, it is not an error
    """An invariant is broken, so the rest of the schedule does not matter."""


class Judge:
    """
    Checks one schedule.

    :param world: The schedule that is being played; a violation ends it.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.violation: str | None = None
        self.declared: str | None = None
        self.invariant: str | None = None
        self.ambiguous = 0

    @property
    def is_over(self) -> bool:
        """Whether an invariant is broken, declared or not."""
        return bool(self.violation or self.declared)

    @property
    def allowed(self) -> str | None:
        """The broken invariant, and the entry that allows it."""
        return f"{self.declared}: {self.invariant}" if self.declared else None

    def break_invariant(self, which: str, text: str, task: Task, run: Run | None = None) -> None:
        """End the schedule."""
        if not self.is_over:
            allowed = (name for name, allows in DECLARED.items() if allows(self.world, which, task, run))
            self.declared = next(allowed, None)
            self.violation, self.invariant = None if self.declared else which, which
            self.world.say(f"{f'Declared ({self.declared})' if self.declared else 'VIOLATION'} {which}: {text}")
        if not self.world.is_in_hub:
            raise ScheduleEnded

    def start(self, task: Task, run: Run) -> None:
        """Check that a trigger request may start a run."""
        before = [
            other
            for other in self.world.mparticle.runs
            if (other.owner, other.epoch) == (task.name, task.epoch)
            and other is not run
            and other.state(self.world.now) != "failed"
        ]
        if before:
            self.break_invariant(
                "I1", f"{task.name} started {run}, although it had started {before[0]}", task, before[0]
            )

    def claim(self, task: Task, run_id: Any) -> None:
        """Check that a run is the task's own, if the task takes it for its own."""
        run = self.world.mparticle.run(run_id)
        self.world.say(f"{task.name} takes {run} for its own.")
        if run is None:
            self.break_invariant("I3", f"{task.name} claims run {run_id}, which does not exist", task)
        elif run.owner != task.name and task.operator.if_running != "attach":
            self.break_invariant("I2", f"{task.name} adopted {run}", task, run)

    def success(self, task: Task, result: dict[str, Any]) -> None:
        """Check that a task may succeed."""
        self.world.mparticle.settle()
        run = self.world.mparticle.run(result["pipeline_run_id"])
        self.world.say(f"{task.name} is green by {run}.")
        if run is None or run.state(self.world.now) != "success":
            self.break_invariant("I3", f"{task.name} is green by {run}", task, run)
        elif task.operator.if_running == "attach":  # any run in progress will do, also one from before a clear
            pass
        elif run.owner != task.name:
            self.break_invariant("I3", f"{task.name} is green by {run}", task, run)
        elif run.epoch != task.epoch and (run.epoch in task.green_epochs or not task.slice):
            self.break_invariant("I3", f"{task.name} was cleared after {run} and is green by it again", task, run)
        elif task.slice and run.slice_read != task.slice:
            self.break_invariant("I5", f"{task.name} is green by {run}, which read {run.slice_read}", task, run)
        task.green_epochs.add(task.epoch)

    def error(self, task: Task, error: BaseException) -> None:
        """Check that a try may end with an error."""
        kind = type(error).__name__
        self.world.say(f"{task.name}: try {task.try_number} ends with {kind}: {error}")
        ours = [r for r in self.world.mparticle.runs if (r.owner, r.epoch) == (task.name, task.epoch)]
        alive = [run for run in ours if run.state(self.world.now) != "failed"]
        if kind == "StartAmbiguousError":
            self.ambiguous += 1
            task.ambiguous_epochs.add(task.epoch)  # the error has said that a clear starts a new run
            if not self.world.faults and not self._knows_no_better(task):
                self.break_invariant("I4", f"{task.name} cannot tell what it did, although nothing went wrong", task)
        elif kind == "PipelineBusyError":
            if any(run.state(self.world.now) == "running" for run in alive):
                self.break_invariant(
                    "I4", f"{task.name} takes its own {alive[-1]} for that of other people", task, alive[-1]
                )
            if task.operator.if_running != "fail":
                self.break_invariant(
                    "I4", f"{task.name} is refused, although if_running={task.operator.if_running!r}", task
                )
        elif kind not in TRANSIENT and alive:
            self.break_invariant("I4", f"{task.name} is red, although {alive[-1]} is fine", task, alive[-1])

    def _knows_no_better(self, task: Task) -> bool:
        """Return whether the information of mParticle or Airflow may be ambiguous for a task even without a fault."""
        return any(allows(self.world, "I4", task, None) for allows in DECLARED.values())

    def the_end(self) -> None:
        """Check the end of the schedule."""
        self.world.mparticle.settle()
        for task in self.world.tasks:
            if task.state not in ("success", "failed", "skipped"):
                self.break_invariant("I4", f"{task.name} never ended: {task.state}", task)
            if not task.slice:
                continue
            reads = [
                run
                for run in self.world.mparticle.runs
                if run.owner != OTHERS and run.slice_read == task.slice and run.state(self.world.now) == "success"
            ]
            is_wanted_again = task.epoch not in task.green_epochs
            if len(reads) > len(task.green_epochs | task.ambiguous_epochs) + is_wanted_again:
                self.break_invariant("I5", f"the slice of {task.name} was read by {', '.join(map(str, reads))}", task)
            if task.state == "success" and not reads:
                self.break_invariant("I5", f"no run read the slice of {task.name}", task)
