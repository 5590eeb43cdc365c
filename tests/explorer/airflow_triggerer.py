"""Models Airflow's triggerer: it makes a trigger from its stored form, runs it, and may die while it runs."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.runs.steps import FetchDurations, Pause, Poll, drive

if TYPE_CHECKING:
    from airflow_tasks import Task

# Airflow notices that a triggerer has died after some missed heartbeats.
TRIGGERER_MISSED_S = 30.0


class TriggererLost(BaseException):
    """The triggerer's process has died."""


@dataclass
class Triggerer:
    """Runs the trigger of one deferred task."""

    task: Task

    def event_of(self, trigger: Any) -> Any:
        """Run a trigger up to its event; if a triggerer dies, in the next one."""
        stored = json.dumps(trigger.serialize()[1])
        while True:
            try:
                return self._event(type(trigger)(**json.loads(stored)))
            except TriggererLost:
                self.task.world.sleep(TRIGGERER_MISSED_S)

    def _event(self, trigger: Any) -> Any:
        events = trigger.run()
        try:
            anext(events).send(None)
        except StopIteration as done:
            return json.loads(json.dumps(done.value.payload))
        raise AssertionError("The trigger waits for something that is not a step.")

    @contextlib.asynccontextmanager
    async def shared_client(self) -> Any:
        """Replaces the client that all triggers share."""
        yield SimpleNamespace(polling=self)

    @contextlib.contextmanager
    def waiter(self, _: Any) -> Iterator[Callable[[Any], Any]]:
        """Lend the driver for the steps of a wait."""

        async def carry_out(step: Any) -> Any:
            return self._carry_out(step)

        yield carry_out

    def _carry_out(self, step: Any) -> Any:
        world = self.task.world
        match step:
            case Pause():
                if world.choices.choose(f"{self.task.name} is deferred, its triggerer dies", ("no", "yes")) == "yes":
                    world.note_fault(f"{self.task.name}: the triggerer dies")
                    raise TriggererLost
                return world.sleep(step.seconds)
            case Poll():
                return drive(step.source.poll(), self._send_once, world.sleep)
            case FetchDurations():
                return drive(step.ask(), self._send_once, world.sleep) if step.ask else None
            case _:
                return self._send_once(step)

    def _send_once(self, call: Any) -> Any:
        self.task.world.actor = self.task
        return self.task.world.client.send(call, retry=False, worker=False)
