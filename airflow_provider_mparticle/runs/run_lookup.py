"""Polls one run of a pipeline, by the first route that answers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.errors import MParticleError, NotFoundError, RunTimeoutError
from airflow_provider_mparticle.client.models import PipelineRun, RunId
from airflow_provider_mparticle.runs.outcome import run_timeout_error
from airflow_provider_mparticle.runs.run_list import latest_run, runs_since
from airflow_provider_mparticle.runs.steps import Steps

log = logging.getLogger(__name__)


@dataclass
class RunLookup:
    """
    A source of run states (`steps.RunSource`): polls one run, by the first route that answers.

    :param pipeline_run_id: The run to poll. None: the pipeline's latest run, as soon as it has one; then always that.
    """

    pipeline_id: str
    pipeline_run_id: RunId | None = None
    _route: Callable[[RunId], Steps[PipelineRun]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._route = self._by_run

    @property
    def poll_key(self) -> Hashable:
        """Identifies what is polled: one run, or the latest run of a pipeline."""
        if self.pipeline_run_id is None:
            return "latest run", self.pipeline_id
        return "run", self.pipeline_id, str(self.pipeline_run_id)

    def poll(self, _: Sequence[Any] = ()) -> Steps[PipelineRun | None]:
        """
        Poll once; return None if the pipeline has no run yet.

        :raises NotFoundError: No route knows the run at the moment.
        """
        if self.pipeline_run_id is None:
            return (yield from latest_run(self.pipeline_id))
        try:
            return (yield from self._route(self.pipeline_run_id))
        except NotFoundError:
            self._route = self._by_run  # a stray 404 may have led away from a route that exists
            raise

    def select(self, seen: PipelineRun | None) -> PipelineRun | None:
        """Return the run of the answer; a lookup without an id polls this run from now on."""
        if self.pipeline_run_id is None and seen and seen.pipeline_run_id is not None:
            self.pipeline_run_id = seen.pipeline_run_id
            log.info("Waiting for run %s of pipeline %r.", self.pipeline_run_id, self.pipeline_id)
        return seen

    def timeout_error(self, last: PipelineRun, error: MParticleError | None) -> RunTimeoutError:
        """Return the error for a wait that has reached its deadline; *error* is what the last poll raised."""
        return run_timeout_error(last, error)

    def _by_run(self, run_id: RunId) -> Steps[PipelineRun]:
        try:
            run: PipelineRun = yield endpoints.get_pipeline_run(self.pipeline_id, run_id)
        except NotFoundError:  # either the run is missing, or this route
            run = yield from self._by_list_or_status(run_id)
        return run

    def _by_list_or_status(self, run_id: RunId) -> Steps[PipelineRun]:
        for name, route in (("list of runs", self._by_list), ("status", self._by_status)):
            try:
                run = yield from route(run_id)
            except NotFoundError as error:
                missing = error
                continue
            log.info("mParticle has no route for a single run of pipeline %r; polling its %s.", self.pipeline_id, name)
            self._route = route
            return run
        raise missing

    def _by_list(self, run_id: RunId) -> Steps[PipelineRun]:
        def of_run(runs: list[PipelineRun]) -> PipelineRun | None:
            return next((run for run in runs if run.is_run(run_id)), None)

        # The order of the list is not documented, nor the size of its pages, so the run may be on any page.
        runs = yield from runs_since(
            self.pipeline_id, is_last_needed=lambda page: of_run(page) is not None, past_short_pages=True
        )
        if run := of_run(runs):
            return run
        raise self._unknown(run_id, "mParticle's list of runs does not contain it")

    def _by_status(self, run_id: RunId) -> Steps[PipelineRun]:
        latest = yield from latest_run(self.pipeline_id)
        if latest is None or not latest.is_run(run_id):
            shown = f"run {latest.pipeline_run_id}" if latest else "no run"
            raise self._unknown(run_id, f"the pipeline's status shows {shown} instead")
        return latest

    def _unknown(self, run_id: RunId, why: str) -> NotFoundError:
        return NotFoundError(
            f"Run {run_id} of pipeline {self.pipeline_id!r} was not found: {why}.",
            pipeline_id=self.pipeline_id,
            pipeline_run_id=run_id,
        )
