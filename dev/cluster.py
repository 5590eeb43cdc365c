"""
Injects faults into an Airflow with CeleryExecutor, two workers, two triggerers, and a broker, as on several machines.

A worker and a triggerer are killed, the others are restarted with SIGTERM, and mParticle is stopped for a while. Two
backfills run at the same time, and a task of one is killed. Run it with ``make cluster``. It ends by itself, uses only
this machine, and prints a table of results. Every pipeline must get exactly one run for each task, and every task must
succeed.
"""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_mparticle.runs.run_matching import LATE_S
from airflow_provider_mparticle.simulator import Simulator
from dev import backfill
from dev.celery_airflow import celery_airflow
from dev.processes import memory_of
from dev.race import MISMATCH
from dev.run_plan import run_plan, table
from dev.simulator_process import simulator_process
from dev.soak_figures import MEGABYTE
from dev.standalone import LOSSES_NOTICED_SOON, TRIGGERERS_NOTICED_SOON, Found, StandaloneAirflow

DAG_ID = "cluster"
DAG = """
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator

with DAG("cluster", schedule=None, start_date=datetime(2026, 1, 1), max_active_tasks={tasks}):
    for number in range({tasks}):
        MParticleTriggerPipelineOperator(
            task_id=f"sync_{{number}}",
            pipeline_id=f"pipeline-{{number}}",
            deferrable=number % {every_blocking} != 0,
            poll_interval=2,
            retries=10,
            retry_delay=timedelta(seconds=5),
        )
"""
WORKERS = 2
TRIGGERERS = 2
SAMPLED_EVERY_S = 3.0
ENDED = ("success", "failed")
# The name of an error's class in the log of a try.
LOGGED_ERROR = re.compile(r'"exc_type":\s*"(\w+)"')
NO_WORD = "its worker was killed"


