"""
A model of Airflow for the explorer: tries, retry delays, deferral, triggerers, the task state store, slots and clears.

The operators and the trigger are the real ones. Each task runs in a greenlet, so its code needs no change to be
interrupted at every request, every pause and every write to the store.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred

from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.operators import MParticleSyncSliceOperator, MParticleTriggerPipelineOperator
from airflow_provider_mparticle.runs.steps import FetchDurations, Pause, Poll, drive

if TYPE_CHECKING:
    from explorer_world import World

RETRIES = 3
# Airflow notices that a worker has died after some missed heartbeats, and a triggerer a little sooner.
WORKER_MISSED_S = 20.0
TRIGGERER_MISSED_S = 30.0
POLL_INTERVAL_S = 20.0


class WorkerLost(BaseException):
    """The worker's process is gone: SIGKILL, seen from inside."""


class TriggererLost(BaseException):
    """The triggerer's process is gone."""


@dataclass(frozen=True)
class Version:
    """
    What an Airflow version offers.

    :param has_store: Whether tasks have a task state store (3.3 and later).
    :param tells_states: Whether a worker asks the API for states of task instances (3.x), or the database (2.11).
    :param tells_tries: Whether a worker can read when earlier tries of its task began and ended (2.11).
    """

    name: str
    has_store: bool = True
    tells_states: bool = True
    tells_tries: bool = False

    def __str__(self) -> str:
        return self.name


VERSIONS = (
    Version("Airflow 3.3"),
    Version("Airflow 3.1", has_store=False),
    Version("Airflow 2.11", has_store=False, tells_states=False, tells_tries=True),
)


@cache
def operator(kind: str, if_running: str, deferrable: bool, slots: int, retry_delay_s: float) -> Any:
    """Return the real operator; it holds nothing that changes, but for the id that ``on_kill`` would log."""
    options: dict[str, Any] = {
        "task_id": "sync",
        "pipeline_id": "orders",
        "if_running": if_running,
        "deferrable": deferrable,
        "poll_interval": POLL_INTERVAL_S,
        "timeout": 6 * 3600.0,
        "retries": RETRIES,
        "retry_delay": timedelta(seconds=retry_delay_s),
    }
    if kind == "trigger":
        made: Any = MParticleTriggerPipelineOperator(**options)
    else:
        made = MParticleSyncSliceOperator(
            data_model_id="orders-model",
            sql="SELECT id, at FROM shop.public.orders",
            time_column="at",
            granularity="day",
            max_active_tis_per_dag=slots,
            **options,
        )
    made._log = logging.getLogger("airflow.task.explorer")  # Airflow's own logger writes to the terminal
    return made


@dataclass
class Store:
    """The task state store: keeps JSON across tries; a worker may die before or after each write."""

    world: World
    task: Task
    kept: dict[str, str] = field(default_factory=dict)

    def get(self, key: str, default: Any = None) -> Any:
        """Return what was kept."""
        return json.loads(self.kept[key]) if key in self.kept else default

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        text = json.dumps(value)
        assert len(text) < 60_000
        self.task.records.append(self.world.now)
        with self.task.may_die("stores its record"):
            self.kept[key] = text

    def delete(self, key: str) -> None:
        """Forget a value."""
        with self.task.may_die("deletes its record"):
            self.kept.pop(key, None)


