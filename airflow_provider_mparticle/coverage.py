"""Whether a run that succeeded has read everything up to an instant, whoever started it. Pure."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.errors import MParticleError, NotFoundError, RunTimeoutError
from airflow_provider_mparticle.client.models import PipelineRun, RunId
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.listing import runs_since
from airflow_provider_mparticle.steps import Steps

log = logging.getLogger(__name__)

# Runs are listed by logical date, and it is not documented whether that is the start or the end of what a run reads.
# So runs are looked for from so long before an instant; a monthly interval is the longest there is.
LONGEST_INTERVAL = timedelta(days=32)


def reaches(run: PipelineRun) -> datetime | None:
    """Return the instant up to which a run reads: the end of its range, else, where that is not told, its start."""
    return run.range_end or run.started_on


def covers(run: PipelineRun, at: datetime) -> bool:
    """Tell whether a run has succeeded and has read everything up to *at*."""
    reached = reaches(run)
    return run.progress is Progress.SUCCEEDED and reached is not None and reached >= at


def any_run(_: PipelineRun) -> bool:
    """Let any run do."""
    return True


def find_covering(
    pipeline_id: str, at: datetime, suffices: Callable[[PipelineRun], bool] = any_run
) -> Steps[PipelineRun | None]:
    """
    Return a run that covers *at*, or None: the latest run if it does, else another that does.

    One request where the latest run covers it; otherwise one more for each hundred runs since a month before *at*.

    :param suffices: Tells whether a run that covers the instant will do. Default: any will.
    """
    try:
        latest: PipelineRun | None = (yield endpoints.get_pipeline_status(pipeline_id)).latest_pipeline_run
        if latest is None or (covers(latest, at) and suffices(latest)):
            return latest
    except NotFoundError:  # for a minute after its creation a pipeline's status answers 404
        pass
    return (yield from _listed(pipeline_id, at, suffices))


def _listed(
    pipeline_id: str, at: datetime, suffices: Callable[[PipelineRun], bool] = any_run, *, first_page_only: bool = False
) -> Steps[PipelineRun | None]:
    def covering(runs: list[PipelineRun]) -> PipelineRun | None:
        return next((run for run in runs if covers(run, at) and suffices(run)), None)

    def is_enough(page: list[PipelineRun]) -> bool:
        return first_page_only or covering(page) is not None

    try:
        runs = yield from runs_since(pipeline_id, at - LONGEST_INTERVAL, is_enough=is_enough)
    except NotFoundError:  # this mParticle lists no runs; the status was all there is to see
        return None
    return covering(runs)


@dataclass
class CoverageFinder:
    """
    Looks for a run that covers an instant, as `finding.Finder` looks at one run.

    :param at: Up to when a run has to have read.
    """

    pipeline_id: str
    at: datetime
    pipeline_run_id: RunId | None = field(default=None, init=False)
    _latest: tuple[str, str | None] | None = field(default=None, init=False)

    def overdue(self, last: PipelineRun, error: MParticleError | None) -> RunTimeoutError:
        """Return the error for a wait that has reached its deadline."""
        trouble = f" The last look failed: {error}" if error else ""
        seen = f"its latest run is {self._latest[0]}, {self._latest[1]}" if self._latest else "it has shown no run"
        return RunTimeoutError(
            f"No run of pipeline {self.pipeline_id!r} that covers {self.at.isoformat()} had ended well at the "
            f"deadline; {seen}.{trouble} Look at the pipeline in mParticle: is it active, and does its schedule reach "
            "that far? Then clear this task to wait on.",
            status=error.status if error else None,
            pipeline_id=self.pipeline_id,
        )

    def look(self) -> Steps[PipelineRun | None]:
        """
        Look once; None means that no run covers the instant yet. A run that failed is no reason to give up.

        :raises NotFoundError: mParticle does not know the pipeline now.
        """
        latest: PipelineRun | None = (yield endpoints.get_pipeline_status(self.pipeline_id)).latest_pipeline_run
        if latest is None or covers(latest, self.at):
            return latest
        known = (str(latest.pipeline_run_id), latest.state)
        is_news = known != self._latest
        # A run may come after the latest one and yet have an earlier logical date, so one page is read all the same.
        covering = yield from _listed(self.pipeline_id, self.at, first_page_only=not is_news)
        self._latest = known
        if covering is None and is_news:
            log.info(
                "The latest run of pipeline %r, %s, is %s and reaches to %s; waiting for one that covers %s.",
                self.pipeline_id,
                latest.pipeline_run_id,
                latest.state,
                reaches(latest),
                self.at.isoformat(),
            )
        return covering
