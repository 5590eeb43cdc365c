"""
Plays Airflow for the life of one task, in process: tries, deferral, XComs, the task state store, and deaths.

Everything that Airflow sends between processes goes through JSON here, so that nothing else can get across.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import json
import time
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from types import SimpleNamespace
from typing import Any

from airflow.exceptions import AirflowRescheduleException
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, TaskDeferred
from airflow.triggers.base import BaseTrigger

from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator
from airflow_provider_mparticle.simulator import Simulator

# How long a run takes. No test takes so long, so a run is in progress until the task waits and time passes.
RUN_S = 60.0
# Parts of the simulator's paths. Only polls of one run go to the first: a wait uses it, a start does not.
POLL = "/status/runs/"
TRIGGER = "/trigger"


def our_run(simulator: Simulator) -> dict[str, Any]:
    """What a task returns for the run that was triggered last, if the run succeeded."""
    ours = [run for run in simulator.runs("orders") if run["type"] == "manual"]
    return {"pipeline_run_id": ours[-1]["pipeline_run_id"], "state": "success", "successful_records": 1000}


def facts(result: dict[str, Any]) -> dict[str, Any]:
    """What a task returned for its run, in the fields of :func:`our_run`."""
    return {name: result[name] for name in ("pipeline_run_id", "state", "successful_records")}


class WorkerLost(BaseException):
    """The worker process has died, with everything that Airflow does not keep: SIGKILL, seen from inside."""


class Instant(StrEnum):
    """Instants in the life of a task at which a test may act."""

    NOTED = "the intent is stored, the start not yet sent"
    ACCEPTED = "the start is accepted, the run's id not yet stored"
    KNOWN = "the run's id is stored, its XCom not yet pushed"
    WAITING = "the task waits for a run, its own or another, in the worker or in the triggerer"
    RESUMED = "the wait in the triggerer is over, the worker not yet resumed"


class Store:
    """What Airflow keeps across the tries of one task, as JSON: its task state store (3.3), or a variable before."""

    def __init__(self, reach: Callable[[Instant], None], kept: dict[str, str] | None = None) -> None:
        self.kept: dict[str, str] = {} if kept is None else kept
        self.failing: set[str] = set()  # names of methods that raise an error, once each
        self._reach = reach

    def get(self, key: str, default: Any = None) -> Any:
        self._fail_if_asked("get")
        return json.loads(self.kept[key]) if key in self.kept else default

    def set(self, key: str, value: Any) -> None:
        self._fail_if_asked("set")
        if value["pipeline_run_id"] is not None:
            self._reach(Instant.ACCEPTED)
        self.kept[key] = json.dumps(value)
        if value["pipeline_run_id"] is None:
            self._reach(Instant.NOTED)

    def delete(self, key: str) -> None:
        self._fail_if_asked("delete")
        self.kept.pop(key, None)

    def _fail_if_asked(self, method: str) -> None:
        if method in self.failing:
            self.failing.remove(method)
            raise ConnectionError("Airflow's API server does not answer.")


class Variables:
    """Airflow's variables, as the running task accesses them."""

    @staticmethod
    def get(key: str, default: str | None) -> str | None:
        return _current.get().store.kept.get(key, default)

    @staticmethod
    def set(key: str, text: str, description: str) -> None:
        assert description
        with contextlib.suppress(ConnectionError):  # Airflow 3 only logs it
            _current.get().store.set(key, json.loads(text))

    @staticmethod
    def delete(key: str) -> None:
        _current.get().store.delete(key)


# The state of a task that ends with one of these errors, while it has retries left.
_STATES = {
    AirflowFailException: "failed",
    AirflowSkipException: "skipped",
    AirflowRescheduleException: "up_for_reschedule",
}