@dataclass(frozen=True)
class Plan:
    """
    The number of tasks and faults, and the durations.

    :param tasks: Number of tasks. Each starts one run of its own pipeline and waits for it.
    :param every_blocking: One of so many tasks does not defer.
    :param run_s: Duration of a run of these pipelines, in seconds.
    :param waits_lost: Number of waits of the triggerer when it is killed.
    :param days: Number of slices of each backfill.
    :param limits: Settings for how soon Airflow notices lost processes. Default: those of Airflow.
    """

    tasks: int
    every_blocking: int
    run_s: float
    waits_lost: int
    away_s: float
    days: int
    slots: int = 4
    limits: Mapping[str, str] = field(default_factory=dict)
    ends_within_s: float = 840.0

    @property
    def grace_s(self) -> float:
        """How long a worker may take to end: a task may look for the run of a lost try, then wait for a run."""
        return LATE_S + self.run_s + 60.0

    @property
    def backfills(self) -> tuple[backfill.Plan, ...]:
        """One backfill with blocking tasks, one of which is killed, and one with deferrable tasks, backwards."""
        return (
            backfill.Plan("forwards", '"@daily"', self.days, granularity="day", retries=10, kills_at=self.days // 2),
            backfill.Plan(
                "backwards",
                '"@daily"',
                self.days,
                granularity="day",
                retries=10,
                deferrable=True,
                options=("--run-backwards", "--max-active-runs", "2"),
            ),
        )


FULL = Plan(tasks=72, every_blocking=6, run_s=60.0, waits_lost=15, away_s=30.0, days=10)
SHORT = Plan(
    tasks=24,
    every_blocking=6,
    run_s=30.0,
    waits_lost=3,
    away_s=8.0,
    days=3,
    limits={
        **LOSSES_NOTICED_SOON,
        **TRIGGERERS_NOTICED_SOON,
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "30",
        "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
    },
    ends_within_s=240.0,
)


@dataclass(frozen=True)
class TakeOver:
    """The number of waits of a triggerer at its end, and the time until another triggerer had all of them."""

    waits: int = 0
    seconds: float = 0.0


@dataclass
class Figures:
    """The faults and the results."""

    plan: Plan
    states: Counter[str] = field(default_factory=Counter)
    starts: Counter[int] = field(default_factory=Counter)
    further_tries: Counter[str] = field(default_factory=Counter)
    tasks_lost: int = 0
    lost: TakeOver = TakeOver()
    left: TakeOver = TakeOver()
    stopped: int = 0
    killed_late: int = 0
    away_s: float = 0.0
    mismatches: int = 0
    logins: int = 0
    connections: int = 0
    memory: dict[str, int] = field(default_factory=dict)
    backfills: list[backfill.Figures] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether every fault happened, every task succeeded, and every pipeline got one run for each task."""
        plan = self.plan
        all_happened = self.tasks_lost and self.lost.waits and self.stopped == 2 and self.away_s
        return bool(
            all_happened
            and self.states == Counter(success=plan.tasks)
            and self.starts == Counter({1: plan.tasks})
            and not self.mismatches
            and all(figures.is_good for figures in self.backfills)
            and sum(figures.kills for figures in self.backfills)
        )

    def table(self) -> str:
        """Return the figures as a table."""
        tasks, slices = self.plan.tasks, sum(figures.plan.days for figures in self.backfills)
        rows: dict[str, Any] = {
            "tasks, and slices of two backfills": f"{tasks} + {slices}",
            "  green": f"{self.states['success']} + {sum(f.states['success'] for f in self.backfills)}",
            "pipelines with exactly one run": self.starts[1],
            "  with none or several": tasks - self.starts[1],
            "slices with exactly one run": f"{sum(f.starts - f.failed_runs for f in self.backfills)} of {slices}",
            "rows of history ingested once": sum(f.times_ingested[1] for f in self.backfills),
            "  never or repeatedly": sum(f.times_ingested.total() - f.times_ingested[1] for f in self.backfills),
            "tasks on the worker that was killed": self.tasks_lost,
            "waits in the triggerer that was killed": self.lost.waits,
            "  seconds until the other had them": f"{self.lost.seconds:.0f}",
            "waits in the triggerer that was stopped (SIGTERM)": self.left.waits,
            "  seconds until the other had these": f"{self.left.seconds:.0f}",
            "machines stopped (SIGTERM) and started again": self.stopped,
            f"  of these killed after {self.plan.grace_s:.0f} s": self.killed_late,
            "tasks of backfills killed": sum(f.kills for f in self.backfills),
            "seconds without mParticle": f"{self.away_s:.0f}",
            "further tries": self.further_tries.total(),
            **{f"  after {cause}": tries for cause, tries in self.further_tries.most_common()},
            "failed by the scheduler in mid-run": self.mismatches,
            "logins": self.logins,
            "TCP connections to mParticle": self.connections,
            **{f"memory of {name} (PSS, MB)": size // MEGABYTE for name, size in self.memory.items()},
            "seconds for all": f"{self.seconds:.0f}",
        }
        return table(rows)


def cluster(plan: Plan, folder: Path) -> Figures:
    """Run *plan* with an Airflow, a database and a broker whose files are in *folder*."""
    dags = folder / "dags"
    dags.mkdir(parents=True)
    (dags / "cluster.py").write_text(DAG.format(tasks=plan.tasks, every_blocking=plan.every_blocking))
    backfill.write_dags(plan.backfills, dags)
    with simulator_process(run_s=backfill.RUN_S) as simulator:
        backfill.prepare(plan.backfills, simulator)
        for number in range(plan.tasks):
            simulator.add_pipeline(f"pipeline-{number}")
            simulator.script_next_run(f"pipeline-{number}", [("running", plan.run_s), ("success", None)])
        connection = simulator.airflow_connection_json()
        with celery_airflow(
            folder,
            dags,
            workers=WORKERS,
            slots=plan.slots,
            triggerers=TRIGGERERS,
            AIRFLOW_CONN_MPARTICLE_DEFAULT=connection,
            **plan.limits,
        ) as airflow:
            return _Cluster(plan, airflow, simulator).run()


class _Cluster:
    def __init__(self, plan: Plan, airflow: StandaloneAirflow, simulator: Simulator) -> None:
        self._plan = plan
        self._airflow = airflow
        self._simulator = simulator
        self._figures = Figures(plan)
        self._memory: Counter[str] = Counter()
        self._run_id = ""

    def run(self) -> Figures:
        began = time.monotonic()
        self._run_id = self._airflow.trigger(DAG_ID)
        backfills = backfill.Backfills(self._airflow, self._simulator, self._plan.backfills)
        with ThreadPoolExecutor(1) as pool:
            backfilled = pool.submit(backfills.run)
            lost_worker = self._lose_a_worker()
            lost_triggerer = self._lose_a_triggerer()
            self._take_mparticle_away()
            self._figures.left = self._end(self._other(lost_triggerer), self._stop)
            self._stop(self._other(lost_worker))
            self._airflow.start_component(self._other(lost_worker))
            with contextlib.suppress(TimeoutError):  # the table shows what has not ended
                self._wait_for(lambda: self._is_over(backfilled), "the end of all", self._plan.ends_within_s)
            self._figures.backfills = backfilled.result()
        self._figures.seconds = time.monotonic() - began
        self._count()
        return self._figures

    def _lose_a_worker(self) -> str:
        """Kill a worker that waits for a run, start it again, and return its name."""
        workers = self._machines("worker")
        lost = self._wait_for(lambda: next(filter(self._waits_for_a_run, workers), None), "a blocking task with a run")
        self._figures.tasks_lost = len(self._tasks_on(lost))
        self._airflow.kill_component(lost)
        self._airflow.start_component(lost)
        return lost

    def _tasks_on(self, worker: str) -> list[str]:
        running = [(name, ti) for name, ti in self._tasks().items() if ti["state"] == "running"]
        return [name for name, ti in running if ti["hostname"] == worker]

    def _waits_for_a_run(self, worker: str) -> bool:
        numbers = (int(name.rpartition("_")[2]) for name in self._tasks_on(worker))
        blocking = (number for number in numbers if number % self._plan.every_blocking == 0)
        return any(self._simulator.starts(f"pipeline-{number}") for number in blocking)

    def _lose_a_triggerer(self) -> str:
        """Kill a triggerer with many waits, start it again when the other one has these waits, and return its name."""
        triggerers = self._machines("triggerer")
        lost = self._wait_for(lambda: next(filter(self._has_many_waits, triggerers), None), "a triggerer with waits")
        self._figures.lost = self._end(lost, self._airflow.kill_component)
        return lost

    def _has_many_waits(self, triggerer: str) -> bool:
        return len(self._waits_of(triggerer)) >= self._plan.waits_lost

    def _end(self, triggerer: str, end: Callable[[str], None]) -> TakeOver:
        """Stop a triggerer, start it again when the other one has its waits, and return how long that took."""
        waits, began = self._waits_of(triggerer), time.monotonic()
        end(triggerer)
        self._wait_for(lambda: not waits & self._waits_of(triggerer), f"the other triggerer to take over {waits}")
        seconds = time.monotonic() - began
        self._airflow.start_component(triggerer)
        return TakeOver(len(waits), seconds)

    def _machines(self, kind: str) -> list[str]:
        """Return the workers, or the triggerers. Chance decides which of the triggerers takes a wait."""
        return [component for component in self._airflow.components if component.startswith(f"{kind}-")]

    def _other(self, machine: str) -> str:
        return next(other for other in self._machines(machine.partition("-")[0]) if other != machine)

    def _waits_of(self, machine: str) -> set[str]:
        """Return the tasks that wait in a triggerer."""
        deferred = [(name, ti) for name, ti in self._tasks().items() if ti["state"] == "deferred"]
        return {name for name, ti in deferred if (ti["triggerer_job"] or {}).get("hostname") == machine}

    def _take_mparticle_away(self) -> None:
        self._simulator.stop()
        time.sleep(self._plan.away_s)
        self._simulator.start()
        self._figures.away_s = self._plan.away_s

    def _stop(self, machine: str) -> None:
        """Let a worker finish its tasks, or a triggerer give its waits back. Kill it if it has not ended by then."""
        ended = self._airflow.stop_component(machine, self._plan.grace_s)
        self._figures.stopped += 1
        self._figures.killed_late += not ended

    def _is_over(self, backfilled: Future[list[backfill.Figures]]) -> bool:
        return backfilled.done() and self._airflow.dag_run_state(DAG_ID, self._run_id) in ENDED

    def _wait_for(self, get: Callable[[], Found | None], what: str, within_s: float = 120.0) -> Found:
        """
        Wait until *get* returns something true, return that, and measure the memory meanwhile.

        :raises TimeoutError: It took longer than *within_s* seconds.
        """
        sampled_at = 0.0

        def measure_and_get() -> Found | None:
            nonlocal sampled_at
            if time.monotonic() > sampled_at + SAMPLED_EVERY_S:
                self._sample_memory()
                sampled_at = time.monotonic()
            return get()

        return self._airflow.wait_until(measure_and_get, within_s, what)

    def _sample_memory(self) -> None:
        for component in self._airflow.components:
            size = sum(map(memory_of, self._airflow.processes_of(component)))
            self._memory[component] = max(self._memory[component], size)

    def _tasks(self) -> dict[str, dict[str, Any]]:
        return self._airflow.tasks(DAG_ID, self._run_id)

    def _count(self) -> None:
        figures, simulator = self._figures, self._simulator
        figures.states.update(str(ti["state"]) for ti in self._tasks().values())
        figures.starts.update(simulator.starts(f"pipeline-{number}") for number in range(self._plan.tasks))
        figures.further_tries.update(_causes(self._airflow.home))
        # After a killed worker, the scheduler also gets a report that does not match: the task is "running".
        figures.mismatches = (self._airflow.home / "scheduler.log").read_text().count(f"{MISMATCH} queued")
        figures.logins = simulator.tokens_minted
        figures.connections = simulator.connections_opened
        figures.memory = dict(self._memory)


def _causes(home: Path) -> Iterator[str]:
    """Yield the error in the log of each try that was followed by another try."""
    for log in home.glob("logs/dag_id=*/**/attempt=*.log"):
        number = log.stem.removeprefix("attempt=")  # not a number in a log of a trigger
        if number.isdecimal() and log.with_name(f"attempt={int(number) + 1}.log").exists():
            errors = LOGGED_ERROR.findall(log.read_text(errors="replace"))
            yield errors[-1] if errors else NO_WORD


def report(figures: Figures) -> tuple[str, bool]:
    """Return the table with the problems, and whether the result is good."""
    wrong = f"\nNot good: {dict(figures.states)}, runs per pipeline {dict(figures.starts)}, {figures.backfills}"
    return figures.table() + ("" if figures.is_good else wrong), figures.is_good


if __name__ == "__main__":
    sys.exit(run_plan(cluster, report, FULL, SHORT))
