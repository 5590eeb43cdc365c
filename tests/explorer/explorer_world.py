"""
One schedule, played: the clock, the tasks, other people, the network between Airflow and mParticle, and the judgement.

Only one greenlet runs at a time and the clock moves only when all of them sleep, so equal choices make equal worlds.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import tenacity
import time_machine
from airflow_model import VERSIONS, Store, Task, Version, operator
from choices import SETUP, Choices
from declared import DECLARED
from greenlet import greenlet
from mparticle_model import OTHERS, Habits, MParticle, Run, body_of, busy

from airflow_provider_mparticle.client.config import ApiConfig, Credentials
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import NoAnswerError
from airflow_provider_mparticle.client.exchange import exchange
from airflow_provider_mparticle.client.messages import HttpResponse, TokenNeeded
from airflow_provider_mparticle.client.retrying import policy

try:
    from airflow_provider_mparticle.client import server_clock
except ImportError:  # the code before it measured mParticle's clock, which the explorer can be pointed at
    server_clock = None  # type: ignore[assignment]

START = 1772618400.37  # a fixed instant, 2026-03-04T10:00:00.37Z
WEEK = timedelta(days=7)
LATENCY_S = 0.1
NO_ANSWER_S = 30.0
HORIZON_S = 12 * 86400.0
CONFIG = ApiConfig(Credentials("id", "secret"), workspace_id=1)

# What other people may do: how long their run takes, how it ends, and its kind.
THEIR_RUNS: dict[str, dict[str, Any]] = {
    "manual, 15 s": {"lasts_s": 15.0, "ends_as": "success", "kind": "manual"},
    "manual, 600 s": {"lasts_s": 600.0, "ends_as": "success", "kind": "manual"},
    "manual, fails after 15 s": {"lasts_s": 15.0, "ends_as": "failed", "kind": "manual"},
    "scheduled, 600 s": {"lasts_s": 600.0, "ends_as": "success", "kind": "scheduled"},
}
POST_FATES = (
    "ok",
    "done, answer lost",
    "lost on the way",
    "done, 503",
    "not done, 503",
    "done, 408",
    "arrives 20 s late, answer lost",
    "429",
)
GET_FATES = ("ok", "404", "503", "no answer")
PUT_FATES = ("ok", "done, answer lost", "not done, 503")


class Violation(Exception):  # noqa: N818 - it is what the explorer looks for
    """An invariant is broken."""


class World:
    """
    One schedule in play.

    :param choices: Decides wherever the world could go another way.
    """

    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.now = START
        self.log: list[str] = []
        self.faults: list[str] = []
        self.violation: str | None = None
        self.declared: str | None = None
        self.ambiguous = 0
        self.actor: Any = None
        self.client = Client(self)
        self._sleeping: list[tuple[float, int, greenlet]] = []
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
                operator("slice" if is_slice else "trigger", if_running, deferrable, slots),
                self.version,
                retry_delay_s,
                i,
            )
            task.store = Store(self, task) if self.version.has_store else None
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
        """Let something live in a greenlet of its own."""
        heapq.heappush(self._sleeping, (at, next(self._numbers), greenlet(life, parent=self._hub)))

    def sleep(self, seconds: float) -> None:
        """Let the current greenlet sleep."""
        actor = self.actor
        heapq.heappush(self._sleeping, (self.now + seconds, next(self._numbers), greenlet.getcurrent()))
        self._hub.switch()
        self.actor = actor

    def play(self) -> None:
        """Play until nothing is left to happen."""
        with time_machine.travel(self.now, tick=False) as traveller:
            try:
                while self._sleeping and self.now < START + HORIZON_S and not (self.violation or self.declared):
                    at, _, sleeper = heapq.heappop(self._sleeping)
                    self.now = max(self.now, at)
                    traveller.move_to(self.now)
                    sleeper.switch()
                if not (self.violation or self.declared):
                    self._judge_the_end()
            except Violation:
                pass
            finally:
                for _, _, sleeper in self._sleeping:
                    if sleeper:
                        sleeper.throw()  # GreenletExit: let its frames go

    def say(self, text: str) -> None:
        """Add a line to the log of the schedule."""
        self.log.append(f"{self.now - START:9.2f} s  {text}")

    def note_fault(self, text: str) -> None:
        """Add a fault to the log."""
        self.faults.append(text)
        self.say(text + ".")

    # Other people

    def other_people(self, label: str) -> None:
        """Let somebody start a run, if the schedule says so and the pipeline is idle."""
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
        """Wait for the next try; somebody may start a run early or late in that time."""
        for share in (0.1, 0.72, 0.18):
            self.sleep(seconds * share)
            if share != 0.18:
                self.other_people(f"other people while {task.name} waits for its retry")

    # What Airflow tells

    def task_states(self, *, dag_id: str, task_ids: list[str], run_ids: list[str], map_index: int) -> dict[str, Any]:
        """Return the state of a task instance."""
        (task,) = (task for task in self.tasks if dag_id == f"history-{task.name}")
        return {run_ids[0]: {task_ids[0]: task.state}}

    def state_in_database(self, _: Any, dag_id: str, *names: Any) -> str | None:
        """Stand in for Airflow 2's metadata database."""
        (task,) = (task for task in self.tasks if dag_id == f"history-{task.name}")
        return None if self.version.tells_states else task.state

    def tries_in_database(self, _: Any, first_try: int) -> list[tuple[datetime, datetime]] | None:
        """Stand in for Airflow 2's history of tries."""
        if not self.version.tells_tries:
            return None
        spans = self.actor.tries[first_try - 1 : -1]
        return [(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)) for start, end in spans]

    # The network

    def trigger(self, task: Task) -> Any:
        """A trigger request of a task arrives."""
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
        self._judge_start(task, run)
        return 200, {"pipeline_run_id": run.run_id, "status": "trigger_requested"} if self.habits.tells_id else None

    # The judgement

    def break_invariant(self, which: str, text: str, task: Task, run: Run | None = None) -> None:
        """End the schedule: an invariant is broken, declared or not."""
        if not self.violation and not self.declared:
            self.declared = next((name for name, allows in DECLARED.items() if allows(self, which, task, run)), None)
            self.violation = None if self.declared else which
            self.say(f"{f'Declared ({self.declared})' if self.declared else 'VIOLATION'} {which}: {text}")
        if greenlet.getcurrent() is not self._hub:
            raise Violation

    def _judge_start(self, task: Task, run: Run) -> None:
        before = [
            other
            for other in self.mparticle.runs
            if (other.owner, other.epoch) == (task.name, task.epoch)
            and other is not run
            and other.state(self.now) != "failed"
        ]
        if before:
            self.break_invariant(
                "I1", f"{task.name} started {run}, although it had started {before[0]}", task, before[0]
            )

    def judge_claim(self, task: Task, run_id: Any) -> None:
        """A task says that a run is its own."""
        run = self.mparticle.run(run_id)
        self.say(f"{task.name} takes {run} for its own.")
        if run is None:
            self.break_invariant("I3", f"{task.name} claims run {run_id}, which does not exist", task)
        elif run.owner != task.name and task.operator.if_running != "attach":
            self.break_invariant("I2", f"{task.name} adopted {run}", task, run)

    def judge_success(self, task: Task, result: dict[str, Any]) -> None:
        """A task is about to become green."""
        self.mparticle.settle()
        run = self.mparticle.run(result["pipeline_run_id"])
        self.say(f"{task.name} is green by {run}.")
        if run is None or run.state(self.now) != "success":
            self.break_invariant("I3", f"{task.name} is green by {run}", task, run)
        elif run.owner != task.name:
            if task.operator.if_running != "attach":
                self.break_invariant("I3", f"{task.name} is green by {run}", task, run)
        elif run.epoch in task.green_epochs and run.epoch != task.epoch:
            self.break_invariant("I3", f"{task.name} was cleared after {run} and is green by it again", task, run)
        elif task.slice and run.slice_read != task.slice:
            self.break_invariant("I5", f"{task.name} is green by {run}, which read {run.slice_read}", task, run)
        task.green_epochs.add(task.epoch)

    def judge_error(self, task: Task, error: BaseException) -> None:
        """A try ends with an error."""
        kind = type(error).__name__
        self.say(f"{task.name}: try {task.try_number} ends with {kind}: {error}")
        ours = [r for r in self.mparticle.runs if (r.owner, r.epoch) == (task.name, task.epoch)]
        alive = [run for run in ours if run.state(self.now) != "failed"]
        if kind == "StartAmbiguousError":
            self.ambiguous += 1
            if not self.faults and not self._knows_no_better(task):
                self.break_invariant("I4", f"{task.name} cannot tell what it did, although nothing went wrong", task)
        elif kind == "PipelineBusyError":
            if any(run.state(self.now) == "running" for run in alive):
                self.break_invariant(
                    "I4", f"{task.name} takes its own {alive[-1]} for that of other people", task, alive[-1]
                )
            if task.operator.if_running != "fail":
                self.break_invariant(
                    "I4", f"{task.name} is refused, although if_running={task.operator.if_running!r}", task
                )
        elif kind not in ("RunTimeoutError", "ServerError", "NoAnswerError", "RateLimitedError") and alive:
            self.break_invariant("I4", f"{task.name} is red, although {alive[-1]} is fine", task, alive[-1])

    def _knows_no_better(self, task: Task) -> bool:
        """Whether mParticle or Airflow tell so little that a task may be ambiguous though nothing went wrong."""
        return any(allows(self, "I4", task, None) for allows in DECLARED.values())

    def _judge_the_end(self) -> None:
        self.mparticle.settle()
        for task in self.tasks:
            if task.state not in ("success", "failed", "skipped"):
                self.break_invariant("I4", f"{task.name} never ended: {task.state}", task)
            if not task.slice:
                continue
            reads = [
                run
                for run in self.mparticle.runs
                if run.owner != OTHERS and run.slice_read == task.slice and run.state(self.now) == "success"
            ]
            if len(reads) > max(1, len(task.green_epochs)):
                self.break_invariant("I5", f"the slice of {task.name} was read by {', '.join(map(str, reads))}", task)
            if task.state == "success" and not reads:
                self.break_invariant("I5", f"no run read the slice of {task.name}", task)


