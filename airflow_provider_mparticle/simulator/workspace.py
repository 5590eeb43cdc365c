"""
The state of one workspace: its resources and the runs of its pipelines. No HTTP, no threads, no timers.

Source: Warehouse Sync API reference; v1 reference for what it does not repeat.

Assumed, the documentation does not say:
- run ids count up in the workspace, from the first one in mParticle's examples;
- a paused pipeline refuses a trigger with 422;
- a pipeline with a run in progress cannot be deleted (422);
- a deleted pipeline takes its runs with it; a new one of the same id starts without;
- the runs list is ordered by logical date, newest first, and a page after the last one is empty;
- ``startDate`` and ``endDate`` are both inclusive;
- the status of a pipeline is that of the resource (``healthy``), whatever its runs do;
- a run that was put in reads too: at once, if the instant at which it would have read is in the past;
- a run that no route shows any more goes on, and what it ingested stays ingested.

With no timers, a reading that is due is done when somebody next asks or changes anything, before that is worked on.
So what another process wrote into the warehouse's file meanwhile is read too.

Not imitated: schedules start no runs, nothing leaves the warehouse (rows are counted, not sent), and the number of
active pipelines is not limited.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_mparticle.simulator.http_messages import JsonObject, Refusal
from airflow_provider_mparticle.simulator.resources import Kind, Resources
from airflow_provider_mparticle.simulator.run_reads import read, window
from airflow_provider_mparticle.simulator.runs import (
    END_WORDS,
    Run,
    Script,
    read_errors,
    read_steps,
    run_v1,
    run_v2,
    usual_steps,
)
from airflow_provider_mparticle.simulator.sample_resources import ready_made
from airflow_provider_mparticle.simulator.timestamps import cut, unix
from airflow_provider_mparticle.simulator.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

# The first id in mParticle's examples (v1 reference, "Trigger an on-demand pipeline").
FIRST_RUN_ID = 13325

# Where a run that was there before the story began is put, unless its author says otherwise.
LONG_AGO_S = 86_400.0
A_MINUTE_AGO_S = 60.0


@dataclass(frozen=True)
class Habits:
    """How this mParticle behaves where the documentation leaves it open or it depends on the account."""

    run_s: float = 1.0
    layout: Literal["v2", "v1"] = "v2"
    run_routes: bool = True
    trigger_answer: Literal["id", "empty", "no_id"] = "id"
    status_404_s: float = 0.0
    from_is_inclusive: bool = True


class Workspace:
    """One workspace. Not thread-safe: the caller holds the lock."""

    def __init__(
        self, workspace_id: int, habits: Habits, clock: Callable[[], float], warehouse: Warehouse | None = None
    ) -> None:
        self.workspace_id = workspace_id
        self.habits = habits
        self.resources = Resources(clock)
        self._clock = clock
        self._warehouse = warehouse or Warehouse()
        self._next_run_id = FIRST_RUN_ID
        self._created: dict[str, float] = {}
        self._runs: dict[str, list[Run]] = {}
        self._made: list[Run] = []  # all of them, those of deleted pipelines too
        self._unread: list[Run] = []
        self._scripts: dict[str, deque[Script]] = {}
        self._starts: dict[str, int] = {}

    # Pipelines

    def create_pipeline(self, body: JsonObject) -> JsonObject:
        """Create a pipeline; for a while its status may answer 404 (v1 reference, "Create a pipeline")."""
        pipeline = self.resources.create(Kind.PIPELINE, body)
        self._created[pipeline["id"]] = self._clock()
        return pipeline

    def delete_pipeline(self, pipeline_id: str) -> None:
        """Delete a pipeline and its runs, unless one is in progress."""
        self.resources.stored(Kind.PIPELINE, pipeline_id)
        if self._in_progress(pipeline_id):
            raise Refusal(422, f"Pipeline {pipeline_id} has a run in progress.")
        self.resources.delete(Kind.PIPELINE, pipeline_id)
        self._runs.pop(pipeline_id, None)
        self._unread = [run for run in self._unread if run.pipeline_id != pipeline_id]

    def add_pipeline(self, pipeline_id: str, **fields: Any) -> JsonObject:
        """Create a full, on-demand pipeline and whatever it refers to, ready to be triggered."""
        body: JsonObject = {
            "name": pipeline_id.replace("-", " ").capitalize(),
            "connection_id": "warehouse",
            "data_model_id": f"{pipeline_id}-model",
            "sync_mode": {"type": "full"},
            "schedule": {"type": "on_demand"},
            "partner_feed_id": 11,
            **fields,
            "id": pipeline_id,
        }
        self._add_missing_references(body)
        return self.create_pipeline(body)

    def _add_missing_references(self, pipeline: JsonObject) -> None:
        for kind, resource in ready_made(pipeline):
            if resource["id"] and not self.resources.has(kind, resource["id"]):
                self.resources.create(kind, resource)

    # Runs, as a caller meets them

    def trigger(self, pipeline_id: str) -> Run:
        """Start a run; only an idle pipeline does (v1 reference, "Trigger an on-demand pipeline": 400)."""
        pipeline = self.resources.stored(Kind.PIPELINE, pipeline_id)
        if self._in_progress(pipeline_id):
            raise Refusal(400, f"Pipeline {pipeline_id} is already in progress.")
        if pipeline["state"] == "paused":
            raise Refusal(422, f"Pipeline {pipeline_id} is paused.")
        run = self._append(pipeline_id, self._next_script(pipeline_id))
        self._starts[pipeline_id] = self.starts(pipeline_id) + 1
        return run

    def status(self, pipeline_id: str) -> JsonObject:
        """What a pipeline and everything it depends on are like, with its latest run by logical date."""
        pipeline = self.resources.stored(Kind.PIPELINE, pipeline_id)
        if self._clock() < self._created[pipeline_id] + self.habits.status_404_s:
            raise Refusal(404, f"There is no status of the pipeline {pipeline_id!r} yet.")
        newest = self._newest_first(pipeline_id)
        return {
            "pipeline_id": pipeline_id,
            "status": pipeline["status"],
            "connection_status": self._status_of(Kind.CONNECTION, pipeline["connection_id"]),
            "data_model_status": self._status_of(Kind.DATA_MODEL, pipeline["data_model_id"]),
            "errors": pipeline["errors"],
            "latest_pipeline_run": self.show(newest[0]) if newest else None,
        }

    def list_runs(
        self, pipeline_id: str, *, page: int, page_size: int, since: float | None, until: float | None
    ) -> list[JsonObject]:
        """One page of the runs whose logical date is in the window (v1, "Get the status of all runs")."""
        self.resources.stored(Kind.PIPELINE, pipeline_id)
        chosen = [
            run
            for run in self._newest_first(pipeline_id)
            if (since is None or run.logical >= since) and (until is None or run.logical <= until)
        ]
        first = (page - 1) * page_size
        return [self.show(run) for run in chosen[first : first + page_size]]

    def get_run(self, pipeline_id: str, run_id: str) -> JsonObject:
        """One run; 404 if the pipeline has none with this id."""
        self.resources.stored(Kind.PIPELINE, pipeline_id)
        for run in self._newest_first(pipeline_id):
            if str(run.run_id) == run_id and not run.script.answer_404:
                return self.show(run)
        raise Refusal(404, f"There is no run {run_id} of the pipeline {pipeline_id!r}.")

    def show(self, run: Run) -> JsonObject:
        """A run as of now, in the field names of the layout."""
        return (run_v1 if self.habits.layout == "v1" else run_v2)(run, self._now())

    # Runs, as the author of a test sees and makes them

    def starts(self, pipeline_id: str) -> int:
        """How many runs the trigger route has started, of this pipeline or of deleted ones of the same id."""
        return self._starts.get(pipeline_id, 0)

    def runs(self, pipeline_id: str) -> list[JsonObject]:
        """Every run in the order of its making, also those that the routes hide."""
        return [run_v2(run, self._now()) for run in self._runs.get(pipeline_id, [])]

    def overview(self) -> dict[str, JsonObject]:
        """For each pipeline: its state, its starts, and its latest run's id and state."""
        return {one["id"]: self._summary(one) for one in self.resources.list_all(Kind.PIPELINE)}

    def script_next_run(
        self,
        pipeline_id: str,
        states: Iterable[Iterable[Any]] | None = None,
        *,
        errors: Iterable[Any] = (),
        **behaviour: Any,
    ) -> None:
        """Say how the next run behaves; more calls speak of those after it. *errors* alone make it fail."""
        reasons = read_errors(errors)
        usual = usual_steps(self.habits.run_s, "failed" if reasons else "success")
        script = Script(usual if states is None else read_steps(states), reasons, **behaviour)
        self._scripts.setdefault(pipeline_id, deque()).append(script)

    def add_run(
        self,
        pipeline_id: str,
        state: str,
        type: str = "manual",  # noqa: A002 - the name of the field
        *,
        ends_in_s: float | None = None,
        ends_as: str = "success",
        errors: Iterable[Any] = (),
        successful_records: int | None = None,
        failed_records: int | None = None,
        **instants: Any,
    ) -> JsonObject:
        """Put a run in that nobody triggered: ended long ago, or in progress since a minute ago."""
        self.resources.stored(Kind.PIPELINE, pipeline_id)
        unknown = instants.keys() - {"started_on", "ended_on", "logical_date", "range_start", "range_end"}
        if unknown:
            raise TypeError(f"A run has no {', '.join(sorted(unknown))}.")
        times = {name: unix(value, name) for name, value in instants.items()}
        started, steps = self._life(state, ends_in_s, ends_as, times)
        script = Script(steps, read_errors(errors), successful_records, failed_records)
        run = self._append(pipeline_id, script, type, started, times)
        return run_v2(run, self._now())

    def end_runs(self, state: str) -> int:
        """End every run in progress now, and return how many those were."""
        if str(state).lower() not in END_WORDS:
            raise Refusal(400, f"state must be one of {', '.join(END_WORDS)}.")
        now = self._now()
        ours = [run for run in self._made if run.in_progress(now)]
        for run in ours:
            run.end(now, state)
        return len(ours)

    # The warehouse

    def add_source(self, table: str, rows: Iterable[Mapping[str, Any]], key: str = "id") -> None:
        """Add rows to a source table, for the runs that read from now on."""
        self.settle()
        self._warehouse.add(table, rows, key)

    def ingested(self, pipeline_id: str | None = None) -> dict[Any, int]:
        """How often each row of the sources was ingested by the runs that have ended well."""
        now = self._now()
        runs = [run for run in self._made if pipeline_id in (None, run.pipeline_id)]
        if pipeline_id is not None and not runs:
            self.resources.stored(Kind.PIPELINE, pipeline_id)
        times = Counter(key for run in runs if run.reading and run.succeeded(now) for key in run.reading.keys)
        return {key: times[key] for key in self._warehouse.all_keys()}

    def settle(self) -> None:
        """Do the readings that are due: call this before anything changes that they depend on."""
        self._now()

    def _now(self) -> float:
        """The present instant, with every reading done that was due by then."""
        now = self._clock()
        for run in sorted(self._unread, key=lambda run: run.reads_on):
            if run.reads_on <= now:
                self._unread.remove(run)
                self._read(run)
        return now

    def _read(self, run: Run) -> None:
        pipeline = self.resources.stored(Kind.PIPELINE, run.pipeline_id)
        model = self.resources.stored(Kind.DATA_MODEL, pipeline["data_model_id"])
        at_start = run.is_first and self.habits.from_is_inclusive
        part = window(pipeline["sync_mode"], run.range_start, run.range_end, at_start=at_start)
        run.reading = read(self._warehouse, model["config"]["sql_query"], part)

    # Inside

    def _summary(self, pipeline: JsonObject) -> JsonObject:
        newest = self._newest_first(pipeline["id"])[:1]
        return {
            "state": pipeline["state"],
            "starts": self.starts(pipeline["id"]),
            "latest_run": {run.run_id: run.state(self._now()) for run in newest},
        }

    def _life(
        self, state: str, ends_in_s: float | None, ends_as: str, times: dict[str, float | None]
    ) -> tuple[float, tuple[tuple[str, float | None], ...]]:
        """When a ready-made run started, and its words since."""
        now = self._clock()
        if state.lower() in ("success", "failed"):
            started = times.get("started_on") or times.get("logical_date") or now - LONG_AGO_S
            lasted = (times.get("ended_on") or started + self.habits.run_s) - started
            return started, (("running", lasted), (state, None))
        started = times.get("started_on") or times.get("logical_date") or now - A_MINUTE_AGO_S
        if ends_in_s is None:
            return started, ((state, None),)
        return started, ((state, now - cut(started) + ends_in_s), (ends_as, None))

    def _append(
        self,
        pipeline_id: str,
        script: Script,
        type: str = "manual",  # noqa: A002 - the name of the field
        started: float | None = None,
        times: dict[str, float | None] | None = None,
    ) -> Run:
        instants = times or {}
        began = cut(self._clock() if started is None else started)
        logical = instants.get("logical_date") or began
        last = self._last_success(pipeline_id, began)
        begin = instants.get("range_start") if "range_start" in instants else self._range_start(pipeline_id, last)
        end = instants.get("range_end") or logical
        run = Run(self._next_run_id, pipeline_id, type, began, logical, begin, end, script, is_first=last is None)
        self._next_run_id += 1
        for runs in (self._runs.setdefault(pipeline_id, []), self._made, self._unread):
            runs.append(run)
        return run

    def _last_success(self, pipeline_id: str, before: float) -> Run | None:
        now = self._now()
        runs = self._newest_first(pipeline_id)
        return next((run for run in runs if run.succeeded(now) and run.logical < before), None)

    def _range_start(self, pipeline_id: str, last: Run | None) -> float | None:
        """Incremental runs read what is newer than the last success (sync mode of the pipeline reference)."""
        mode = self.resources.stored(Kind.PIPELINE, pipeline_id)["sync_mode"]
        if mode["type"] == "full":
            return None
        return last.range_end if last else unix(mode.get("from"), "sync_mode.from")

    def _next_script(self, pipeline_id: str) -> Script:
        waiting = self._scripts.get(pipeline_id)
        return waiting.popleft() if waiting else Script(usual_steps(self.habits.run_s))

    def _in_progress(self, pipeline_id: str) -> bool:
        now = self._now()
        return any(run.in_progress(now) for run in self._runs.get(pipeline_id, []))

    def _newest_first(self, pipeline_id: str) -> list[Run]:
        now = self._now()
        seen = [run for run in self._runs.get(pipeline_id, []) if run.visible(now)]
        return sorted(seen, key=lambda run: (run.logical, run.run_id), reverse=True)

    def _status_of(self, kind: Kind, resource_id: str) -> str:
        return str(self.resources.stored(kind, resource_id)["status"])
