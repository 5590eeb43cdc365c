"""
Waits for a run in the triggerer, and returns in any case how the wait ended.

Importing this module takes longer than an event loop may be blocked.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from airflow_provider_mparticle.client.clocks import steady_clock
from airflow_provider_mparticle.client.driving import adrive
from airflow_provider_mparticle.client.errors import ConfigError, TriggererError
from airflow_provider_mparticle.client.models import PipelineRun, RunId
from airflow_provider_mparticle.runs.coverage import CoverageLookup
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.wait import RunMonitor, wait
from airflow_provider_mparticle.triggerer.shared_client import shared_client

log = logging.getLogger(__name__)

# The first and the last second that a datetime can hold. As a number, the instants after the last one are rounded to
# the year 10000.
EARLIEST_S = datetime.min.replace(tzinfo=UTC).timestamp()
LATEST_S = datetime.max.replace(microsecond=0, tzinfo=UTC).timestamp()


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
    """
    Wait for the run of a trigger with these arguments. The worker has just polled, so the wait begins with a pause.

    :return: How the wait ended. No error is raised, since Airflow would fail the task without a word about the run.
    """
    lookup = (
        RunLookup(pipeline_id, pipeline_run_id)
        if covers is None
        else CoverageLookup(pipeline_id, datetime.fromtimestamp(min(max(covers, EARLIEST_S), LATEST_S), UTC))
    )
    try:
        monitor = RunMonitor(lookup, deadline, time.time() if began is None else began, run_durations, polls=1)
        steps = wait(monitor, poll_interval_s=poll_interval, clock=steady_clock(), retry_after_s=retry_after_s)
        async with shared_client(mparticle_conn_id) as client:
            with client.polling.waiter(lookup) as carry_out:
                outcome = await adrive(steps, carry_out)
    except Exception as error:  # broad, since any fault of this package must still give the task an outcome
        log.exception("The wait for a run of pipeline %r ended with an unexpected error.", pipeline_id)
        run = PipelineRun(pipeline_id, lookup.pipeline_run_id).as_dict()
        return Outcome(run, _triggerer_error(lookup, f"an unexpected {type(error).__name__}, see its log"))
    if isinstance(outcome.error, ConfigError):  # the worker reached mParticle, so the configuration differs here
        return Outcome(outcome.run, _triggerer_error(lookup, str(outcome.error), SAME_FOR_TRIGGERERS))
    return outcome


SAME_FOR_TRIGGERERS = (
    "Triggerers need the same connections, secrets backend, environment variables and files as workers. "
)


def _triggerer_error(lookup: RunLookup | CoverageLookup, reason: str, advice: str = "") -> TriggererError:
    pipeline_id, run_id = lookup.pipeline_id, lookup.pipeline_run_id
    which = "a run" if run_id is None else f"run {run_id}"
    return TriggererError(
        f"The triggerer on {socket.gethostname()} stopped waiting for {which} of pipeline {pipeline_id!r}: "
        f"{reason.rstrip('.')}. The run continues in mParticle. {advice}"
        "Retry the task: it reattaches to its run and starts no other.",
        pipeline_id=pipeline_id,
        pipeline_run_id=run_id,
    )
