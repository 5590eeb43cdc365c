"""
Keeps many deferred tasks waiting on a real triggerer, with PostgreSQL, while some requests to mParticle fail.

Run it with ``make soak``. It ends by itself, uses only this machine, and prints a table of results. Every task must
succeed, with exactly one run of its pipeline.
"""

from __future__ import annotations

import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy

from airflow_provider_mparticle.simulator import Fault, Simulator
from dev.postgres import postgres
from dev.run_plan import run_plan
from dev.soak_figures import HEADER, Figures, Plan
from dev.standalone import StandaloneAirflow, standalone_airflow

DAG_ID = "soak"
DAG = """
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator

with DAG("soak", schedule=None, start_date=datetime(2026, 1, 1), max_active_tasks={parallelism}):
    MParticleTriggerPipelineOperator.partial(
        task_id="sync",
        deferrable=True,
        poll_interval={poll_interval_s},
        retries=5,
        retry_delay=timedelta(seconds=2),
    ).expand(pipeline_id=[f"pipeline-{{number}}" for number in range({tasks})])
"""

# Faults of an answer. After three of them a run has started, but the task does not know it.
KINDS_OF_FAULT: tuple[dict[str, Any], ...] = (
    {"status": 500, "after": True},
    {"status": 503},
    {"status": 429, "headers": {"Retry-After": "2"}},
    {"lose": "before"},
    {"lose": "after"},
    {"body": "<html>Bad gateway</html>", "content_type": "text/html"},
)
ENDED = {"success", "failed", "skipped", "upstream_failed", "removed"}
SAMPLED_EVERY_S = 1.0
# The triggerer's name for the simulator's host. Its requests and those of workers differ only in this header.
TRIGGERER_HOST = "localhost"
LOOP_BLOCK = re.compile(r"Triggerer's async thread was blocked for ([0-9.]+) seconds")
LOGGED_ERROR = re.compile(r'"level":"(?:error|critical)"|\[(?:error|critical) *\]')

# On two cores about 3 tasks start and 4 tasks resume in a second. The three limits add up to 38 minutes.
FULL = Plan(
    tasks=1000,
    soak_s=600.0,
    failing=0.01,
    poll_interval_s=30.0,
    parallelism=8,
    starts_within_s=900.0,
    ends_within_s=780.0,
)
SHORT = Plan(
    tasks=24,
    soak_s=30.0,
    failing=0.1,
    poll_interval_s=2.0,
    parallelism=6,
    starts_within_s=600.0,
    ends_within_s=600.0,
)


def soak(plan: Plan, folder: Path) -> Figures:
    """Run *plan* with an Airflow and a PostgreSQL whose files are in *folder*."""
    dags = folder / "dags"
    dags.mkdir(parents=True)
    (dags / "soak.py").write_text(
        DAG.format(tasks=plan.tasks, parallelism=plan.parallelism, poll_interval_s=plan.poll_interval_s)
    )
    allow_open_files(plan.tasks + 1000)
    with Simulator(fault_seed=plan.seed) as simulator, postgres(folder / "database") as database:
        _prepare(simulator, plan)
        environment = {
            "AIRFLOW_CONN_MPARTICLE_DEFAULT": simulator.airflow_connection_json(),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__CORE__PARALLELISM": str(plan.parallelism),
            "AIRFLOW__SCHEDULER__MAX_TIS_PER_QUERY": "0",  # as many as there are workers
            "AIRFLOW__TRIGGERER__CAPACITY": str(plan.tasks + 100),
        }
        connection = simulator.airflow_connection_json().replace("//127.0.0.1:", f"//{TRIGGERER_HOST}:")
        of_triggerer = {"triggerer": {"AIRFLOW_CONN_MPARTICLE_DEFAULT": connection}}
        with (
            standalone_airflow(folder / "airflow", dags, of_component=of_triggerer, **environment) as airflow,
            _Tasks(database) as tasks,
        ):
            return _Soak(plan, airflow, simulator, tasks).run()


def allow_open_files(wanted: int) -> None:
    """Let Airflow open more than the usual 1,024 files: the triggerer keeps one log open for each task."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _prepare(simulator: Simulator, plan: Plan) -> None:
    """Add pipelines whose runs continue until they are ended, and inject faults, also for the first start."""
    for number in range(plan.tasks):
        simulator.add_pipeline(f"pipeline-{number}")
        simulator.script_next_run(f"pipeline-{number}", [("running", None)])
    simulator.inject(Fault(path="/trigger", lose="after"))
    for kind in KINDS_OF_FAULT:
        simulator.inject(Fault(**kind, times=None, share=plan.failing / len(KINDS_OF_FAULT)))


def loop_blocks(triggerer_log: str) -> list[float]:
    """Return the duration of each block of the event loop in the warnings of Airflow."""
    return [float(block) for block in LOOP_BLOCK.findall(triggerer_log)]


class _Tasks:
    """Reads the states of tasks from the database, because Airflow's API needs seconds for a thousand of them."""

    def __init__(self, database: str) -> None:
        self._engine = sqlalchemy.create_engine(database)

    def __enter__(self) -> _Tasks:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.dispose()

    def states(self) -> Counter[str]:
        """Count the tasks by state. A deferred task that no triggerer has yet is *untaken*."""
        return Counter(state for state, _ in self.all().values())

    def all(self) -> dict[int, tuple[str, int]]:
        """Return the state and the try number for each map index."""
        query = sqlalchemy.text(
            "SELECT map_index, "
            "CASE WHEN state = 'deferred' AND triggerer_id IS NULL THEN 'untaken' ELSE coalesce(state, 'none') END, "
            "try_number FROM task_instance LEFT JOIN trigger ON trigger.id = trigger_id WHERE dag_id = :dag_id"
        )
        with self._engine.connect() as connection:
            return {row[0]: (row[1], row[2]) for row in connection.execute(query, {"dag_id": DAG_ID})}


