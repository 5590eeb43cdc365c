"""
Runs short deferred tasks on a real Airflow, with LocalExecutor and with CeleryExecutor. No task may fail.

Airflow 3's scheduler fails a task that is resumed before the executor has reported the exit of its process. Run this
with ``make race``. It ends by itself, uses only this machine, and prints a table of results.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_mparticle.simulator import Fault, Simulator
from dev.celery_airflow import celery_airflow
from dev.postgres import postgres
from dev.run_plan import run_plan, table
from dev.standalone import StandaloneAirflow, standalone_airflow

DAG_ID = "race"
DAG = """
from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator

with DAG("race", schedule=None, start_date=datetime(2026, 1, 1), max_active_tasks={tasks}):
    MParticleTriggerPipelineOperator.partial(
        task_id="sync", deferrable=True, poll_interval={poll_interval_s}, retries=0
    ).expand(pipeline_id=[f"pipeline-{{number}}" for number in range({tasks})])
"""
# The scheduler logs this when it fails a task whose run may have succeeded.
MISMATCH = "but the task instance's state attribute is"


@dataclass(frozen=True)
class Plan:
    """
    How many tasks there are, how long their runs take, how often they are polled, and how often the DAG runs.

    :param is_celery: On CeleryExecutor with two workers and two triggerers, instead of LocalExecutor.
    :param login_s: How long mParticle takes for a login; the real one takes 1 to 3 s.
    :param of_triggerers: More environment variables for the triggerers.
    """

    tasks: int
    is_celery: bool = False
    run_s: float = 3.5
    poll_interval_s: float = 1.0
    dag_runs: int = 1
    parallelism: int = 8
    ends_within_s: float = 900.0
    login_s: float = 0.0
    of_triggerers: Mapping[str, str] = field(default_factory=dict)


# In the second run of the DAG each pipeline has an earlier run, so the worker knows how long one takes.
FULL = (Plan(tasks=100, dag_runs=2), Plan(tasks=100, dag_runs=2, is_celery=True))
# A loaded machine may stop a scheduler for longer than the default margin, so triggers hold their events back longer.
PATIENT = {"AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "40"}
SHORT = (Plan(tasks=24, of_triggerers=PATIENT), Plan(tasks=16, is_celery=True, of_triggerers=PATIENT))


@dataclass
class Figures:
    """The results of the tasks in all runs of the DAG."""

    plan: Plan
    states: Counter[str] = field(default_factory=Counter)
    starts: Counter[int] = field(default_factory=Counter)
    mismatches: int = 0
    deferrals: int = 0
    logins: int = 0
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether every task succeeded, and every pipeline got one run for each run of the DAG."""
        return set(self.states) == {"success"} and set(self.starts) == {self.plan.dag_runs} and not self.mismatches

    def table(self) -> str:
        """Return the figures as a table."""
        rows = {
            "executor": "Celery" if self.plan.is_celery else "Local",
            "seconds that a run takes": self.plan.run_s,
            "poll_interval, in seconds": self.plan.poll_interval_s,
            "runs of the DAG": self.plan.dag_runs,
            "tasks": sum(self.states.values()),
            "tasks that deferred": self.deferrals,
            "tasks that succeeded": self.states["success"],
            "tasks that ended otherwise": sum(self.states.values()) - self.states["success"],
            "failed by the scheduler in mid-run": self.mismatches,
            "pipelines with one run per task": self.starts[self.plan.dag_runs],
            "logins": self.logins,
            "seconds for all": f"{self.seconds:.0f}",
        }
        return table(rows)


def race(plans: Sequence[Plan], folder: Path) -> list[Figures]:
    """Let many short runs end soon after their tasks are deferred, without retries."""
    return [_race(plan, folder / str(number)) for number, plan in enumerate(plans)]


def _race(plan: Plan, folder: Path) -> Figures:
    dags = folder / "dags"
    dags.mkdir(parents=True)
    (dags / "race.py").write_text(DAG.format(tasks=plan.tasks, poll_interval_s=plan.poll_interval_s))
    with Simulator(run_s=plan.run_s) as simulator:
        simulator.inject(Fault(path="/oauth/token", latency_s=plan.login_s, times=None))
        for number in range(plan.tasks):
            simulator.add_pipeline(f"pipeline-{number}")
            # However slow a worker is, its run is in progress at its poll, so that it defers.
            simulator.inject(Fault(path=f"/pipeline-{number}/status/runs/", body={"status": "running"}))
        connection = simulator.airflow_connection_json()
        with _airflow(plan, folder, dags, AIRFLOW_CONN_MPARTICLE_DEFAULT=connection) as airflow:
            figures = _run(plan, airflow)
        figures.logins = simulator.tokens_minted
        figures.starts.update(simulator.starts(f"pipeline-{number}") for number in range(plan.tasks))
        return figures


@contextmanager
def _airflow(plan: Plan, folder: Path, dags: Path, **environment: str) -> Iterator[StandaloneAirflow]:
    if plan.is_celery:
        slots = plan.parallelism // 2
        of_component = {f"triggerer-{number}": plan.of_triggerers for number in (1, 2)}
        size: dict[str, Any] = {"workers": 2, "slots": slots, "triggerers": 2}
        with celery_airflow(folder, dags, **size, of_component=of_component, **environment) as airflow:
            yield airflow
        return
    with postgres(folder / "database") as database:
        environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = database
        environment["AIRFLOW__CORE__PARALLELISM"] = str(plan.parallelism)
        of_component = {"triggerer": plan.of_triggerers}
        with standalone_airflow(folder / "airflow", dags, of_component=of_component, **environment) as airflow:
            yield airflow


def _run(plan: Plan, airflow: StandaloneAirflow) -> Figures:
    figures, began = Figures(plan), time.monotonic()
    for _ in range(plan.dag_runs):
        run_id = airflow.trigger(DAG_ID)
        airflow.wait_for_end(DAG_ID, run_id, plan.ends_within_s)
        figures.states.update(str(task["state"]) for task in airflow.tasks(DAG_ID, run_id).values())
    figures.seconds = time.monotonic() - began
    figures.mismatches = (airflow.home / "scheduler.log").read_text().count(MISMATCH)
    figures.deferrals = sum("Pausing task as DEFERRED" in log for log in airflow.logs_of(DAG_ID))
    return figures


def report(found: list[Figures]) -> tuple[str, bool]:
    """Return the tables, with states and starts if they are wrong, and whether the result is good."""
    wrong = [figures for figures in found if not figures.is_good]
    tables = [figures.table() for figures in found]
    return "\n\n".join([*tables, *(f"Not good: {figures}" for figures in wrong)]), not wrong


if __name__ == "__main__":
    sys.exit(run_plan(race, report, FULL, SHORT))
