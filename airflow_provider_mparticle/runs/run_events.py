"""
Which ends of runs are news to a listener that was away for a while. Pure.

A listener remembers the runs whose end it knows. Neither instants nor the order of ids would do: mParticle does not
promise an end instant, and a run may begin long after its logical date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.coverage import LONGEST_INTERVAL
from airflow_provider_mparticle.runs.run_list import runs_since
from airflow_provider_mparticle.runs.steps import Steps

# A run may begin as long after its logical date as its pipeline's interval is, so a month has to be listed. Where a
# month fills more than one page (hourly pipelines), these two days are listed instead, and the month once an hour.
RECENT = timedelta(days=2)
MONTH_EVERY = timedelta(hours=1)

# So many ids are kept even if mParticle does not list their runs, which a listing may leave out for a moment.
KEPT_AT_LEAST = 1000


@dataclass(frozen=True)
class RunsSeen:
    """
    The runs of one pipeline as one poll has shown them.

    :param is_month: Whether a whole month was listed, not only the last days.
    """

    pipeline_id: str
    runs: tuple[PipelineRun, ...]
    is_month: bool

    @property
    def ended(self) -> dict[str, PipelineRun]:
        """The runs that have ended, by id, in the order in which they ended as far as mParticle says it."""
        ended = (run for run in self.runs if run.progress is not Progress.UNDER_WAY)
        return {str(run.pipeline_run_id): run for run in sorted(ended, key=_order)}


@dataclass
class RunListing:
    """Lists the runs of one pipeline, poll by poll, with one request for most polls."""

    pipeline_id: str
    _is_month_short: bool = True
    _month_due: datetime | None = None

    def poll(self, now: datetime, *, whole_month: bool = False) -> Steps[RunsSeen]:
        """
        List the runs once.

        :param whole_month: Whether the last days are not enough, for a listener that has just come.
        """
        is_due = self._month_due is None or now >= self._month_due
        is_month = whole_month or self._is_month_short or is_due
        runs = yield from runs_since(self.pipeline_id, now - (LONGEST_INTERVAL if is_month else RECENT))
        if is_month:
            self._is_month_short = len(runs) < endpoints.RUNS_PER_PAGE
            self._month_due = now + MONTH_EVERY
        return RunsSeen(self.pipeline_id, tuple(runs), is_month)


@dataclass(frozen=True)
class KnownEnds:
    """The ids of the runs whose end is no longer news, the latest known last."""

    ids: tuple[str, ...]

    def news(self, seen: RunsSeen) -> list[PipelineRun]:
        """Return the runs that have ended and are not known, oldest first."""
        known = {*self.ids}
        return [run for run_id, run in seen.ended.items() if run_id not in known]

    def after(self, run: PipelineRun, seen: RunsSeen) -> KnownEnds:
        """Return this with *run*, and without the ids that are both old and no longer listed."""
        ids = (*self.ids, str(run.pipeline_run_id))
        if not seen.is_month:
            return KnownEnds(ids)
        listed = seen.ended
        return KnownEnds((*(one for one in ids[:-KEPT_AT_LEAST] if one in listed), *ids[-KEPT_AT_LEAST:]))

    def as_json(self) -> list[str]:
        """Return what a store keeps."""
        return [*self.ids]

    @classmethod
    def from_json(cls, *stored: Sequence[str]) -> KnownEnds:
        """Read back what one or several stores have kept; what one of them knows is known."""
        return cls(tuple(dict.fromkeys(run_id for ids in stored for run_id in ids)))


def matches(run: PipelineRun, progress: Sequence[Progress], run_types: Sequence[str] | None) -> bool:
    """
    Tell whether a listener wants to hear of the end of *run*.

    :param progress: How the run has to have ended.
    :param run_types: Words of the run's type that count; None for all. A run without a type counts.
    """
    is_type = run_types is None or run.type is None or run.type.lower() in {word.lower() for word in run_types}
    return run.progress in progress and is_type


def _order(run: PipelineRun) -> tuple[float, str]:
    at = run.ended_on or run.began
    return at.timestamp() if at else 0.0, str(run.pipeline_run_id)
