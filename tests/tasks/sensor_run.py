"""Executes, defers, resumes and reschedules a sensor as Airflow does."""

from __future__ import annotations

import asyncio
import inspect
import json
import time
from contextlib import aclosing
from datetime import UTC, datetime
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from airflow.providers.common.compat.sdk import TaskDeferred

from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger


class Store(dict[str, Any]):
    """Airflow's task state store."""

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        self[key] = json.loads(json.dumps(value))


def sensor(**options: Any) -> MParticlePipelineRunSensor:
    """A sensor for ``orders`` that polls often."""
    usual = {"pipeline_id": "orders", "poll_interval": 0.05, "timeout": 300, "deferrable": False}
    return MParticlePipelineRunSensor(task_id="sense", **{**usual, **options})


def sense(**options: Any) -> Any:
    """Execute a sensor. Resume it if it defers, and execute a new one if it reschedules, as Airflow does."""
    first_reschedule: datetime | None = None
    ti = SimpleNamespace(get_first_reschedule_date=lambda _: first_reschedule, max_tries=0, try_number=1)
    context: Any = {"ti": ti, "task_state_store": Store()}
    if options.get("mode") == "reschedule":
        while not (found := sensor(**options).poke(context)).is_done:
            first_reschedule = first_reschedule or datetime.now(UTC)
            time.sleep(0.05)
        return found.xcom_value
    try:
        # Unwrapped, since Airflow guards ``execute`` against callers other than its own task runner.
        return inspect.unwrap(MParticlePipelineRunSensor.execute)(sensor(**options), context)
    except TaskDeferred as deferred:
        event = asyncio.run(first_event(rebuilt(deferred.trigger)))
        return sensor(**options).resume_execution(deferred.method_name, {"event": event}, context)


def rebuilt(trigger: Any) -> MParticlePipelineRunTrigger:
    """The trigger that Airflow creates from its stored arguments."""
    classpath, kwargs = json.loads(json.dumps(trigger.serialize()))
    module, _, name = classpath.rpartition(".")
    return getattr(import_module(module), name)(**kwargs)


async def first_event(trigger: MParticlePipelineRunTrigger) -> Any:
    """The event of a trigger, as Airflow stores it."""
    async with aclosing(trigger.run()) as events:
        return json.loads(json.dumps((await anext(events)).payload))
