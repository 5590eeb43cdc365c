"""
Simulates one run of a pipeline: a list of states with their durations, from which the clock selects the current one.

Source: v1 reference, "Trigger an on-demand pipeline", "Get the status of all runs" and "of one run".

Assumed, the documentation does not say:
- the v2 names of a run's fields;
- a manual run's logical date is the instant of its trigger;
- a full run has no ``range_start``; an incremental one starts where the last success ended, else at
  ``sync_mode.from``;
- counters are null until the run has ended; a run that read the warehouse counts the rows it read;
- a run whose query failed ends as failed, at the time at which it would have ended anyway;
- the v2 layout fills ``ended_on``; the v1 layout never fills ``end_date``, as in mParticle's own examples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.simulator.http_messages import JsonObject, Refusal
from airflow_provider_mparticle.simulator.timestamps import cut, iso

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_mparticle.simulator.run_reads import Reading

# A state, and for how many seconds it lasts. None: forever.
Step = tuple[str, "float | None"]

END_WORDS = ("success", "failed")
WAITING_WORDS = ("triggered", "queued")
DEFAULT_RECORDS = 1000


@dataclass(frozen=True)
class Script:
    """How a run behaves from its trigger on."""

    steps: tuple[Step, ...]
    errors: tuple[JsonObject, ...] = ()
    successful_records: int | None = None
    """
    The number that is shown. It does not change what is counted as ingested. None: for a success the rows that the run
    read, or 1000 if its SQL does not name a source table; 0 for a failure.
    """
    failed_records: int | None = None
    """The number that is shown. None: 0."""
    answer_404: bool = False
    """The one-run route answers 404 for this run. The list and the status still show it."""
    vanish_after_s: float | None = None
    """Seconds after which no route shows the run, and the pipeline accepts another start. None: never."""


@dataclass(eq=False)
class Run:
    """One run. Instants are Unix times cut to ms. Only its reading changes, and its script if a test ends it."""

    run_id: int
    pipeline_id: str
    type: str
    started: float
    logical: float
    range_start: float | None
    range_end: float | None
    script: Script = field(default=Script((("success", None),)))
    is_first: bool = False
    """Whether no run of the pipeline had succeeded before this one."""
    reading: Reading | None = None
    """What it read. None: nothing yet, or its SQL does not name a source table."""

    @property
    def reads_on(self) -> float:
        """When the run reads the warehouse: when its first state begins that is neither triggered nor queued."""
        begin = self.started
        for word, seconds in self.script.steps:
            if word.lower() not in WAITING_WORDS:
                return begin
            begin += math.inf if seconds is None else seconds
        return math.inf

    def state(self, now: float) -> str:
        """Return the state at an instant. The last state remains. A success whose query failed is shown as failed."""
        word = self._word(now)
        refused = self.reading is not None and self.reading.problem is not None
        return "failed" if refused and word.lower() == "success" else word

    def _word(self, now: float) -> str:
        end = self.started
        for word, seconds in self.script.steps:
            end += math.inf if seconds is None else seconds
            if now < end:
                return word
        return self.script.steps[-1][0]

    def ended(self, now: float) -> bool:
        """Return whether the run has ended."""
        return self.state(now).lower() in END_WORDS

    def succeeded(self, now: float) -> bool:
        """Return whether the run has succeeded."""
        return self.state(now).lower() == "success"

    def visible(self, now: float) -> bool:
        """Return whether the routes still show the run."""
        lasts_s = self.script.vanish_after_s
        return lasts_s is None or now < self.started + lasts_s

    def in_progress(self, now: float) -> bool:
        """Return whether the run prevents another start."""
        return self.visible(now) and not self.ended(now)

    def ended_on(self, now: float) -> float | None:
        """Return when the last state began, or None if the run has not ended."""
        if not self.ended(now):
            return None
        return cut(self.started + sum(seconds or 0.0 for _, seconds in self.script.steps[:-1]))

    def end(self, now: float, word: str) -> None:
        """End the run at an instant. The rest of its script does not count."""
        begin = self.started
        lived: list[Step] = []
        for name, seconds in self.script.steps:
            if begin > now:
                break
            lasts_s = math.inf if seconds is None else seconds
            lived.append((name, min(lasts_s, now - begin)))
            begin += lasts_s
        self.script = replace(self.script, steps=(*lived, (word, None)))

    def records(self, now: float) -> tuple[int | None, int | None]:
        """Return how many records succeeded and failed: unknown until the run has ended."""
        if not self.ended(now):
            return None, None
        found = self.reading.rows if self.reading else DEFAULT_RECORDS
        usual = found if self.succeeded(now) else 0
        good, bad = self.script.successful_records, self.script.failed_records
        return usual if good is None else good, bad or 0

    def errors(self, now: float) -> list[JsonObject]:
        """Return why the run failed, or the errors of its script."""
        if not self.ended(now):
            return []
        said = [dict(error) for error in self.script.errors]
        if self.reading and self.reading.problem:
            said.append({"message": self.reading.problem})
        if said or self.succeeded(now):
            return said
        return [{"message": "The warehouse query failed."}]


def run_v2(run: Run, now: float) -> JsonObject:
    """Return a run with the field names that are assumed for v2."""
    good, bad = run.records(now)
    return {
        "pipeline_run_id": run.run_id,
        "pipeline_id": run.pipeline_id,
        "type": run.type,
        "status": run.state(now),
        "logical_date": iso(run.logical),
        "started_on": iso(run.started),
        "ended_on": iso(run.ended_on(now)),
        "range_start": iso(run.range_start, zone=""),
        "range_end": iso(run.range_end, zone=""),
        "successful_records": good,
        "failed_records": bad,
        "errors": run.errors(now),
    }


def run_v1(run: Run, now: float) -> JsonObject:
    """Return a run with v1 names. Its ``id`` is that of the *pipeline* (v1 reference, "Get the status of one run")."""
    good, bad = run.records(now)
    return {
        "id": run.pipeline_id,
        "pipeline_run_id": run.run_id,
        "pipeline_run_type": run.type,
        "pipeline_run_state": run.state(now),
        "logical_date": iso(run.logical),
        "start_date": iso(run.started),
        "end_date": None,
        "data_interval_start": iso(run.range_start, zone=""),
        "data_interval_end": iso(run.range_end, zone=""),
        "records_extracted": None if good is None else good + (bad or 0),
        "records_mapped": good,
        "event_batches_generated": good,
        "errors": run.errors(now),
    }


def usual_steps(run_s: float, end: str = "success") -> tuple[Step, ...]:
    """Return the documented states of a run: triggered and queued for a tenth each, then running, then the end."""
    return (("triggered", run_s * 0.1), ("queued", run_s * 0.1), ("running", run_s * 0.8), (end, None))


def read_steps(states: Iterable[Iterable[Any]]) -> tuple[Step, ...]:
    """Check states and seconds of a caller, and refuse them with 400 if they do not describe a run."""
    try:
        steps = tuple((str(word), None if seconds is None else float(seconds)) for word, seconds in states)
    except (TypeError, ValueError) as error:
        raise Refusal(400, "states must be a list of [state, seconds or null] pairs.") from error
    if not steps or any(seconds is not None and seconds < 0 for _, seconds in steps):
        raise Refusal(400, "states needs at least one state, and no negative seconds.")
    return steps


def read_errors(errors: Iterable[Any]) -> tuple[JsonObject, ...]:
    """Accept errors as sentences or as ``{"message": ...}`` objects."""
    if isinstance(errors, str):
        errors = [errors]
    return tuple(dict(one) if isinstance(one, dict) else {"message": str(one)} for one in errors)
