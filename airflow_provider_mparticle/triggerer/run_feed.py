"""
Yields the ended runs of a workspace as one stream, for all listeners in this triggerer.

An error of one pipeline does not end the stream, since Airflow would then restart all its listeners every second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from airflow_provider_mparticle.client.driving import adrive
from airflow_provider_mparticle.client.errors import AuthenticationError, MParticleError
from airflow_provider_mparticle.runs.log_lines import is_logged
from airflow_provider_mparticle.runs.poll_timing import jitter
from airflow_provider_mparticle.runs.run_events import RunListing, RunsSeen
from airflow_provider_mparticle.triggerer.listeners import Listeners
from airflow_provider_mparticle.triggerer.shared_client import SharedClient, shared_client

log = logging.getLogger(__name__)

# How many pipelines are polled at the same time.
POLLS_AT_ONCE = 8


async def runs_seen(mparticle_conn_id: str, poll_interval_s: float, listeners: Listeners) -> AsyncIterator[RunsSeen]:
    """
    Yield the runs of a pipeline whenever one of them has ended, or the pipeline got a new listener.

    :param mparticle_conn_id: Id of the Airflow connection.
    :param poll_interval_s: Pause between two polls of a pipeline, in seconds; longer while mParticle is under load.
    :param listeners: The listeners, by pipeline. Only pipelines with a listener are polled.
    """
    feeds: dict[str, _PipelineFeed] = {}
    while True:
        async with shared_client(mparticle_conn_id) as client:
            is_refused, all_due_at = False, _next_round(poll_interval_s, client)
            while not is_refused:
                newcomers = await listeners.wait_for_newcomers(all_due_at - time.monotonic())
                # A listener that Airflow restarts every second is a newcomer each time. The others do not wait for it.
                is_round = time.monotonic() >= all_due_at
                pipelines = listeners.pipelines if is_round else newcomers
                due = [feeds.setdefault(one, _PipelineFeed(one)) for one in sorted(pipelines)]
                for seen in await _poll_all(due, client, newcomers):
                    yield seen
                # The Airflow connection may have been corrected meanwhile, so a new client reads it again.
                is_refused = any(isinstance(feed.error, AuthenticationError) for feed in due)
                if is_round:
                    all_due_at = _next_round(poll_interval_s, client)


def _next_round(poll_interval_s: float, client: SharedClient) -> float:
    """Return when all pipelines are polled again, as a value of `time.monotonic`."""
    return time.monotonic() + jitter(poll_interval_s * client.polling.slowdown())


async def _poll_all(due: list[_PipelineFeed], client: SharedClient, newcomers: set[str]) -> list[RunsSeen]:
    at_once = asyncio.Semaphore(POLLS_AT_ONCE)

    async def poll(feed: _PipelineFeed) -> RunsSeen | None:
        async with at_once:
            return await feed.poll(client, has_newcomer=feed.pipeline_id in newcomers)

    return [seen for seen in await asyncio.gather(*map(poll, due)) if seen]


class _PipelineFeed:
    """Polls one pipeline, and remembers which ended runs the listeners have got."""

    def __init__(self, pipeline_id: str) -> None:
        self.pipeline_id = pipeline_id
        self.error: MParticleError | None = None
        self._listing = RunListing(pipeline_id)
        self._ended: set[str] = set()
        self._owes_newcomer = False
        self._failures = 0

    async def poll(self, client: SharedClient, *, has_newcomer: bool) -> RunsSeen | None:
        """Poll once; return the runs if one has ended since the last poll, or if a listener has not got any yet."""
        self._owes_newcomer |= has_newcomer
        steps = self._listing.poll(datetime.now(UTC), whole_month=self._owes_newcomer)
        try:
            seen = await adrive(steps, client.poll)
        except MParticleError as error:
            self._log_failure(error)
            return None
        self._log_recovery()
        is_wanted = self._owes_newcomer or not seen.ended.keys() <= self._ended
        self._ended |= seen.ended.keys()
        if seen.is_month:
            self._ended &= seen.ended.keys()
        self._owes_newcomer = False
        return seen if is_wanted else None

    def _log_failure(self, error: MParticleError) -> None:
        self.error = error
        self._failures += 1
        if is_logged(self._failures):
            log.warning(
                "The runs of pipeline %r could not be read, so they cannot start DAGs now; trying again (%d failed "
                "polls so far). %s",
                self.pipeline_id,
                self._failures,
                error,
            )

    def _log_recovery(self) -> None:
        if self._failures:
            log.info(
                "mParticle lists the runs of pipeline %r again after %d failed polls.", self.pipeline_id, self._failures
            )
        self.error, self._failures = None, 0
