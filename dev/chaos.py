"""
Injects faults into a real Airflow: kills workers and the triggerer, and stops mParticle.

Every task must succeed, and each pipeline must get exactly one run. Run it with ``make chaos``. It ends by itself, uses
only this machine, and prints a table of results.
"""

from __future__ import annotations

import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from airflow_provider_mparticle.simulator import Fault, Simulator
from dev.postgres import postgres
from dev.run_plan import run_plan, table
from dev.standalone import LOSSES_NOTICED_SOON, StandaloneAirflow, standalone_airflow

DAG_ID = "chaos"
DAG = """
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator

with DAG("chaos", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
    for number in range({tasks}):
        MParticleTriggerPipelineOperator(
            task_id=f"sync_{{number}}",
            pipeline_id=f"pipeline-{{number}}",
            deferrable=number % 2 == 0,
            poll_interval=1,
            retries=20,
            retry_delay=timedelta(seconds=5),
        )
"""
Database = Callable[[Path], AbstractContextManager[str]]


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    """Yield SQLAlchemy's address of a database file in *folder*."""
    folder.mkdir()
    yield f"sqlite:///{folder}/airflow.db"


# The process of a task has the id of the task instance in its name. Its parent is the worker of the executor.
TASK_PROCESS = re.compile(r"^airflow worker -- ([0-9a-f-]{36})")

# Time until mParticle answers a trigger request, so that a worker can die after the start and before the answer.
TRIGGER_LATENCY_S = 1.0
ENDS_WITHIN_S = 1200.0
# The runs of a deferrable and of a blocking task that continue until the faults have happened, however slow all is.
HELD = ("pipeline-0", "pipeline-1")


@dataclass(frozen=True)
class Plan:
    """The number of tasks and faults, the durations, and the metadata database of Airflow."""

    tasks: int
    kills: int
    triggerer_kills: int
    away_s: float
    run_s: float
    seed: int
    parallelism: int
    database: Database
    list_lag_s: float = 20.0


# SQLite can serve only a few tasks at the same time.
FULL = Plan(
    tasks=48, kills=45, triggerer_kills=5, away_s=60.0, run_s=30.0, seed=20261127, parallelism=8, database=postgres
)
SHORT = Plan(
    tasks=6,
    kills=8,
    triggerer_kills=1,
    away_s=8.0,
    run_s=12.0,
    seed=20261122,
    parallelism=4,
    database=sqlite,
    list_lag_s=5.0,
)


