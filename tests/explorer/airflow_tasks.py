"""
Models Airflow's tasks for the explorer: tries, retry delays, deferrals, slots and clears.

The operators are the real ones. Each task runs in a greenlet, so its code needs no change to be interrupted at every
request, every pause and every write of its record.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import json
import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred
from airflow_records import Kept, StateStore, Variables
from airflow_triggerer import Triggerer
from airflow_versions import Version

from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.operators import MParticleSyncSliceOperator, MParticleTriggerPipelineOperator

if TYPE_CHECKING:
    from explorer_world import World

RETRIES = 3
# Airflow notices that a worker has died after some missed heartbeats.
WORKER_MISSED_S = 20.0
POLL_INTERVAL_S = 20.0
# A task must have written down within so long that its request was refused.
WRITES_DOWN_S = 1.0


class WorkerLost(BaseException):
    """The worker's process has died, for example by SIGKILL."""


@cache
def operator(kind: str, if_running: str, deferrable: bool, slots: int, retry_delay_s: float) -> Any:
    """Return the real operator. Each process of a worker gets a copy."""
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
    made._cached_logger = logging.getLogger("airflow.task.explorer")  # Airflow's own logger writes to the terminal
    return made


@dataclass
class Task:
    """One task instance of one DAG run, through all its tries."""

    world: World
    name: str
    operator: Any
    version: Version
    retry_delay_s: float
    number: int
    state: str | None = None
    epoch: int = 0
    try_number: int = 0
    max_tries: int = RETRIES
    clear_number: int = 0
    clears_left: int = 1
    requests_in_doubt: list[float] = field(default_factory=list)
    ambiguous_epochs: set[int] = field(default_factory=set)
    green_epochs: set[int] = field(default_factory=set)
    unheard_epochs: set[int] = field(default_factory=set)
    dag_run_began: float = 0.0
    _first_start: float | None = None
    _in_slot: bool = False
    _first_reschedule: datetime | None = None
    _process: Any = None
    # A request that a later try must doubt if the worker dies up to an instant: when it was sent, and that instant.
    _doubt_at_death: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        self.kept = Kept(self)
        self.variables = Variables(self.kept)
        self.triggerer = Triggerer(self)

    @property
    def slice(self) -> str | None:
        """The day that the task syncs, or None."""
        return f"2026-01-0{self.number + 1}" if isinstance(self.operator, MParticleSyncSliceOperator) else None

    def note_request(self, at: float, *, is_refused: bool) -> None:
        """
        Note that a trigger request arrives.

        If it is refused, only this worker knows that, so a run is in doubt if the worker dies at once.
        """
        if not is_refused:
            self.requests_in_doubt.append(at)
        self._doubt_at_death = (at, at + WRITES_DOWN_S) if is_refused else None

    def note_record(self, at: float, *, is_of_request: bool) -> None:
        """Note a record. If it says that a request is about to be sent, the worker may die before it sends that."""
        self._doubt_at_death = (at, math.inf) if is_of_request else None

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
        if self._doubt_at_death and self.world.now <= self._doubt_at_death[1]:
            self.requests_in_doubt.append(self._doubt_at_death[0])
        raise WorkerLost

    # The life of the task

    def live(self) -> None:
        """Make tries until Airflow makes no more. Then a user may clear the task, and everything begins again."""
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
            if self.state == "failed" and self.kept.is_finished:
                self.unheard_epochs.add(self.epoch)
            self.epoch += 1
            self.max_tries = self.try_number + RETRIES
            self.clear_number += 1

    def _tries(self) -> None:
        while True:
            self.try_number += 1
            self._first_start = self._first_reschedule = None
            self.world.say(f"{self.name}: try {self.try_number} begins.")
            ended = self._try()
            self._leave_slot()
            if ended != "up_for_retry" or self.try_number > self.max_tries:
                self.state = "failed" if ended == "up_for_retry" else ended
                self.world.say(f"{self.name} is {self.state}.")
                return
            self.state = "up_for_retry"
            self.world.pass_time_between_tries(self, self.retry_delay_s)

    def _try(self) -> str:
        """Make one try, with all its deferrals and reschedules, and return its final state."""
        method, kwargs = "execute", {}
        while True:
            self._take_slot()
            self._first_start = self._first_start or self.world.now
            try:
                return self._report_success(self._call(method, **kwargs))
            except TaskDeferred as deferred:
                self.state = "deferred"
                if not self.world.slots_hold_deferred:
                    self._leave_slot()
                event = self.triggerer.event_of(deferred.trigger)
                method = deferred.method_name
                kwargs = {**json.loads(json.dumps(deferred.kwargs or {})), "event": event}
            except AirflowRescheduleException as later:
                self._leave_slot()
                self._first_reschedule = datetime.fromtimestamp(self._first_start, UTC)
                self.state = "up_for_reschedule"
                self.world.sleep(max(0.0, later.reschedule_date.timestamp() - self.world.now))
                method, kwargs = "execute", {}
            except WorkerLost:
                self.world.sleep(WORKER_MISSED_S)
                return "up_for_retry"
            except AirflowSkipException:
                return "skipped"
            except AirflowFailException as error:
                self.world.judge.error(self, error.__context__ or error)
                return "failed"
            except MParticleError as error:
                self.world.judge.error(self, error)
                return "up_for_retry"

    def _report_success(self, result: Any) -> str:
        """Let Airflow learn of the success, and run the callbacks for it."""
        result = json.loads(json.dumps(result))
        try:
            with self.may_die("reports its success"):
                if self.version.calls_back_first:
                    with self.kept.transaction():  # everything is committed together
                        self._call_back()
                self.world.judge.success(self, result)
                self.state = "success"
            if not self.version.calls_back_first:
                self._call_back()
        except WorkerLost:
            if self.state != "success":
                raise
        return "success"

    def _call_back(self) -> None:
        for callback in self._process.on_success_callback or ():
            callback(self._context())

    def _take_slot(self) -> None:
        if not self._in_slot:
            self.state = "scheduled"
            while self.slice and self.world.slots_left <= 0:
                self.world.wait_for_slot()
            self.world.slots_left -= 1
            self._in_slot = True
        self.state = "running"

    def _leave_slot(self) -> None:
        if self._in_slot:
            self.world.leave_slot()
            self._in_slot = False

    def _call(self, method: str, **kwargs: Any) -> Any:
        self.world.actor = self
        self._process = copy.copy(self.operator)
        self.world.set_clock(self.world.other_clock_s if self.try_number % 2 == 0 else 0.0)
        try:
            # Unwrapped, because Airflow protects ``execute`` against callers other than its own task runner.
            return inspect.unwrap(getattr(type(self.operator), method))(self._process, self._context(), **kwargs)
        finally:
            self.world.set_clock(0.0)

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
        return {**context, "task_state_store": StateStore(self.kept)} if self.version.has_state_store else context

    def _push(self, key: str, value: Any) -> None:
        if key == "pipeline_run_id":
            self.world.judge.claim(self, value)