class _Soak:
    def __init__(self, plan: Plan, airflow: StandaloneAirflow, simulator: Simulator, tasks: _Tasks) -> None:
        self._plan = plan
        self._airflow = airflow
        self._simulator = simulator
        self._tasks = tasks
        self._figures = Figures(plan)
        self._states: Counter[str] = Counter()
        self._sampled_at = 0.0

    def run(self) -> Figures:
        figures = self._figures
        self._sample_memory()
        figures.memory_before = figures.peak_memory
        self._airflow.trigger(DAG_ID)
        figures.starting_s = self._sample_until(self._is_everyone_waiting, self._plan.starts_within_s)
        blocks = len(self._loop_blocks())
        self._sample_until(lambda: False, self._plan.soak_s)
        figures.loop_blocks_while_all_waited = len(self._loop_blocks()) - blocks
        figures.ending_s = self._sample_until(self._is_over, self._plan.ends_within_s)
        self._count_tasks()
        self._count_requests()
        self._count_log_lines()
        return figures

    def _sample_until(self, is_done: Callable[[], bool], within_s: float) -> float:
        """Take samples until *is_done* returns True or *within_s* has passed, and return how long that took."""
        began = time.monotonic()
        while time.monotonic() < began + within_s:
            self._sample()
            if is_done():
                break
            time.sleep(SAMPLED_EVERY_S)
        return time.monotonic() - began

    def _sample(self) -> None:
        before, self._states, now = self._states, self._tasks.states(), time.monotonic()
        if before["deferred"] == self._states["deferred"] == self._plan.tasks:
            self._figures.all_deferred_s += now - self._sampled_at
        self._sampled_at = now
        self._figures.most_deferred = max(self._figures.most_deferred, self._states["deferred"])
        self._sample_memory()

    def _sample_memory(self) -> None:
        try:
            processes = self._airflow.processes_of("triggerer")
            memory = sum(process.memory_info().rss for process in processes)
            open_files = max((process.num_fds() for process in processes), default=0)
        except psutil.NoSuchProcess:
            return  # a child has just ended
        self._figures.peak_memory = max(self._figures.peak_memory, memory)
        self._figures.most_open_files = max(self._figures.most_open_files, open_files)

    def _is_everyone_waiting(self) -> bool:
        """Return whether every task is deferred or has ended."""
        return self._ended() + self._states["deferred"] == self._plan.tasks

    def _is_over(self) -> bool:
        # At each call, for tasks that started too late.
        self._simulator.end_runs()
        return self._ended() == self._plan.tasks

    def _ended(self) -> int:
        return sum(self._states[state] for state in ENDED)

    def _count_tasks(self) -> None:
        tasks = self._tasks.all()
        figures = self._figures
        figures.states.update(state for state, _ in tasks.values())
        figures.tries = sum(tries for _, tries in tasks.values())
        figures.starts = [self._simulator.starts(f"pipeline-{number}") for number in range(self._plan.tasks)]
        succeeded = {index for index, (state, _) in tasks.items() if state == "success"}
        figures.lost = sum(1 for index, starts in enumerate(figures.starts) if not starts or index not in succeeded)

    def _count_requests(self) -> None:
        requests = self._simulator.requests
        failed = [request for request in requests if request["fault"]]
        triggers = [request for request in requests if request["path"].endswith("/trigger")]
        logins = [request for request in requests if request["path"].endswith("/oauth/token")]
        figures = self._figures
        figures.answers = len(requests)
        figures.failed_answers = len(failed)
        figures.failed_trigger_answers = sum(1 for trigger in triggers if trigger["fault"])
        # The runs last so long that mParticle would refuse a second start of most pipelines.
        figures.refused_starts = sum(1 for trigger in triggers if trigger["status"] == 400)
        figures.logins = len(logins)
        figures.triggerer_logins = sum(login["headers"]["host"].startswith(TRIGGERER_HOST) for login in logins)

    def _count_log_lines(self) -> None:
        blocks = self._loop_blocks()
        self._figures.loop_blocks = len(blocks)
        self._figures.longest_loop_block_s = max(blocks, default=0.0)
        self._figures.logged_errors = sum(1 for line in self._log_lines() if LOGGED_ERROR.search(line))

    def _loop_blocks(self) -> list[float]:
        return loop_blocks(self._triggerer_log())

    def _log_lines(self) -> Iterator[str]:
        """Yield the log lines of the triggerer and of each of its triggers."""
        yield from self._triggerer_log().splitlines()
        for path in self._airflow.home.glob("logs/**/*.trigger.*.log"):
            yield from path.read_text(errors="replace").splitlines()

    def _triggerer_log(self) -> str:
        return (self._airflow.home / "triggerer.log").read_text(errors="replace")


def report(figures: Figures) -> tuple[str, bool]:
    """Return the tables with the problems, and whether the result is good."""
    lines = [figures.table(), "", HEADER, figures.row()]
    if not figures.is_good:
        wrong = f"{figures.lost} lost, {figures.duplicates} with more than one run"
        lines.append(f"Not good: {dict(figures.states)}, {wrong}")
    return "\n".join(lines), figures.is_good


if __name__ == "__main__":
    sys.exit(run_plan(soak, report, FULL, SHORT))