class TaskRun:
    """
    One task instance of one DAG run.

    :param state_store: Whether this Airflow has a task state store (3.3 and later).
    :param triggerers_lost: How many triggerers die, one after the other, while the task is deferred.
    :param operator_class: The class of the operator.
    :param run_id: Id of the DAG run.
    :param map_index: Which of the instances of a mapped task this is; -1: it is not mapped.
    :param pass_time: Called when the task waits, if the test has no action for that. Default: nothing.
    :param variables: The variables of this Airflow, if other tasks use them too. Default: this task has its own.
    :param siblings: The same task in other DAG runs, whose states Airflow knows.
    :param options: Arguments of the operator.
    """

    def __init__(
        self,
        *,
        state_store: bool = True,
        triggerers_lost: int = 0,
        operator_class: type[MParticleTriggerPipelineOperator] = MParticleTriggerPipelineOperator,
        run_id: str = "manual__1",
        map_index: int = -1,
        pass_time: Callable[[], object] = lambda: None,
        variables: dict[str, str] | None = None,
        siblings: list[TaskRun] | None = None,
        **options: Any,
    ) -> None:
        self.operator_class = operator_class
        self.run_id = run_id
        self.map_index = map_index
        self.siblings = siblings
        self.pass_time = pass_time
        self.state: str | None = None
        self.first_start: datetime | None = None
        self.store = Store(self.reach, None if state_store else variables)
        self.has_state_store = state_store
        self.triggerers_lost = triggerers_lost
        self.options = options
        self.dag_run_began = datetime.now(UTC)
        self.retries = 3
        self.max_tries = self.retries
        self.try_number = 0
        self.clear_number = 0
        self.xcoms: dict[str, Any] = {}
        self.operator: Any = None
        self.deferrals: list[TaskDeferred] = []
        self._actions: dict[Instant, Callable[[], object]] = {}

    # For tests

    def at(self, instant: Instant, action: Callable[[], object]) -> TaskRun:
        """Do *action* when the task first reaches *instant*."""
        self._actions[instant] = action
        return self

    def dies_at(self, instant: Instant) -> TaskRun:
        """Lose the worker when the task first reaches *instant*."""
        return self.at(instant, _lose_the_worker)

    def run(self) -> Any:
        """Make the next try, the first one or a retry, and return its result or raise its error."""
        self.try_number += 1
        self.xcoms.clear()
        self.first_start = self.first_start or datetime.now(UTC)
        token = _current.set(self)
        self.state = "running"
        try:
            result = self._resume_until_done()
            self.state = "success"
            self._call_back("on_success_callback")
            return result
        except BaseException as raised:
            self.state = _STATES.get(type(raised), "up_for_retry")
            if self.state == "skipped":
                self._call_back("on_skipped_callback")
            raise
        finally:
            _current.reset(token)

    def run_and_die(self) -> None:
        """Run a try in which the worker dies."""
        try:
            self.run()
        except WorkerLost:
            return
        raise AssertionError("The worker outlived its death.")

    def clear(self) -> Any:
        """Let a user clear the task, which raises ``max_tries`` and ``clear_number``, and make the next try."""
        self.max_tries = self.try_number + self.retries
        self.clear_number += 1
        return self.run()

    def resume(self, method: str, event: Any) -> Any:
        """Resume the deferred task with this event."""
        return self._call(method, event=event)

    @property
    def kept(self) -> Any:
        """The record that Airflow keeps of the run, or None."""
        assert len(self.store.kept) <= 1
        return next(map(json.loads, self.store.kept.values()), None)

    # Airflow's part

    def context(self) -> Any:
        ti = SimpleNamespace(
            dag_id="history",
            task_id="sync",
            run_id=self.run_id,
            map_index=self.map_index,
            max_tries=self.max_tries,
            try_number=self.try_number,
            xcom_push=self._push,
            get_first_reschedule_date=lambda _: self.first_start,
        )
        if self.siblings is not None:
            ti.get_task_states = self._states
        dag_run = SimpleNamespace(start_date=self.dag_run_began, clear_number=self.clear_number)
        context = {"ti": ti, "dag_run": dag_run}
        return {**context, "task_state_store": self.store} if self.has_state_store else context

    def reach(self, instant: Instant) -> None:
        if action := self._actions.pop(instant, None):
            action()
        elif instant is Instant.WAITING:
            self.pass_time()

    def sleep(self, seconds: float) -> None:
        self.reach(Instant.WAITING)
        time.sleep(seconds)

    def _resume_until_done(self) -> Any:
        method, kwargs = "execute", {}
        while True:
            try:
                return json.loads(json.dumps(self._call(method, **kwargs)))
            except TaskDeferred as deferred:
                self.deferrals.append(deferred)
                event = self._in_the_triggerer(deferred.trigger)
                method, kwargs = deferred.method_name, json.loads(json.dumps({**(deferred.kwargs or {})}))
                kwargs["event"] = event
                self.reach(Instant.RESUMED)

    def _call(self, method: str, **kwargs: Any) -> Any:
        self.operator = self.operator_class(task_id="sync", **self.options)
        # Unwrapped, since Airflow protects ``execute`` against callers other than its own task runner.
        return inspect.unwrap(getattr(type(self.operator), method))(self.operator, self.context(), **kwargs)

    def _call_back(self, name: str) -> None:
        """Airflow calls these when it knows the end."""
        for callback in getattr(self.operator, name) or ():
            callback(self.context())

    def _in_the_triggerer(self, trigger: BaseTrigger) -> Any:
        stored = json.dumps(trigger.serialize())
        self.reach(Instant.WAITING)
        while self.triggerers_lost:
            self.triggerers_lost -= 1
            with contextlib.suppress(TimeoutError):
                asyncio.run(asyncio.wait_for(first_event(rebuilt(stored)), 0.15))
        return json.loads(json.dumps(asyncio.run(first_event(rebuilt(stored)))))

    def _states(self, *, dag_id: str, task_ids: list[str], run_ids: list[str], map_index: int) -> dict[str, Any]:
        assert ("history", ["sync"], -1) == (dag_id, task_ids, map_index)
        return {task.run_id: {"sync": task.state} for task in self.siblings or () if task.run_id in run_ids}

    def _push(self, key: str, value: Any) -> None:
        self.reach(Instant.KNOWN)
        self.xcoms[key] = json.loads(json.dumps(value))


def rebuilt(stored: str) -> BaseTrigger:
    """Make a trigger from the form in which Airflow stored it."""
    classpath, kwargs = json.loads(stored)
    module, _, name = classpath.rpartition(".")
    return getattr(importlib.import_module(module), name)(**kwargs)


async def first_event(trigger: BaseTrigger) -> Any:
    """Run a trigger up to its first event, like Airflow."""
    async with contextlib.aclosing(trigger.run()) as events:
        return (await anext(events)).payload


_current: ContextVar[TaskRun] = ContextVar("_current")


def sleep_of_the_task(seconds: float) -> None:
    """Replace ``time.sleep`` in the tasks, so that a worker can die while it waits."""
    _current.get().sleep(seconds)


def _lose_the_worker() -> None:
    raise WorkerLost
