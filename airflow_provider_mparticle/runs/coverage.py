"""Finds a run that succeeded and has read everything up to an instant, no matter who started it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_mparticle.client.errors import MParticleError, NotFoundError, RunTimeoutError
from airflow_provider_mparticle.client.models import PipelineRun, RunId
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.run_list import latest_run, runs_since
from airflow_provider_mparticle.runs.steps import Steps

log = logging.getLogger(__name__)

# Runs are listed by logical date, and it is not documented whether that is the start or the end of what a run reads.
# So the list begins this long before an instant. A month is the longest interval of a pipeline.
LONGEST_INTERVAL = timedelta(days=32)
# At least every so many polls, all pages of the list are read, although no news of the latest run demands it.
POLLS_OF_ONE_PAGE = 10
# The earliest instant that is this long after the first one that a datetime can hold.
EARLIEST = datetime.min.replace(tzinfo=UTC) + LONGEST_INTERVAL


def reaches(run: PipelineRun) -> datetime | None:
    """Return the instant up to which a run reads: the end of its range, or its start if mParticle gives no range."""
    return run.range_end or run.started_on


def covers(run: PipelineRun, at: datetime) -> bool:
    """Return whether a run has succeeded and has read everything up to *at*."""
    reached = reaches(run)
    return run.progress is Progress.SUCCEEDED and reached is not None and reached >= at


def _may_cover(run: PipelineRun, at: datetime) -> bool:
    """Return whether a run in progress covers *at* if it succeeds."""
    reached = reaches(run)
    return run.progress is Progress.UNDER_WAY and (reached is None or reached >= at)


def any_run(_: PipelineRun) -> bool:
    """Accept any run."""
    return True


def find_covering(
    pipeline_id: str, at: datetime, accept: Callable[[PipelineRun], bool] = any_run
) -> Steps[PipelineRun | None]:
    """
    Return a run that covers *at*: the latest run if it covers the instant, otherwise another one, or None.

    Sends one request, and if the latest run does not cover the instant, one more for each hundred runs since a month
    before it.

    :param accept: Returns whether a run that covers the instant is good enough. Default: any run is.
    """
    try:
        latest = yield from latest_run(pipeline_id)
        if latest is None or (covers(latest, at) and accept(latest)):
            return latest
    except NotFoundError:  # a pipeline's status answers 404 for a minute after the pipeline was created
        pass

    def covering(runs: list[PipelineRun]) -> PipelineRun | None:
        return next((run for run in runs if covers(run, at) and accept(run)), None)

    return covering((yield from _listed(pipeline_id, at, lambda page: covering(page) is not None)))


def _listed(
    pipeline_id: str, at: datetime, is_last_needed: Callable[[list[PipelineRun]], bool]
) -> Steps[list[PipelineRun]]:
    try:
        since = max(at, EARLIEST) - LONGEST_INTERVAL
        return (yield from runs_since(pipeline_id, since, is_last_needed=is_last_needed))
    except NotFoundError:  # this mParticle does not list runs, so the status has shown all that it shows
        return []


# The latest run of a pipeline, and the runs that were listed if that one did not cover the instant.
Seen = tuple[PipelineRun | None, list[PipelineRun]]


@dataclass
class CoverageLookup:
    """
    A source of run states (`steps.RunSource`): polls for a run that covers an instant.

    :param at: The instant up to which a run must have read.
    """

    pipeline_id: str
    at: datetime
    pipeline_run_id: RunId | None = field(default=None, init=False)
    _latest: PipelineRun | None = field(default=None, init=False)
    _known: tuple[Any, ...] | None = field(default=None, init=False)
    _may_cover: bool = field(default=True, init=False)
    _polls_of_one_page: int = field(default=0, init=False)

    @property
    def poll_key(self) -> Hashable:
        """Identifies what is polled: the runs of a pipeline, whatever the instant."""
        return "coverage", self.pipeline_id

    def timeout_error(self, last: PipelineRun, error: MParticleError | None) -> RunTimeoutError:
        """Return the error for a wait that has reached its deadline; *error* is what the last poll raised."""
        trouble = f" The last poll failed: {error}" if error else ""
        latest = self._latest
        seen = f"its latest run is {latest.pipeline_run_id}, {latest.state}" if latest else "it has shown no run"
        return RunTimeoutError(
            f"No run of pipeline {self.pipeline_id!r} that covers {self.at.isoformat()} had succeeded at the "
            f"deadline; {seen}.{trouble} Check in mParticle that the pipeline is active and that its schedule reaches "
            "that instant. Then clear this task to wait again.",
            status=error.status if error else None,
            pipeline_id=self.pipeline_id,
        )

    def poll(self, sources: Sequence[CoverageLookup] = ()) -> Steps[Seen]:
        """
        Poll once, for the instants of all *sources*; a later run may cover what a failed run has not.

        :raises NotFoundError: mParticle does not know the pipeline at the moment.
        """
        instants = [source.at for source in sources or (self,)]
        earliest, last = min(instants), max(instants)
        missing: NotFoundError | None = None
        try:
            latest = yield from latest_run(self.pipeline_id)
        except NotFoundError as error:  # either the pipeline is missing, or this route
            latest, missing = None, error
        if not missing and (latest is None or covers(latest, last)):
            return latest, []
        known = (latest.pipeline_run_id, latest.state, earliest) if latest else None
        is_news = known != self._known
        # A newer run may have an earlier logical date than the latest run, so one page is read in any case, and all
        # pages while a run on them may still come to cover an instant.
        self._polls_of_one_page += 1
        is_whole = is_news or latest is None or self._may_cover or self._polls_of_one_page >= POLLS_OF_ONE_PAGE
        runs = yield from _listed(
            self.pipeline_id, earliest, lambda page: not is_whole or any(covers(run, last) for run in page)
        )
        if missing and not runs:
            raise missing
        if is_whole:
            self._polls_of_one_page = 0
            self._may_cover = any(_may_cover(run, earliest) for run in runs if not run.is_run(known and known[0]))
        self._known = known
        if latest and is_news and not any(covers(run, earliest) for run in (latest, *runs)):
            log.info(
                "The latest run of pipeline %r, %s, is %s and has read up to %s; waiting for a run that covers %s.",
                self.pipeline_id,
                latest.pipeline_run_id,
                latest.state,
                reaches(latest),
                earliest.isoformat(),
            )
        return latest, runs

    def select(self, seen: Seen) -> PipelineRun | None:
        """Return a run that covers the instant, or None if no run does yet."""
        self._latest, runs = seen
        return next((run for run in (self._latest, *runs) if run and covers(run, self.at)), None)
