"""
Finds the runs that have ended since a listener last polled, even if it was away for a while.

A listener remembers the ids of the runs whose end it knows. Instants or the order of ids are not enough: mParticle does
not promise an end instant, and a run may begin long after its logical date. A run that failed may run again under its
id and succeed: that is another end.
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

# A run may begin one interval of its pipeline after its logical date, so a whole month must be listed. If a month fills
# more than one page (hourly pipelines), only the last two days are listed, and the month once an hour.
RECENT = timedelta(days=2)
MONTH_EVERY = timedelta(hours=1)

# At least this many ends are kept, even of runs that mParticle does not list: a list may lack a run for a moment.
KEPT_AT_LEAST = 1000


@dataclass(frozen=True)
class RunsSeen:
    """
    The runs of one pipeline in the answer to one poll.

    :param is_month: Whether a whole month was listed, not only the last two days.
    """

    pipeline_id: str
    runs: tuple[PipelineRun, ...]
    is_month: bool

    @property
    def ended(self) -> dict[str, PipelineRun]:
        """The runs that have ended, by their end, in the order of their ends as far as mParticle gives them."""
        ended = (run for run in self.runs if run.progress is not Progress.UNDER_WAY)
        return {_end_of(run): run for run in sorted(ended, key=_order)}


@dataclass
class RunListing:
    """Lists the runs of one pipeline once per poll. Most polls need one request."""

    pipeline_id: str
    _is_month_short: bool = True
    _month_due: datetime | None = None

    def poll(self, now: datetime, *, whole_month: bool = False) -> Steps[RunsSeen]:
        """
        List the runs once.

        :param now: The time, with a time zone.
        :param whole_month: Whether to list a whole month in any case, for a listener that has just begun.
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
    """
    The ends that a listener knows, in the order in which it learned them.

    An end is the id of the run, and for a run that failed also that word. An id alone stands for every end of the run.
    """

    ends: tuple[str, ...]

    def news(self, seen: RunsSeen) -> list[PipelineRun]:
        """Return the runs that have ended and whose end is not known yet, oldest first."""
        known = {*self.ends}
        return [run for end, run in seen.ended.items() if known.isdisjoint((end, str(run.pipeline_run_id)))]

    def after(self, run: PipelineRun, seen: RunsSeen) -> KnownEnds:
        """Return these ends with that of *run*, and without ends that are both old and no longer listed."""
        ends = (*self.ends, _end_of(run))
        if not seen.is_month:
            return KnownEnds(ends)
        listed = seen.ended
        return KnownEnds((*(one for one in ends[:-KEPT_AT_LEAST] if one in listed), *ends[-KEPT_AT_LEAST:]))

    def as_json(self) -> list[str]:
        """Return the ends as JSON, for Airflow's store."""
        return [*self.ends]

    @staticmethod
    def is_json(stored: object) -> bool:
        """Return whether a stored value is what `as_json` returned: something else may have changed it."""
        return isinstance(stored, list) and all(isinstance(end, str) for end in stored)

    @classmethod
    def from_json(cls, *stored: Sequence[str]) -> KnownEnds:
        """Return the ends from one or several stores; an end is known if any of them knows it."""
        return cls(tuple(dict.fromkeys(end for ends in stored for end in ends)))


def matches(run: PipelineRun, progress: Sequence[Progress], run_types: Sequence[str] | None) -> bool:
    """
    Return whether the end of *run* is an event for a listener.

    :param progress: How the run must have ended: one of these.
    :param run_types: Types of runs that count, in any case; None for all. A run without a type always counts.
    """
    is_type = run_types is None or run.type is None or run.type.strip().lower() in {word.lower() for word in run_types}
    return run.progress in progress and is_type


def _end_of(run: PipelineRun) -> str:
    return f"{run.pipeline_run_id} failed" if run.progress is Progress.FAILED else str(run.pipeline_run_id)


def _order(run: PipelineRun) -> tuple[float, str]:
    at = run.ended_on or run.began
    return at.timestamp() if at else 0.0, str(run.pipeline_run_id)
