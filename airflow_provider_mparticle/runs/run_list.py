"""Reads the runs of a pipeline page by page, or its latest run alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.errors import (
    InvalidRequestError,
    MParticleError,
    NotFoundError,
    UnreadableAnswerError,
)
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.runs.poll_timing import RunDurations
from airflow_provider_mparticle.runs.steps import Steps

# How far back the runs are read that show how long a pipeline's runs take.
DURATIONS_SPAN = timedelta(days=7)
# A pipeline that runs every five minutes has this many pages of runs in a year. A server with more may have no end.
MOST_PAGES = 1100


def read_all_pages(_: list[PipelineRun]) -> bool:
    """Return False: every page is needed."""
    return False


def runs_since(
    pipeline_id: str,
    since: datetime | None = None,
    until: datetime | None = None,
    is_last_needed: Callable[[list[PipelineRun]], bool] = read_all_pages,
    *,
    past_short_pages: bool = False,
) -> Steps[list[PipelineRun]]:
    """
    Return the runs whose logical date is between two instants, inclusive, in any order.

    Sends one request for each hundred runs. mParticle does not document the order of its list, so the last page counts
    too. Paging may not be supported, so a page without a new run ends the list.

    :param since: Earliest logical date. Default: no limit.
    :param until: Last logical date. Default: no limit.
    :param is_last_needed: Returns whether to stop after the page that was just read. Default: all pages are read.
    :param past_short_pages: Whether to read on after a page with less than a hundred runs, which costs one more
        request: a server may limit the size of its pages. Default: False, such a page is the last one.
    :raises UnreadableAnswerError: The list has more than `MOST_PAGES` pages.
    """
    found: dict[str, PipelineRun] = {}
    for page in range(1, MOST_PAGES + 1):
        call = endpoints.list_pipeline_runs(pipeline_id, page=page, since=since, until=until)
        try:
            runs: list[PipelineRun] = yield call
        except (InvalidRequestError, NotFoundError):
            if page == 1:
                raise
            return [*found.values()]  # the list ended with the page before
        known = len(found)
        found |= {_key_of(run): run for run in runs}
        is_last = len(runs) < endpoints.RUNS_PER_PAGE and not past_short_pages
        if is_last or len(found) == known or is_last_needed(runs):
            return [*found.values()]
    raise UnreadableAnswerError(
        f"mParticle lists more than {len(found):,} runs of pipeline {pipeline_id!r}, so the list was not read to its "
        "end. Ask for a shorter range.",
        pipeline_id=pipeline_id,
    )


def _key_of(run: PipelineRun) -> str:
    """Identify a run by its id, or by all that is known of it if mParticle gives no usable id."""
    return repr(run) if run.pipeline_run_id is None else str(run.pipeline_run_id)


def latest_run(pipeline_id: str) -> Steps[PipelineRun | None]:
    """
    Return the latest run of a pipeline by logical date, or None if it has no run. Sends one request for its status.

    :raises NotFoundError: The pipeline does not exist, or was created less than about a minute ago.
    """
    latest: PipelineRun | None = (yield endpoints.get_pipeline_status(pipeline_id)).latest_pipeline_run
    return latest


def recent_durations(pipeline_id: str, began: datetime) -> Steps[RunDurations]:
    """
    Return how long the runs of the week before *began* took; empty if mParticle does not answer.

    Sends one request: any hundred of these runs are enough.
    """
    try:
        runs = yield from runs_since(pipeline_id, began - DURATIONS_SPAN, is_last_needed=lambda _: True)
    except MParticleError:
        return RunDurations()
    return RunDurations(runs)
