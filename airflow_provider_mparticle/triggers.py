"""
The trigger that waits for a pipeline run in the triggerer.

A triggerer imports this module in its event loop, so what takes longer is imported in a thread, when a trigger runs.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_mparticle.client.single_flight import SingleFlight

if TYPE_CHECKING:
    from airflow_provider_mparticle.client.models import RunId
    from airflow_provider_mparticle.runs.outcome import Outcome
    from airflow_provider_mparticle.runs.wait import RunMonitor


class MParticlePipelineRunTrigger(BaseTrigger):
    """
    Wait for a pipeline run to end, or for the deadline, and say how it ended.

    The arguments are stored in plain text by Airflow; none is a secret. The event is
    :meth:`~airflow_provider_mparticle.runs.wait.Outcome.as_event`.

    :param mparticle_conn_id: Id of the Airflow connection.
    :param pipeline_id: Slug of the pipeline.
    :param pipeline_run_id: Id of the run; None takes the latest run at the first look and stays with it.
    :param poll_interval: Longest pause between two looks, in seconds. Looks come closer when a run is likely to end.
    :param deadline: When the wait ends in any case: an instant, or seconds since the epoch.
    :param asked_pause_s: Seconds that mParticle asked the worker to wait for, which has just looked. Default: 0.
    :param covers: Wait for a run that covers this instant, instead of one run: an instant, or seconds since the epoch.
    :param began: When the run, or else the wait, began: an instant, or seconds since the epoch. Default: now.
    :param run_lengths: How long the pipeline's last runs took, in seconds. Default: nobody has asked mParticle.
    """

    def __init__(
        self,
        mparticle_conn_id: str,
        pipeline_id: str,
        pipeline_run_id: RunId | None,
        poll_interval: float,
        deadline: datetime | float,
        retry_after_s: float = 0.0,
        covers: datetime | float | None = None,
        began: datetime | float | None = None,
        run_durations: Sequence[float] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow leaves it unannotated
        self.mparticle_conn_id = mparticle_conn_id
        self.pipeline_id = pipeline_id
        self.pipeline_run_id = pipeline_run_id
        self.poll_interval = poll_interval
        self.deadline = as_epoch(deadline)
        self.retry_after_s = retry_after_s
        self.covers = None if covers is None else as_epoch(covers)
        self.began = None if began is None else as_epoch(began)
        self.run_durations = None if run_durations is None else [*run_durations]

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores to build this trigger again."""
        names = (
            *("mparticle_conn_id", "pipeline_id", "pipeline_run_id", "poll_interval", "deadline"),
            *("retry_after_s", "covers", "began", "run_durations"),
        )
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    @classmethod
    def after_poll(
        cls, mparticle_conn_id: str, monitor: RunMonitor, poll_interval: float, retry_after_s: float
    ) -> MParticlePipelineRunTrigger:
        """Return the trigger that goes on with what a worker has just looked at once."""
        lookup = monitor.lookup
        return cls(
            mparticle_conn_id,
            lookup.pipeline_id,
            lookup.pipeline_run_id,
            poll_interval,
            monitor.deadline,
            retry_after_s,
            getattr(lookup, "at", None),  # only one that looks for coverage has an instant
            monitor.began,
            monitor.durations_s,
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then yield the one event."""
        wait_for_run = await _loaded()
        outcome = await wait_for_run(**self.serialize()[1])
        yield TriggerEvent(outcome.as_event())  # type: ignore[no-untyped-call]  # as above

    async def on_kill(self) -> None:
        """Say what becomes of the run: mParticle documents no way to cancel one."""
        if self.covers is not None:
            self.log.info("This task no longer waits for a run of pipeline %r.", self.pipeline_id)
            return
        self.log.warning(
            "This task no longer waits for run %s of pipeline %r. The run goes on in mParticle, "
            "which documents no way to cancel it.",
            self.pipeline_run_id,
            self.pipeline_id,
        )


def as_epoch(instant: datetime | float) -> float:
    """Return an instant in seconds since the epoch; one without a zone is UTC."""
    if not isinstance(instant, datetime):
        return float(instant)
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


WaitForRun = Callable[..., Awaitable["Outcome"]]

_wait_for_run: WaitForRun | None = None
_imports: WeakKeyDictionary[asyncio.AbstractEventLoop, SingleFlight] = WeakKeyDictionary()


async def _loaded() -> WaitForRun:
    """Return the function that does the work, imported in a thread at the first time."""
    global _wait_for_run
    if _wait_for_run is None:
        imports = _imports.setdefault(asyncio.get_running_loop(), SingleFlight())
        _wait_for_run = await imports.do("deferred", partial(asyncio.to_thread, _import))
    return _wait_for_run


def _import() -> WaitForRun:
    # A full garbage collection of all that Airflow has loaded stops every thread for 100 to 200 ms, and what is
    # imported here, or a thousand triggers, would bring one about. docs/adr/0002 tells why this is done, and its price.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        from airflow_provider_mparticle.triggerer.wait_for_run import wait_for_run

        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
    return wait_for_run
