"""
Plays one schedule: the clock, the tasks, other users, and the answers of Airflow and mParticle.

Only one greenlet runs at a time, and the clock moves only when all sleep. So the same choices give the same result.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import time_machine
from airflow_tasks import Task, operator
from airflow_versions import VERSIONS, Version
from choices import SETUP, Choices
from greenlet import greenlet
from judgement import Judge, ScheduleEnded
from mparticle_model import OTHERS, Habits, MParticle, busy
from network import Client

START = 1772618400.37  # a fixed instant, 2026-03-04T10:00:00.37Z
# All ids begin with the same 100 characters.
LONG_ID = f"urn:mparticle:run:{'orders-' * 12}".ljust(100, "-")
WEEK = timedelta(days=7)
HORIZON_S = 12 * 86400.0

# Runs of other users: how long each takes, how it ends, and its kind.
THEIR_RUNS: dict[str, dict[str, Any]] = {
    "manual, 15 s": {"lasts_s": 15.0, "ends_as": "success", "kind": "manual"},
    "manual, 600 s": {"lasts_s": 600.0, "ends_as": "success", "kind": "manual"},
    "manual, fails after 15 s": {"lasts_s": 15.0, "ends_as": "failed", "kind": "manual"},
    "scheduled, 600 s": {"lasts_s": 600.0, "ends_as": "success", "kind": "scheduled"},
}


class World:
    """
    One schedule in play.

    :param choices: Decides wherever the world could continue in several ways.
    """

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.now = START
        self._clock_ahead_s = 0.0  # of the machine on which the current greenlet runs
        self.log: list[str] = []
        self.faults: list[str] = []
        self.judge = Judge(self)
        self.actor: Any = None
        self.client = Client(self)
        self._sleeping: list[tuple[float, int, greenlet]] = []
        self._queued: list[greenlet] = []  # each waits for a slot
        self._numbers = itertools.count()
        self._hub = greenlet.getcurrent()
        self._set_up()

    def _set_up(self) -> None:
        pick = lambda label, *options: self.choices.choose(SETUP + label, options)  # noqa: E731 - a short name
        self.version: Version = pick("version", *VERSIONS)
        kind = pick("tasks", "trigger", "two triggers", "slice", "two slices", "three slices")
        number = {"trigger": 1, "slice": 1, "three slices": 3}.get(kind, 2)
        is_slice = "slice" in kind
        if_running = pick("if_running", *(("fail", "wait") if is_slice else ("fail", "wait", "attach", "skip")))
        deferrable = pick("deferrable", False, True)
        slots = pick("slots", 1, 2) if is_slice else 9
        self.slots = self.slots_left = slots
        self.slots_hold_deferred = self.version.tells_states
        retry_delay_s = pick("retry delay", 305.0, 30.0, 5.0)
        self.other_clock_s = pick("clock of every second try's machine", 0.0, 300.0, -300.0)
        self.habits = Habits(
            skew_s=pick("mParticle's clock", 0.0, -300.0, 300.0, -2.0),
            list_lag_s=pick("list lag", 0.0, 20.0, 60.0),
            tells_id=pick("tells the id", True, False),
            has_run_routes=pick("run routes", True, False),
            type_word=pick("type word", "manual", "on_demand", "api", None),
            logical_back=pick("logical date of a triggered run", timedelta(0), timedelta(hours=6), WEEK),
            tells_range=pick("tells the range", True, False),
            tells_date=pick("Date header", True, False),
            cuts_seconds=pick("cuts seconds", False, True),
            reads_after_s=pick("reads after", 0.0, 5.0),
            id_begins=pick("ids begin with", "", LONG_ID),
        )
        self.mparticle = MParticle(self.habits, lambda: self.now)
        self._history(pick("before", "idle", "two old manual runs", *THEIR_RUNS))
        self.tasks: list[Task] = []
        for i in range(number):
            name = "ABC"[i]
            offset = pick(f"{name} begins after", *((0.0,) if i == 0 else (0.05, 3.0, 120.0, 0.25)))
            task = Task(
                self,
                name,
                operator("slice" if is_slice else "trigger", if_running, deferrable, slots, retry_delay_s),
                self.version,
                retry_delay_s,
                i,
            )
            task.dag_run_began = START - pick(f"{name} follows another task of", 0.0, 1200.0)
            self.tasks.append(task)
            self.spawn(task.live, START + offset)

    def _history(self, before: str) -> None:
        if before == "two old manual runs":
            for ago_s in (86400.0, 3600.0):
                self._start_theirs(THEIR_RUNS["manual, 15 s"], began_before_s=ago_s)
        elif before != "idle":
            self._start_theirs({**THEIR_RUNS[before], "lasts_s": 900.0}, began_before_s=300.0)

    # The clock

    def spawn(self, life: Callable[[], None], at: float) -> None:
        """Run something in a greenlet of its own."""
        heapq.heappush(self._sleeping, (at, next(self._numbers), greenlet(life, parent=self._hub)))

    def sleep(self, seconds: float) -> None:
        """Let the current greenlet sleep."""
        actor, clock_ahead_s = self.actor, self._clock_ahead_s
        heapq.heappush(self._sleeping, (self.now + seconds, next(self._numbers), greenlet.getcurrent()))
        self._hub.switch()
        self.actor = actor
        self.set_clock(clock_ahead_s)

    def set_clock(self, ahead_s: float) -> None:
        """Let the current greenlet run on a machine whose clock is ahead by this many seconds."""
        self._clock_ahead_s = ahead_s
        self._traveller.move_to(self.now + ahead_s)

    @property
    def clock(self) -> float:
        """The time on the machine of the current greenlet."""
        return self.now + self._clock_ahead_s

    def wait_for_slot(self) -> None:
        """Let the current greenlet sleep until a slot is free."""
        actor = self.actor
        self._queued.append(greenlet.getcurrent())
        self._hub.switch()
        self.actor = actor

    def leave_slot(self) -> None:
        """Free a slot; the scheduler notices that after a second."""
        self.slots_left += 1
        if self._queued:
            heapq.heappush(self._sleeping, (self.now + 1.0, next(self._numbers), self._queued.pop(0)))

    def play(self) -> None:
        """Play until nothing more can happen."""
        with time_machine.travel(self.now, tick=False) as traveller:
            self._traveller = traveller
            try:
                while self._sleeping and self.now < START + HORIZON_S and not self.judge.is_over:
                    at, _, sleeper = heapq.heappop(self._sleeping)
                    self.now = max(self.now, at)
                    self.set_clock(0.0)
                    sleeper.switch()
                if not self.judge.is_over:
                    self.judge.the_end()
            except ScheduleEnded:
                pass
            finally:
                for sleeper in (*self._queued, *(sleeper for _, _, sleeper in self._sleeping)):
                    if sleeper:
                        sleeper.throw()  # GreenletExit, so that its frames are released

    @property
    def is_in_hub(self) -> bool:
        """Whether the world itself is running, and not a task."""
        return greenlet.getcurrent() is self._hub

    def say(self, text: str) -> None:
        """Add a line to the log of the schedule."""
        self.log.append(f"{self.now - START:9.2f} s  {text}")

    def note_fault(self, text: str) -> None:
        """Add a fault to the log."""
        self.faults.append(text)
        self.say(text + ".")

    # Other users

    def other_people(self, label: str) -> None:
        """Let another user start a run, if the schedule says so and the pipeline is idle."""
        theirs = self.choices.choose(label, ("nobody", *THEIR_RUNS))
        if theirs != "nobody" and not self.mparticle.in_progress():
            self._start_theirs(THEIR_RUNS[theirs])

    def _start_theirs(self, run: dict[str, Any], began_before_s: float = 0.0) -> None:
        is_scheduled = run["kind"] == "scheduled"
        started = self.mparticle.start(
            OTHERS,
            0,
            type_word="scheduled" if is_scheduled else self.habits.type_word,
            lasts_s=run["lasts_s"],
            ends_as=run["ends_as"],
            logical_back=WEEK if is_scheduled else self.habits.logical_back,
            began_before_s=began_before_s,
        )
        self.say(f"Other people: {started} ({run['kind']}) began {began_before_s:g} s ago.")

    def pass_time_between_tries(self, task: Task, seconds: float) -> None:
        """Wait for the next try; another user may start a run early or late in that time."""
        for share in (0.1, 0.72, 0.18):
            self.sleep(seconds * share)
            if share != 0.18:
                self.other_people(f"other people while {task.name} waits for its retry")

    # Airflow's answers

    def task_states(self, *, dag_id: str, task_ids: list[str], run_ids: list[str], map_index: int) -> dict[str, Any]:
        """Return the state of a task instance."""
        (task,) = (task for task in self.tasks if dag_id == f"history-{task.name}")
        return {run_ids[0]: {task_ids[0]: task.state}}

    def state_in_database(self, _: Any, dag_id: str, *names: Any) -> str | None:
        """Replace the metadata database of Airflow 2."""
        (task,) = (task for task in self.tasks if dag_id == f"history-{task.name}")
        return None if self.version.tells_states else task.state

    # The network

    def trigger(self, task: Task) -> Any:
        """Let a trigger request of a task arrive."""
        if running := self.mparticle.in_progress():
            self.say(f"{task.name}: mParticle is busy with {running}.")
            return busy()
        ends = self.choices.choose(f"the run of {task.name} takes", ("success, 40 s", "success, 900 s", "failed, 20 s"))
        ends_as, _, seconds = ends.partition(", ")
        run = self.mparticle.start(
            task.name,
            task.epoch,
            type_word=self.habits.type_word,
            lasts_s=float(seconds.removesuffix(" s")),
            ends_as=ends_as,
            logical_back=self.habits.logical_back,
        )
        self.say(f"{task.name}: mParticle starts {run}.")
        self.judge.start(task, run)
        return 200, {"pipeline_run_id": run.run_id, "status": "trigger_requested"} if self.habits.tells_id else None
