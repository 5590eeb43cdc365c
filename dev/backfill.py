"""
Runs backfills of a real Airflow: history is synced slice by slice, with failing runs and killed workers.

Run it with ``make backfill``. It ends by itself, uses only this machine, and prints a table of results.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import psutil

from airflow_provider_mparticle.simulator import Fault, Simulator
from dev.postgres import postgres
from dev.run_plan import run_plan
from dev.standalone import LOSSES_NOTICED_SOON, StandaloneAirflow, standalone_airflow

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
ROWS_PER_DAY = 7
ENDS_WITHIN_S = 1200.0
RUN_S = 1.5
# How long mParticle takes to answer the start at which a task is killed: it is killed meanwhile, however slow all is.
ANSWERED_AFTER_S = 40.0

DAG = """
from datetime import datetime, timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, CronPartitionTimetable

from airflow_provider_mparticle.operators import MParticleSyncSliceOperator

with DAG(
    {dag_id!r},
    schedule={schedule},
    start_date=datetime(2026, 1, 1),
    end_date=datetime(2026, 3, 1),
    catchup=False,
    max_active_runs=8,
):
    options = dict(
        task_id="sync",
        pipeline_id={dag_id!r},
        data_model_id="{dag_id}-model",
        sql="SELECT id, updated_at FROM shop.{dag_id}",
        time_column="updated_at",
        deferrable={deferrable},
        poll_interval=2,
        retries={retries},
        retry_delay=timedelta(seconds=3),
    )
    if {slices}:
        MParticleSyncSliceOperator.partial(**options).expand_kwargs({slices})
    else:
        MParticleSyncSliceOperator(granularity={granularity!r}, **options)
"""


@dataclass(frozen=True)
class Plan:
    """
    One backfill of one DAG with its own pipeline.

    :param schedule: The DAG's timetable, as Python.
    :param days: Number of days of history.
    :param options: Additional options of ``airflow backfill create``.
    :param failing: Which runs of the pipeline fail, counted from 0.
    :param kills_at: A task is killed when this number of starts were sent, before the last has an answer. None: never.
    :param is_mapped: Whether one DAG run syncs all days, by tasks mapped over them.
    """

    dag_id: str
    schedule: str
    days: int
    granularity: str | None = None
    deferrable: bool = False
    retries: int = 3
    options: tuple[str, ...] = ()
    failing: tuple[int, ...] = ()
    kills_at: int | None = None
    is_mapped: bool = False

    @property
    def start(self) -> str:
        """What the path of a request that starts a run contains."""
        return f"/{self.dag_id}/trigger"

    @property
    def dag_runs(self) -> int:
        """The number of DAG runs."""
        return 1 if self.is_mapped else self.days

    @property
    def slices(self) -> list[dict[str, str]]:
        """The days over which tasks are mapped."""
        ends = [FIRST_DAY + timedelta(days=day) for day in range(self.days + 1)] if self.is_mapped else []
        return [{"window_start": str(start), "window_end": str(end)} for start, end in pairwise(ends)]


PLANS = (
    Plan(
        "forwards",
        '"@daily"',
        days=30,
        granularity="day",
        retries=1,  # so that --reprocess-behavior failed has a slice whose run failed twice
        options=("--max-active-runs", "2"),
        failing=(4, 5),
        kills_at=9,
    ),
    Plan(
        "backwards",
        'CronDataIntervalTimetable("@daily", timezone="UTC")',
        days=12,
        deferrable=True,
        options=("--run-backwards", "--max-active-runs", "4"),
        failing=(2,),
        kills_at=4,
    ),
    Plan(
        "partitioned",
        'CronPartitionTimetable("@daily", timezone="UTC")',
        days=6,
        granularity="day",
        deferrable=True,
        options=("--max-active-runs", "3"),
    ),
    Plan("mapped", '"@daily"', days=6, deferrable=True, kills_at=3, is_mapped=True),
)


@dataclass
class Figures:
    """The result of one backfill."""

    plan: Plan
    states: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    starts: int = 0
    failed_runs: int = 0
    times_ingested: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether every slice succeeded with one run, and every row was ingested once."""
        rows = self.plan.days * ROWS_PER_DAY
        wanted = (Counter(success=self.plan.dag_runs), Counter({1: rows}), self.plan.days + self.failed_runs)
        return wanted == (self.states, self.times_ingested, self.starts)

    def row(self) -> str:
        """Return the figures as a row of a table."""
        facts = (
            self.plan.dag_id,
            self.plan.days,
            self.starts,
            self.failed_runs,
            self.kills,
            sum(self.times_ingested.values()),
            self.times_ingested[0],
            self.times_ingested[1],
            sum(rows for times, rows in self.times_ingested.items() if times > 1),
            f"{self.seconds:.0f}",
        )
        return "| " + " | ".join(map(str, facts)) + " |"


HEADER = """\
| backfill | slices | runs started | of these failed | workers killed | rows | never | once | more often | seconds |
|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"""


def backfill(plans: Sequence[Plan], folder: Path) -> list[Figures]:
    """Run all *plans* at the same time, with an Airflow whose files are in *folder*."""
    dags = folder / "dags"
    dags.mkdir(parents=True)
    write_dags(plans, dags)
    with Simulator(run_s=RUN_S) as simulator, postgres(folder / "database") as database:
        prepare(plans, simulator)
        environment = {
            "AIRFLOW_CONN_MPARTICLE_DEFAULT": simulator.airflow_connection_json(),
            "AIRFLOW__CORE__PARALLELISM": "6",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,  # SQLite would be locked at times
            **LOSSES_NOTICED_SOON,
        }
        with standalone_airflow(folder / "airflow", dags, **environment) as airflow:
            return Backfills(airflow, simulator, plans).run()