@dataclass
class Figures:
    """The faults and the results."""

    killed: Counter[str] = field(default_factory=Counter)
    triggerers_killed: int = 0
    away_s: float = 0.0
    states: Counter[str] = field(default_factory=Counter)
    tries: int = 0
    starts: dict[str, int] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether every task succeeded, and every pipeline got exactly one run."""
        return set(self.states) == {"success"} and set(self.starts.values()) == {1}

    def table(self) -> str:
        """Return the figures as a table."""
        rows = {
            "task processes killed (SIGKILL)": self.killed["task"],
            "executor workers killed (SIGKILL)": self.killed["worker"],
            "  of these in blocking tasks": self.killed["blocking"],
            "  of these in deferrable tasks": self.killed["deferrable"],
            "triggerers killed (SIGKILL)": self.triggerers_killed,
            "seconds without mParticle": f"{self.away_s:.0f}",
            "tasks": sum(self.states.values()),
            "tries of all tasks": self.tries,
            "tasks that succeeded": self.states["success"],
            "tasks that ended otherwise": sum(self.states.values()) - self.states["success"],
            "pipelines": len(self.starts),
            "runs started": sum(self.starts.values()),
            "pipelines with exactly one run": sum(1 for starts in self.starts.values() if starts == 1),
        }
        return table(rows)


def chaos(plan: Plan, folder: Path) -> Figures:
    """Run *plan* with an Airflow and a database whose files are in *folder*."""
    dags = folder / "dags"
    dags.mkdir(parents=True)
    (dags / "chaos.py").write_text(DAG.format(tasks=plan.tasks))
    with (
        Simulator(run_s=plan.run_s, list_lag_s=plan.list_lag_s) as simulator,
        plan.database(folder / "database") as database,
    ):
        for number in range(plan.tasks):
            simulator.add_pipeline(f"pipeline-{number}")
        for pipeline in HELD:
            simulator.script_next_run(pipeline, [("running", None)])
        simulator.inject(Fault(path="/trigger", latency_s=TRIGGER_LATENCY_S, times=None))
        environment = {
            "AIRFLOW_CONN_MPARTICLE_DEFAULT": simulator.airflow_connection_json(),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__CORE__PARALLELISM": str(plan.parallelism),
            **LOSSES_NOTICED_SOON,
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
        }
        with standalone_airflow(folder / "airflow", dags, **environment) as airflow:
            return _Chaos(plan, airflow, simulator).run()


class _Chaos:
    def __init__(self, plan: Plan, airflow: StandaloneAirflow, simulator: Simulator) -> None:
        self._plan = plan
        self._airflow = airflow
        self._simulator = simulator
        self._random = random.Random(plan.seed)  # noqa: S311 - not for secrets
        self._figures = Figures()

    def run(self) -> Figures:
        run_id = self._airflow.trigger(DAG_ID)
        with suppress(TimeoutError):
            self._airflow.wait_until(lambda: self._is_over(run_id), ENDS_WITHIN_S)
        return self._count(run_id)

    def _is_over(self, run_id: str) -> bool:
        """Inject the faults that are due, and return whether the DAG run has ended."""
        if sum(self._kills()) < self._plan.kills:
            self._kill_a_task(run_id)
        are_triggerers_killed = self._figures.triggerers_killed == self._plan.triggerer_kills
        if self._is_time(1 / 3) and not are_triggerers_killed:
            self._kill_the_triggerer(run_id)
        if self._is_time(1 / 2) and not self._figures.away_s:
            self._take_mparticle_away()
        if are_triggerers_killed and self._figures.away_s:
            self._simulator.end_runs()
        return self._airflow.dag_run_state(DAG_ID, run_id) in ("success", "failed")

    def _kills(self) -> tuple[int, int]:
        return self._figures.killed["task"], self._figures.killed["worker"]

    def _is_time(self, share: float) -> bool:
        return sum(self._kills()) >= self._plan.kills * share

    def _kill_a_task(self, run_id: str) -> None:
        """Kill the process of a task, or the executor's worker with it, after a random moment of its life."""
        victims = [(p, m[1]) for p in psutil.process_iter() if (m := TASK_PROCESS.match(_command(p))) and self._ours(p)]
        if not victims:
            return
        # A deferrable task's process lives for a second or two, so it comes first.
        deferrable = [(p, ti_id) for p, ti_id in victims if self._mode(run_id, ti_id) == "deferrable"]
        process, ti_id = self._random.choice(deferrable or victims)
        time.sleep(self._random.uniform(0.0, 1.5))
        try:
            if self._random.random() < 0.25:
                process.parent().send_signal(signal.SIGKILL)
                process.send_signal(signal.SIGKILL)
                kind = "worker"
            else:
                process.send_signal(signal.SIGKILL)
                kind = "task"
        except (psutil.NoSuchProcess, AttributeError):
            return  # it has ended meanwhile
        self._figures.killed[kind] += 1
        self._figures.killed[self._mode(run_id, ti_id)] += 1

    def _ours(self, process: psutil.Process) -> bool:
        try:
            return self._airflow.pid_of("scheduler") in (parent.pid for parent in process.parents())
        except psutil.NoSuchProcess:
            return False

    def _mode(self, run_id: str, ti_id: str) -> str:
        number = next(
            (int(task.rpartition("_")[2]) for task, ti in self._tasks(run_id).items() if ti["id"] == ti_id), 1
        )
        return "deferrable" if number % 2 == 0 else "blocking"

    def _tasks(self, run_id: str) -> dict[str, dict[str, str]]:
        return self._airflow.tasks(DAG_ID, run_id)

    def _kill_the_triggerer(self, run_id: str) -> None:
        if not any(ti["state"] == "deferred" for ti in self._tasks(run_id).values()):
            return
        self._airflow.kill_component("triggerer")
        self._figures.triggerers_killed += 1
        time.sleep(self._random.uniform(0.5, 3.0))
        self._airflow.start_component("triggerer")

    def _take_mparticle_away(self) -> None:
        self._simulator.stop()
        time.sleep(self._plan.away_s)
        self._simulator.start()
        self._figures.away_s = self._plan.away_s

    def _count(self, run_id: str) -> Figures:
        tasks = self._tasks(run_id)
        self._figures.states.update(str(ti["state"]) for ti in tasks.values())
        self._figures.tries = sum(int(ti["try_number"]) for ti in tasks.values())
        pipelines = (f"pipeline-{number}" for number in range(self._plan.tasks))
        self._figures.starts = {pipeline: self._simulator.starts(pipeline) for pipeline in pipelines}
        return self._figures


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def report(figures: Figures) -> tuple[str, bool]:
    """Return the table, with states and starts if they are wrong, and whether the result is good."""
    problem = "" if figures.is_good else f"\nNot good: {dict(figures.states)}, starts {figures.starts}"
    return figures.table() + problem, figures.is_good


if __name__ == "__main__":
    sys.exit(run_plan(chaos, report, FULL, SHORT))
