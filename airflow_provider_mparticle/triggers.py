"""The trigger that waits for a pipeline run in the triggerer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_mparticle.client.models import RunId
from airflow_provider_mparticle.coverage import CoverageFinder
from airflow_provider_mparticle.finding import Finder
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.steps import adrive
from airflow_provider_mparticle.waiting import as_epoch, wait


class MParticlePipelineRunTrigger(BaseTrigger):
    """
    Wait for a pipeline run to end, or for the deadline, and say how it ended.

    The arguments are stored in plain text by Airflow; none is a secret. The event is
    :meth:`~airflow_provider_mparticle.waiting.Outcome.as_event`.

    :param mparticle_conn_id: Id of the Airflow connection.
    :param pipeline_id: Slug of the pipeline.
    :param pipeline_run_id: Id of the run; None takes the latest run at the first look and stays with it.
    :param poll_interval: Longest pause between two looks, in seconds. The first looks come sooner.
    :param deadline: When the wait ends in any case: an instant, or seconds since the epoch.
    :param asked_pause_s: Seconds that mParticle asked the worker to wait for, which has just looked. Default: 0.
    :param covers: Wait for a run that covers this instant, instead of one run: an instant, or seconds since the epoch.
    """

    def __init__(
        self,
        mparticle_conn_id: str,
        pipeline_id: str,
        pipeline_run_id: RunId | None,
        poll_interval: float,
        deadline: datetime | float,
        asked_pause_s: float = 0.0,
        covers: datetime | float | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow leaves it unannotated
        self.mparticle_conn_id = mparticle_conn_id
        self.pipeline_id = pipeline_id
        self.pipeline_run_id = pipeline_run_id
        self.poll_interval = poll_interval
        self.deadline = as_epoch(deadline)
        self.asked_pause_s = asked_pause_s
        self.covers = None if covers is None else as_epoch(covers)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores to build this trigger again."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "mparticle_conn_id": self.mparticle_conn_id,
                "pipeline_id": self.pipeline_id,
                "pipeline_run_id": self.pipeline_run_id,
                "poll_interval": self.poll_interval,
                "deadline": self.deadline,
                "asked_pause_s": self.asked_pause_s,
                "covers": self.covers,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then yield the one event. The worker has just looked, so a pause comes first."""
        steps = wait(
            self._finder(),
            poll_interval_s=self.poll_interval,
            deadline=self.deadline,
            clock=time.time,
            asked_pause_s=self.asked_pause_s,
        )
        async with MParticleHook(self.mparticle_conn_id).async_client() as client:
            outcome = await adrive(steps, partial(client.send, retry=False), asyncio.sleep)
        yield TriggerEvent(outcome.as_event())  # type: ignore[no-untyped-call]  # as above

    def _finder(self) -> Finder | CoverageFinder:
        if self.covers is None:
            return Finder(self.pipeline_id, self.pipeline_run_id)
        return CoverageFinder(self.pipeline_id, datetime.fromtimestamp(self.covers, UTC))

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
