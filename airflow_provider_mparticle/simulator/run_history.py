"""
Keeps the runs of a workspace in the order of their creation, and the scripts for the next runs.

It must not know resources, the warehouse or a clock: the caller passes the current time.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

from airflow_provider_mparticle.simulator.http_messages import Refusal
from airflow_provider_mparticle.simulator.runs import END_WORDS, Run, Script

if TYPE_CHECKING:
    from collections.abc import Iterator

# The first id in mParticle's examples (v1 reference, "Trigger an on-demand pipeline").
FIRST_RUN_ID = 13325


class RunHistory:
    """All runs of one workspace. Not thread-safe: the caller holds the lock."""

    def __init__(self) -> None:
        self.made: list[Run] = []  # those of deleted pipelines too
        self.starts: Counter[str] = Counter()  # by the trigger route, for each pipeline id
        self._by_pipeline: dict[str, list[Run]] = {}
        self._unread: list[Run] = []
        self._scripts: dict[str, deque[Script]] = {}

    @property
    def next_id(self) -> int:
        """The id of the next run. Ids count up in the workspace."""
        return FIRST_RUN_ID + len(self.made)

    def add(self, run: Run) -> None:
        """Add a run. It reads the warehouse later."""
        for runs in (self._by_pipeline.setdefault(run.pipeline_id, []), self.made, self._unread):
            runs.append(run)

    def forget(self, pipeline_id: str) -> None:
        """Remove the runs of a deleted pipeline. Runs that have not read the warehouse never will."""
        self._by_pipeline.pop(pipeline_id, None)
        self._unread = [run for run in self._unread if run.pipeline_id != pipeline_id]

    def of(self, pipeline_id: str) -> list[Run]:
        """Return every run of a pipeline, including runs that no route shows."""
        return self._by_pipeline.get(pipeline_id, [])

    def newest_first(self, pipeline_id: str, now: float) -> list[Run]:
        """Return the visible runs of a pipeline by logical date, newest first."""
        seen = [run for run in self.of(pipeline_id) if run.visible(now)]
        return sorted(seen, key=lambda run: (run.logical, run.run_id), reverse=True)

    def last_success(self, pipeline_id: str, before: float, now: float) -> Run | None:
        """Return the newest run that has succeeded with a logical date before *before*, or None."""
        runs = self.newest_first(pipeline_id, now)
        return next((run for run in runs if run.succeeded(now) and run.logical < before), None)

    def in_progress(self, pipeline_id: str, now: float) -> bool:
        """Return whether a run of the pipeline prevents another start."""
        return any(run.in_progress(now) for run in self.of(pipeline_id))

    def take_due(self, now: float) -> Iterator[Run]:
        """Yield each run that should have read the warehouse by now, once, in the order of the reads."""
        for run in sorted(self._unread, key=lambda run: run.reads_on):
            if run.reads_on <= now:
                self._unread.remove(run)
                yield run

    def end_all(self, state: str, now: float) -> int:
        """End every run in progress, and return their number."""
        if str(state).lower() not in END_WORDS:
            raise Refusal(400, f"state must be one of {', '.join(END_WORDS)}.")
        running = [run for run in self.made if run.in_progress(now)]
        for run in running:
            run.end(now, state)
        return len(running)

    def add_script(self, pipeline_id: str, script: Script) -> None:
        """Set how a later run behaves. The first script is for the next run."""
        self._scripts.setdefault(pipeline_id, deque()).append(script)

    def take_script(self, pipeline_id: str) -> Script | None:
        """Return the script for the run that starts now, or None."""
        waiting = self._scripts.get(pipeline_id)
        return waiting.popleft() if waiting else None