class Client:
    """Carries out calls through the real protocol code, over a network that loses things."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.config = CONFIG
        self.clock_skew_s: float | None = None

    def send(self, call: Call[Any], *, retry: bool = True, worker: bool = True) -> Any:
        """Carry out a call, under the real retry policy if asked."""
        if not retry:
            return self._once(call, worker)
        return tenacity.Retrying(**policy(call))(self._once, call, worker)

    def _once(self, call: Call[Any], worker: bool) -> Any:
        steps = exchange(call, self.config)
        answer: Any = None
        try:
            while True:
                step = steps.send(answer)
                answer = "token" if isinstance(step, TokenNeeded) else self._deliver(call, worker)
        except StopIteration as done:
            return done.value

    def _deliver(self, call: Call[Any], worker: bool) -> HttpResponse:
        world, task = self.world, self.world.actor
        what = f"asks {call.method} {call.route}"
        if worker:
            with task.may_die(what):
                return self._deliver_to(world, task, call)
        return self._deliver_to(world, task, call)

    def _deliver_to(self, world: World, task: Task, call: Call[Any]) -> HttpResponse:
        world.sleep(LATENCY_S)
        world.other_people(f"other people before {task.name} asks {call.method} {call.route}")
        fates = {"POST": POST_FATES, "PUT": PUT_FATES}.get(call.method, GET_FATES)
        fate = world.choices.choose(f"{task.name} asks {call.method} {call.route}, fate", fates)
        if call.method == "POST":
            task.requests.append((world.now, fate))
        if fate != "ok":
            world.note_fault(f"{task.name}: {call.method} {call.route}: {fate}")
        answer = self._carried_out(world, task, call, fate)
        world.sleep(LATENCY_S)
        if "lost" in fate or fate == "no answer":
            world.sleep(NO_ANSWER_S)
            raise NoAnswerError(f"No answer from {call.method}.", may_have_executed=True)
        if server_clock:
            self.clock_skew_s = server_clock.clock_skew_s(
                world.mparticle.headers(), world.now - 2 * LATENCY_S, world.now
            )
        status = next((int(word) for word in ("404", "408", "429", "503") if word in fate), None)
        if status:
            return HttpResponse(status, world.mparticle.headers(), b"")
        return HttpResponse(answer[0], world.mparticle.headers(), b"" if answer[1] is None else body_of(answer[1]))

    def _carried_out(self, world: World, task: Task, call: Call[Any], fate: str) -> Any:
        if fate.startswith("arrives"):
            world.spawn(lambda: world.trigger(task) and None, world.now + 20.0)
            return None
        if fate != "ok" and not fate.startswith("done"):
            return None
        if call.method == "POST":
            return world.trigger(task)
        return world.mparticle.answer(call.method, call.route, dict(call.ids), dict(call.params), call.json)