def write_dags(plans: Sequence[Plan], dags: Path) -> None:
    """Write the DAG file of each plan."""
    for plan in plans:
        (dags / f"{plan.dag_id}.py").write_text(
            DAG.format(
                dag_id=plan.dag_id,
                schedule=plan.schedule,
                granularity=plan.granularity,
                deferrable=plan.deferrable,
                retries=plan.retries,
                slices=plan.slices,
            )
        )


def prepare(plans: Sequence[Plan], simulator: Simulator) -> None:
    """Add the pipelines and the rows of their sources, and script which of their runs fail."""
    for plan in plans:
        _prepare(plan, simulator)


def _prepare(plan: Plan, simulator: Simulator) -> None:
    simulator.add_pipeline(plan.dag_id)
    step = timedelta(days=1) / ROWS_PER_DAY
    rows = [
        {"id": f"{plan.dag_id}-{number}", "updated_at": FIRST_DAY + number * step}
        for number in range(plan.days * ROWS_PER_DAY)
    ]
    simulator.add_source(f"shop.{plan.dag_id}", rows)
    if plan.kills_at is not None:
        simulator.inject(Fault(path=plan.start, latency_s=ANSWERED_AFTER_S, skip=plan.kills_at - 1))
    for number in range(max(plan.failing, default=-1) + 1):
        simulator.script_next_run(plan.dag_id, errors=["The warehouse is asleep."] if number in plan.failing else ())


class Backfills:
    """Runs backfills on a running Airflow that has the DAGs and pipelines."""

    def __init__(self, airflow: StandaloneAirflow, simulator: Simulator, plans: Sequence[Plan]) -> None:
        self._airflow = airflow
        self._simulator = simulator
        self._figures = {plan.dag_id: Figures(plan) for plan in plans}

    def run(self) -> list[Figures]:
        """Run all backfills at the same time, and count the results."""
        began = time.monotonic()
        for plan in (figures.plan for figures in self._figures.values()):
            self._airflow.wait_for_dag(plan.dag_id)
            self._create(plan, *plan.options)
        with suppress(TimeoutError):
            self._airflow.wait_until(lambda: self._are_all_over(began), ENDS_WITHIN_S)
        for figures in self._figures.values():
            self._count(figures)
        return [*self._figures.values()]

    def _are_all_over(self, began: float) -> bool:
        """Kill the tasks that are due, and return whether all backfills have ended."""
        for figures in self._figures.values():
            self._kill_a_worker(figures)
            if not figures.seconds and self._is_over(figures):
                figures.seconds = time.monotonic() - began
        return all(figures.seconds for figures in self._figures.values())

    def _create(self, plan: Plan, *options: str) -> None:
        last_day = FIRST_DAY + timedelta(days=plan.dag_runs - 1)
        dates = ("--from-date", FIRST_DAY.date().isoformat(), "--to-date", last_day.date().isoformat())
        self._airflow.run_command("backfill", "create", "--dag-id", plan.dag_id, *dates, *options)

    def _is_over(self, figures: Figures) -> bool:
        """Return whether all slices have ended. Reprocess the failed slices after all others have ended."""
        states = self._airflow.dag_run_states(figures.plan.dag_id)
        if len(states) < figures.plan.dag_runs or set(states) - {"success", "failed"}:
            return False
        if not self._airflow.are_backfills_over(figures.plan.dag_id):
            return False  # Airflow checks the end of a backfill every 30 seconds
        if "failed" in states:
            self._create(figures.plan, "--reprocess-behavior", "failed", *figures.plan.options)
            return False
        return True

    def _kill_a_worker(self, figures: Figures) -> None:
        """Kill the process of a task that runs: there is one, since a start has no answer yet."""
        plan = figures.plan
        if plan.kills_at is None or figures.kills or self._simulator.count("POST", plan.start) < plan.kills_at:
            return
        running = self._airflow.running_tasks(plan.dag_id)
        for process in psutil.process_iter(["cmdline"]):
            command = " ".join(process.info["cmdline"] or ())
            if command.startswith("airflow worker -- ") and any(ti_id in command for ti_id in running):
                with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
                    process.kill()
                    figures.kills += 1
                    return

    def _count(self, figures: Figures) -> None:
        dag_id = figures.plan.dag_id
        figures.states.update(self._airflow.dag_run_states(dag_id))
        figures.starts = self._simulator.starts(dag_id)
        figures.failed_runs = sum(1 for run in self._simulator.runs(dag_id) if run["status"] == "failed")
        ours = {key: times for key, times in self._simulator.ingested().items() if str(key).startswith(dag_id)}
        figures.times_ingested.update(ours.values())


def report(found: list[Figures]) -> tuple[str, bool]:
    """Return a row for each plan, the details of failed plans, and whether all plans passed."""
    wrong = [figures for figures in found if not figures.is_good]
    rows = [HEADER, *(figures.row() for figures in found), *(f"Not good: {figures}" for figures in wrong)]
    return "\n".join(rows), not wrong


if __name__ == "__main__":
    sys.exit(run_plan(backfill, report, PLANS))
