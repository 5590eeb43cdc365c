"""
Keeps the state of one workspace: its resources and the runs of its pipelines. It has no HTTP, threads or timers.

Source: Warehouse Sync API reference, and the v1 reference for what is only there.

Assumed, the documentation does not say:
- run ids count up in the workspace, from the first one in mParticle's examples;
- a paused pipeline refuses a trigger with 422;
- a pipeline with a run in progress cannot be deleted (422);
- the runs of a deleted pipeline are deleted too; a new pipeline with the same id has none;
- the runs list is ordered by logical date, newest first, and a page after the last one is empty;
- ``startDate`` and ``endDate`` are both inclusive;
- the status of a pipeline is that of the resource (``healthy``), regardless of its runs;
- a run that a test adds reads too: at once, if the instant at which it would have read is in the past;
- a run that no route shows any more continues, and what it ingested stays ingested.

Without timers, a read that is due is done at the beginning of the next request or call. So a run also reads what
another process has written into the warehouse's file until then.

Not simulated: schedules, which do not start runs; the transfer of rows, which are only counted; and the limit of active
pipelines.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.simulator.http_messages import JsonObject, Refusal
from airflow_provider_mparticle.simulator.resources import Kind, Resources
from airflow_provider_mparticle.simulator.run_history import RunHistory
from airflow_provider_mparticle.simulator.run_reads import read, window
from airflow_provider_mparticle.simulator.runs import Run, Script, read_errors, read_steps, run_v1, run_v2, usual_steps
from airflow_provider_mparticle.simulator.sample_resources import missing_references
from airflow_provider_mparticle.simulator.sample_runs import life, read_instants
from airflow_provider_mparticle.simulator.timestamps import cut, unix
from airflow_provider_mparticle.simulator.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airflow_provider_mparticle.simulator.habits import Habits


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
        self._created: dict[str, float] = {}
        self._history = RunHistory()

    # Pipelines

    def create_pipeline(self, body: JsonObject) -> JsonObject:
        """Create a pipeline. For a while its status may answer 404 (v1 reference, "Create a pipeline")."""
        pipeline = self.resources.create(Kind.PIPELINE, body)
        self._created[pipeline["id"]] = self._clock()
        return pipeline

    def delete_pipeline(self, pipeline_id: str) -> None:
        """Delete a pipeline and its runs, unless one is in progress."""
        self.resources.stored(Kind.PIPELINE, pipeline_id)
        if self._in_progress(pipeline_id):
            raise Refusal(422, f"Pipeline {pipeline_id} has a run in progress.")
        self.resources.delete(Kind.PIPELINE, pipeline_id)
        self._history.forget(pipeline_id)

    def add_pipeline(self, pipeline_id: str, **fields: Any) -> JsonObject:
        """Create a full, on-demand pipeline, and all missing resources that it refers to."""
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
        for kind, resource in missing_references(self.resources, body):
            self.resources.create(kind, resource)
        return self.create_pipeline(body)

    # Runs, as a caller of the API sees them

    def trigger(self, pipeline_id: str) -> Run:
        """Start a run. Answer 400 if the pipeline is not idle (v1 reference, "Trigger an on-demand pipeline")."""
        pipeline = self.resources.stored(Kind.PIPELINE, pipeline_id)
        if self._in_progress(pipeline_id):
            raise Refusal(400, f"Pipeline {pipeline_id} is already in progress.")
        if pipeline["state"] == "paused":
            raise Refusal(422, f"Pipeline {pipeline_id} is paused.")
        script = self._history.take_script(pipeline_id) or Script(usual_steps(self.habits.run_s))
        run = self._append(pipeline_id, script)
        self._history.starts[pipeline_id] += 1
        return run

    def status(self, pipeline_id: str) -> JsonObject:
        """Return the status of a pipeline and of the resources it depends on, with its latest run by logical date."""
        pipeline = self.resources.stored(Kind.PIPELINE, pipeline_id)
        if self._clock() < self._created[pipeline_id] + self.habits.status_404_s:
            raise Refusal(404, f"The pipeline {pipeline_id!r} has no status yet.")
        newest = self._listed(pipeline_id)
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
        """Return a page of the runs whose logical date is in the window (v1, "Get the status of all runs")."""
        self.resources.stored(Kind.PIPELINE, pipeline_id)
        chosen = [
            run
            for run in self._listed(pipeline_id)
            if (since is None or run.logical >= since) and (until is None or run.logical <= until)
        ]
        first = (page - 1) * page_size
        return [self.show(run) for run in chosen[first : first + page_size]]

    def get_run(self, pipeline_id: str, run_id: str) -> JsonObject:
        """Return one run, or 404 if the pipeline does not have it."""
        self.resources.stored(Kind.PIPELINE, pipeline_id)
        for run in self._newest_first(pipeline_id):
            if str(run.run_id) == run_id and not run.script.answer_404:
                return self.show(run)
        raise Refusal(404, f"The pipeline {pipeline_id!r} has no run {run_id}.")

    def show(self, run: Run) -> JsonObject:
        """Return a run in its current state, with the field names of the layout."""
        return (run_v1 if self.habits.layout == "v1" else run_v2)(run, self._now())

    # Runs, for the author of a test

    def starts(self, pipeline_id: str) -> int:
        """Return how many runs the trigger route has started, for this pipeline and deleted ones with the same id."""
        return self._history.starts[pipeline_id]

    def runs(self, pipeline_id: str) -> list[JsonObject]:
        """Return every run in the order of creation, including runs that the routes hide."""
        return [run_v2(run, self._now()) for run in self._history.of(pipeline_id)]

    def overview(self) -> dict[str, JsonObject]:
        """Return for each pipeline its state, its number of starts, and the id and state of its latest run."""
        return {one["id"]: self._summary(one) for one in self.resources.list_all(Kind.PIPELINE)}

    def script_next_run(
        self,
        pipeline_id: str,
        states: Iterable[Iterable[Any]] | None = None,
        *,
        errors: Iterable[Any] = (),
        **behaviour: Any,
    ) -> None:
        """Set how the next run behaves. More calls are for later runs. With only *errors* the run fails."""
        reasons = read_errors(errors)
        usual = usual_steps(self.habits.run_s, "failed" if reasons else "success")
        script = Script(usual if states is None else read_steps(states), reasons, **behaviour)
        self._history.add_script(pipeline_id, script)

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
        """Add a run without a trigger: one that ended a long time ago, or that has been in progress for a minute."""
        self.resources.stored(Kind.PIPELINE, pipeline_id)
        times = read_instants(instants)
        started, steps = life(state, self._clock(), self.habits.run_s, times, (ends_in_s, ends_as))
        script = Script(steps, read_errors(errors), successful_records, failed_records)
        return run_v2(self._append(pipeline_id, script, type, started, times), self._now())

    def end_runs(self, state: str) -> int:
        """End every run in progress now, and return their number."""
        return self._history.end_all(state, self._now())

    # The warehouse

    def add_source(self, table: str, rows: Iterable[Mapping[str, Any]], key: str = "id") -> None:
        """Add rows to a source table. Runs that read later see them."""
        self.settle()
        self._warehouse.add(table, rows, key)

    def ingested(self, pipeline_id: str | None = None) -> dict[Any, int]:
        """Return how often each row of the sources was ingested by successful runs."""
        now = self._now()
        runs = [run for run in self._history.made if pipeline_id in (None, run.pipeline_id)]
        if pipeline_id is not None and not runs:
            self.resources.stored(Kind.PIPELINE, pipeline_id)
        times = Counter(key for run in runs if run.reading and run.succeeded(now) for key in run.reading.keys)
        return {key: times[key] for key in self._warehouse.all_keys()}

    def settle(self) -> None:
        """Do the reads that are due. Call this before changing anything that they depend on."""
        self._now()

    def _now(self) -> float:
        """Return the current time, after doing all reads that are due."""
        now = self._clock()
        for run in self._history.take_due(now):
            self._read(run)
        return now

    def _read(self, run: Run) -> None:
        pipeline = self.resources.stored(Kind.PIPELINE, run.pipeline_id)
        model = self.resources.stored(Kind.DATA_MODEL, pipeline["data_model_id"])
        at_start = run.is_first and self.habits.from_is_inclusive
        part = window(pipeline["sync_mode"], run.range_start, run.range_end, at_start=at_start)
        run.reading = read(self._warehouse, model["config"]["sql_query"], part)

    # Inside

    def _append(
        self,
        pipeline_id: str,
        script: Script,
        type: str = "manual",  # noqa: A002 - the name of the field
        started: float | None = None,
        times: Mapping[str, float | None] | None = None,
    ) -> Run:
        instants = times or {}
        began = cut(self._clock() if started is None else started)
        logical = instants.get("logical_date") or began
        last = self._history.last_success(pipeline_id, began, self._now())
        begin = instants.get("range_start") if "range_start" in instants else self._range_start(pipeline_id, last)
        end = instants.get("range_end") or logical
        run_id = self._history.next_id
        run = Run(run_id, pipeline_id, type, began, logical, begin, end, script, is_first=last is None)
        self._history.add(run)
        return run

    def _range_start(self, pipeline_id: str, last: Run | None) -> float | None:
        """Return where an incremental run begins: after the last success (sync mode in the pipeline reference)."""
        mode = self.resources.stored(Kind.PIPELINE, pipeline_id)["sync_mode"]
        if mode["type"] == "full":
            return None
        return last.range_end if last else unix(mode.get("from"), "sync_mode.from")

    def _in_progress(self, pipeline_id: str) -> bool:
        return self._history.in_progress(pipeline_id, self._now())

    def _newest_first(self, pipeline_id: str) -> list[Run]:
        return self._history.newest_first(pipeline_id, self._now())

    def _listed(self, pipeline_id: str) -> list[Run]:
        """Return the runs that the list and the status show now, newest first."""
        began_by = self._now() - self.habits.list_lag_s
        return [run for run in self._newest_first(pipeline_id) if run.started <= began_by]

    def _status_of(self, kind: Kind, resource_id: str) -> str:
        return str(self.resources.stored(kind, resource_id)["status"])

    def _summary(self, pipeline: JsonObject) -> JsonObject:
        newest = self._newest_first(pipeline["id"])[:1]
        return {
            "state": pipeline["state"],
            "starts": self.starts(pipeline["id"]),
            "latest_run": {run.run_id: run.state(self._now()) for run in newest},
        }