@dataclass
class Task:
    """One task instance of one DAG run, through all its tries."""

    world: World
    name: str
    operator: Any
    version: Version
    retry_delay_s: float
    number: int
    store: Store | None = None
    state: str | None = None
    epoch: int = 0
    try_number: int = 0
    max_tries: int = RETRIES
    clear_number: int = 0
    clears_left: int = 1
    tries: list[list[float | None]] = field(default_factory=list)
    first_start: float | None = None
    claimed: Any = None
    records: list[float] = field(default_factory=list)
    requests: list[tuple[float, str]] = field(default_factory=list)
    ambiguous_epochs: set[int] = field(default_factory=set)
    green_epochs: set[int] = field(default_factory=set)
    dag_run_began: float = 0.0
    _in_slot: bool = False
    _first_reschedule: datetime | None = None

    @property
    def slice(self) -> str | None:
        """The day that the task syncs, if it syncs one."""
        return f"2026-01-0{self.number + 1}" if isinstance(self.operator, MParticleSyncSliceOperator) else None

    @property
    def requests_in_doubt(self) -> list[float]:
        """When the task sent, or was about to send, a trigger request whose answer it may not have read."""
        return [at for at, _ in self.requests] + self.records

    @contextlib.contextmanager
    def may_die(self, what: str) -> Iterator[None]:
        """Let the worker die before or after something, if the schedule says so."""
        fate = self.world.choices.choose(f"{self.name} {what}, its worker dies", ("no", "before", "after"))
        if fate == "before":
            self._die(what, fate)
        yield
        if fate == "after":
            self._die(what, fate)

    def _die(self, what: str, when: str) -> None:
        self.world.note_fault(f"{self.name}: the worker dies {when} it {what}")
        raise WorkerLost

    # The life of the task

    def live(self) -> None:
        """Make tries until Airflow makes no more, then maybe be cleared, and again."""
        while True:
            self._tries()
            after_s = self.world.choices.choose(
                f"{self.name} is {self.state}, a user clears it",
                (None, 60.0, 3 * 86400.0) if self.clears_left else (None,),
            )
            if after_s is None:
                return
            self.clears_left -= 1
            self.world.sleep(after_s)
            self.world.say(f"A user clears {self.name}.")
            self.epoch += 1
            self.max_tries = self.try_number + RETRIES
            self.clear_number += 1

    def _tries(self) -> None:
        while True:
            self.try_number += 1
            self.first_start = self._first_reschedule = None
            ended = self._try()
            if ended != "up_for_retry" or self.try_number > self.max_tries:
                self.state = "failed" if ended == "up_for_retry" else ended
                self.world.say(f"{self.name} is {self.state}.")
                return
            self.state = "up_for_retry"
            self.world.pass_time_between_tries(self, self.retry_delay_s)

    def _try(self) -> str:
        """Make one try, with all its deferrals and reschedules, and return the state that it ends in."""
        method, kwargs = "execute", {}
        while True:
            self._take_slot()
            if not self.first_start:
                self.first_start = self.world.now
            if len(self.tries) < self.try_number:
                self.tries.append([self.world.now, None])
                self.world.say(f"{self.name}: try {self.try_number} begins.")
            try:
                result = self._call(method, **kwargs)
            except TaskDeferred as deferred:
                self.state = "deferred"
                if not self.world.slots_hold_deferred:
                    self._leave_slot()
                event = self._in_the_triggerer(deferred.trigger)
                method = deferred.method_name
                kwargs = {**json.loads(json.dumps(deferred.kwargs or {})), "event": event}
                continue
            except AirflowRescheduleException as later:
                self._leave_slot()
                self._first_reschedule = datetime.fromtimestamp(self.first_start, UTC)
                self.state = "up_for_reschedule"
                self.world.sleep(max(0.0, later.reschedule_date.timestamp() - self.world.now))
                method, kwargs = "execute", {}
                continue
            except WorkerLost:
                self.world.sleep(WORKER_MISSED_S)
                ended = "up_for_retry"
            except AirflowSkipException:
                ended = "skipped"
            except AirflowFailException as error:
                self.world.judge.error(self, error.__cause__ or error)
                ended = "failed"
            except MParticleError as error:
                self.world.judge.error(self, error)
                ended = "up_for_retry"
            else:
                self.world.judge.success(self, json.loads(json.dumps(result)))
                ended = "success"
            self.tries[-1][1] = self.world.now
            self._leave_slot()
            return ended

    def _take_slot(self) -> None:
        if not self._in_slot:
            self.state = "scheduled"
            while self.slice and self.world.slots_left <= 0:
                self.world.sleep(1.0)
            self.world.slots_left -= 1
            self._in_slot = True
        self.state = "running"

    def _leave_slot(self) -> None:
        if self._in_slot:
            self.world.slots_left += 1
            self._in_slot = False

    def _call(self, method: str, **kwargs: Any) -> Any:
        self.world.actor = self
        # Unwrapped, since Airflow guards ``execute`` against callers other than its own task runner.
        return inspect.unwrap(getattr(type(self.operator), method))(self.operator, self._context(), **kwargs)

    def _context(self) -> Any:
        ti = SimpleNamespace(
            dag_id=f"history-{self.name}",
            task_id="sync",
            run_id="scheduled__1",
            map_index=-1,
            max_tries=self.max_tries,
            try_number=self.try_number,
            start_date=datetime.fromtimestamp(self.world.now, UTC),
            task=self.operator,
            xcom_push=self._push,
        )
        ti.get_first_reschedule_date = lambda _: self._first_reschedule
        if self.version.tells_states:
            ti.get_task_states = self.world.task_states
        began = datetime.fromtimestamp(self.dag_run_began, UTC)
        day = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=self.number)
        context = {
            "ti": ti,
            "task": self.operator,
            "dag_run": SimpleNamespace(start_date=began, clear_number=self.clear_number),
            "data_interval_start": day,
            "data_interval_end": day + timedelta(days=1),
            "logical_date": day,
        }
        return {**context, "task_state_store": self.store} if self.store else context

    def _push(self, key: str, value: Any) -> None:
        if key == "pipeline_run_id":
            self.world.judge.claim(self, value)

    # In the triggerer

    def _in_the_triggerer(self, trigger: Any) -> Any:
        stored = json.dumps(trigger.serialize()[1])
        while True:
            try:
                return self._event(type(trigger)(**json.loads(stored)))
            except TriggererLost:
                self.world.sleep(TRIGGERER_MISSED_S)

    def _event(self, trigger: Any) -> Any:
        events = trigger.run()
        try:
            anext(events).send(None)
        except StopIteration as done:
            return json.loads(json.dumps(done.value.payload))
        raise AssertionError("The trigger waits for something that is not a step.")

    @contextlib.asynccontextmanager
    async def shared_client(self, _: str) -> Any:
        """Stand in for the triggerer's client."""
        yield SimpleNamespace(polling=self)

    @contextlib.contextmanager
    def waiter(self, _: Any) -> Iterator[Callable[[Any], Any]]:
        """Lend the driver of a wait's steps."""

        async def carry_out(step: Any) -> Any:
            match step:
                case Pause():
                    if (
                        self.world.choices.choose(f"{self.name} is deferred, its triggerer dies", ("no", "yes"))
                        == "yes"
                    ):
                        self.world.note_fault(f"{self.name}: the triggerer dies")
                        raise TriggererLost
                    return self.world.sleep(step.seconds)
                case Poll():
                    return drive(step.source.poll(), self._send_once, self.world.sleep)
                case FetchDurations():
                    return drive(step.ask(), self._send_once, self.world.sleep) if step.ask else None
                case _:
                    return self._send_once(step)

        yield carry_out

    def _send_once(self, call: Any) -> Any:
        self.world.actor = self
        return self.world.client.send(call, retry=False, worker=False)
