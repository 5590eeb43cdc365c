"""Reading the runs of a pipeline page by page, and what they tell. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.runs.poll_timing import RunDurations
from airflow_provider_mparticle.runs.steps import Steps

# Who wants to know how long a pipeline's runs take looks at those of so long before.
DURATIONS_SPAN = timedelta(days=7)


def read_all_pages(_: list[PipelineRun]) -> bool:
    """Let no page be the last one that is needed."""
    return False


def runs_since(
    pipeline_id: str,
    since: datetime | None = None,
    until: datetime | None = None,
    is_last_needed: Callable[[list[PipelineRun]], bool] = read_all_pages,
) -> Steps[list[PipelineRun]]:
    """
    Return the runs whose logical date lies between two instants, inclusive, in no promised order.

    One request for each hundred. In which order mParticle lists runs is not documented, so the last page counts, too.
    It is not sure either that mParticle knows pages: one that brings nothing new is the last.

    :param since: Earliest logical date. Default: all.
    :param until: Last logical date. Default: all.
    :param is_enough: Tells whether the page that was read last makes further ones needless. Default: none does.
    """
    found: dict[str, PipelineRun] = {}
    page = 1
    while True:
        runs: list[PipelineRun] = yield endpoints.list_pipeline_runs(pipeline_id, page=page, since=since, until=until)
        known = len(found)
        found |= {str(run.pipeline_run_id): run for run in runs}
        if len(runs) < endpoints.RUNS_PER_PAGE or len(found) == known or is_last_needed(runs):
            return [*found.values()]
        page += 1


def recent_durations(pipeline_id: str, began: datetime) -> Steps[RunDurations]:
    """
    Return how long the runs took that lie before one that *began*. One request; knowing nothing is no error.

    A hundred runs are enough, and which hundred makes no difference.
    """
    try:
        runs = yield from runs_since(pipeline_id, began - DURATIONS_SPAN, is_last_needed=lambda _: True)
    except MParticleError:
        return RunDurations()
    return RunDurations(runs)
