"""Runs the main job on a real Airflow: creates a pipeline, starts one run, and waits for it in the triggerer."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from airflow_provider_mparticle.simulator import Simulator
from dev.example_airflow import example_airflow
from dev.standalone import StandaloneAirflow

HOME = Path(__file__).parents[1] / ".demo"
DAG_ID = "mparticle_create_and_run_pipeline"
PIPELINE_ID = "orders-on-demand"
RUN_S = 8.0
# Only a hang takes as long as this.
ENDS_WITHIN_S = 600.0


class Timeline:
    """Prints events with the seconds since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Print one line."""
        print(f"{time.monotonic() - self._began:6.1f} s  {text}", flush=True)


def main() -> int:
    """Run the demo, and return the exit code: 0 if one run was started and the task succeeded."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that Airflow's processes end too
    shutil.rmtree(HOME, ignore_errors=True)
    timeline = Timeline()
    with Simulator(run_s=RUN_S) as simulator:
        simulator.add_pipeline("orders")  # with the warehouse connection and the data model that the DAG names
        timeline.say(f"mParticle simulator at {simulator.url}, workspace {simulator.workspace_id}")
        with example_airflow(HOME, simulator, "create_and_run_pipeline.py") as airflow:
            timeline.say("Airflow is up: API server, scheduler, DAG processor, triggerer")
            state = _run(airflow, timeline)
        return _report(simulator, state)


def _run(airflow: StandaloneAirflow, timeline: Timeline) -> str:
    run_id = airflow.trigger(DAG_ID)
    timeline.say(f"DAG {DAG_ID} started")
    for task_id, state in _changes(airflow, run_id):
        timeline.say(f"task {task_id:<7} {state}")
    state = airflow.dag_run_state(DAG_ID, run_id)
    timeline.say(f"DAG run {state}")
    if state == "success":
        run = airflow.xcom(DAG_ID, run_id, "sync")
        timeline.say(
            f"run {run['pipeline_run_id']} of pipeline {run['pipeline_id']!r}: {run['state']}, "
            f"{run['successful_records']} records ingested, {run['failed_records']} rejected"
        )
    return state


def _changes(airflow: StandaloneAirflow, run_id: str) -> Iterator[tuple[str, str]]:
    """Yield each new state of a task, until the DAG run has ended."""
    seen: set[tuple[str, str]] = set()
    give_up_at = time.monotonic() + ENDS_WITHIN_S
    ended = False
    while not ended and time.monotonic() < give_up_at:
        ended = airflow.dag_run_state(DAG_ID, run_id) in ("success", "failed")
        for task_id, ti in airflow.tasks(DAG_ID, run_id).items():
            change = (task_id, ti["state"])
            if ti["state"] in ("running", "deferred", "success", "failed", "up_for_retry") and change not in seen:
                seen.add(change)
                yield change
        time.sleep(0.2)


def _report(simulator: Simulator, state: str) -> int:
    paths = Counter(
        f"{request['method']} {request['path'].removeprefix(f'/platform/v2/workspaces/{simulator.workspace_id}')}"
        for request in simulator.requests
    )
    print("\nRequests to mParticle:")
    for path, times in paths.items():
        print(f"  {times:3d} x  {path}")
    print(f"Tokens minted: {simulator.tokens_minted} (one for each process)")
    starts = simulator.starts(PIPELINE_ID)
    print(f"Runs started:  {starts}")
    if (state, starts) == ("success", 1):
        print("\nIt works: one run was started, and the task waited for it without a worker slot.")
        return 0
    print(f"\nIt does not work: the DAG run is {state}, {starts} runs were started. Logs: {HOME}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
