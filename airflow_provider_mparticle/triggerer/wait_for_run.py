"""What the trigger does in the triggerer. Importing this takes longer than an event loop should stand still."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from airflow_provider_mparticle.client.driving import adrive
from airflow_provider_mparticle.client.models import RunId
from airflow_provider_mparticle.runs.coverage import CoverageLookup
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.wait import RunMonitor, wait
from airflow_provider_mparticle.triggerer.shared_client import shared_client


async def wait_for_run(
    mparticle_conn_id: str,
    pipeline_id: str,
    pipeline_run_id: RunId | None,
    poll_interval: float,
    deadline: float,
    retry_after_s: float,
    covers: float | None,
    began: float | None,
    run_durations: Sequence[float] | None,
) -> Outcome:
    """Wait for what a trigger of these arguments waits for. The worker has just looked, so a pause comes first."""
    lookup = (
        RunLookup(pipeline_id, pipeline_run_id)
        if covers is None
        else CoverageLookup(pipeline_id, datetime.fromtimestamp(covers, UTC))
    )
    monitor = RunMonitor(lookup, deadline, time.time() if began is None else began, run_durations, polls=1)
    steps = wait(monitor, poll_interval_s=poll_interval, clock=_steady_clock(), retry_after_s=retry_after_s)
    async with shared_client(mparticle_conn_id) as client:
        with client.polling.waiter(lookup) as carry_out:
            return await adrive(steps, carry_out)


def _steady_clock() -> Callable[[], float]:
    """Return a clock in seconds since the epoch that nobody can set back or forward from now on."""
    offset_s = time.time() - time.monotonic()
    return lambda: offset_s + time.monotonic()
