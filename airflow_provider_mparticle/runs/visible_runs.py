"""
Reads the runs of a pipeline that mParticle shows: from their list, or without a list from the pipeline's status.

If the list has answered once, the route exists, so a later 404 is an error: the status shows one run only.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from airflow_provider_mparticle.client.errors import MParticleError, NotFoundError
from airflow_provider_mparticle.client.models import PipelineRun, RunId
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.run_list import latest_run, runs_since
from airflow_provider_mparticle.runs.steps import Pause, Steps

log = logging.getLogger(__name__)

# The list is requested twice before a 404 means that mParticle does not have this route.
PAUSE_BEFORE_SECOND_404_S = 0.5


@dataclass
class VisibleRuns:
    """
    The runs of a pipeline as they were last read; ``runs`` is None if they could not be read.

    ``has_list`` is whether mParticle lists runs, or None while that is not known.

    :param ended: Ids of runs whose end is known. A list may still show them in progress for a while.
    """

    pipeline_id: str
    runs: list[PipelineRun] | None = None
    ended: Collection[RunId] = ()
    has_list: bool | None = field(default=None, init=False)

    def read(self, since: datetime, *, must: bool) -> Steps[None]:
        """
        Read the runs whose logical date is *since* or later.

        :param must: Whether every error is raised, and the last request is saved. If not, a run is looked for: only an
            error that a retry cannot cure is raised, any other is logged, and the list is read to a page without a run.
        """
        self.runs = None
        try:
            if self.has_list is False:
                self.runs = yield from self._latest()
            else:
                self.runs = yield from self._listed(since, past_short_pages=not must)
        except NotFoundError as error:
            if must and self.has_list:
                raise
            if must:  # a pipeline's status answers 404 for a minute after the pipeline was created
                self.runs = []
            else:
                log.warning("%s", error)
        except MParticleError as error:
            if must or not error.is_transient:
                raise
            log.warning("%s", error)

    @property
    def in_progress(self) -> PipelineRun | None:
        """
        A run in progress, or None.

        A run in an unknown state, for example one that was cancelled, counts as in progress only until a later run
        begins, since mParticle runs a pipeline once at a time.
        """
        runs = [run for run in self.runs or () if not any(map(run.is_run, self.ended))]
        last = max((run.started_on for run in runs if run.started_on), default=None)
        under_way = (run for run in runs if run.progress is Progress.UNDER_WAY)
        return next((run for run in under_way if run.is_state_known or not _began_before(run, last)), None)

    def _listed(self, since: datetime, *, past_short_pages: bool) -> Steps[list[PipelineRun]]:
        try:
            runs = yield from runs_since(self.pipeline_id, since, past_short_pages=past_short_pages)
        except NotFoundError:
            yield Pause(PAUSE_BEFORE_SECOND_404_S)
            try:
                runs = yield from runs_since(self.pipeline_id, since, past_short_pages=past_short_pages)
            except NotFoundError:
                if self.has_list:
                    raise
                runs = yield from self._latest()
                self.has_list = False
                return runs
        self.has_list = True
        return runs

    def _latest(self) -> Steps[list[PipelineRun]]:
        latest = yield from latest_run(self.pipeline_id)
        return [latest] if latest else []


def _began_before(run: PipelineRun, at: datetime | None) -> bool:
    return bool(run.started_on and at and run.started_on < at)
