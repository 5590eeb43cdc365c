"""
Keeps ten thousand tasks waiting in two triggerers, and kills one of them. All tasks must succeed without a new run.

Run it with ``make ten-thousand``; with ``AIRFLOW__LOGGING__LOGGING_LEVEL=WARNING`` the triggerers write next to no log.
It ends by itself, uses only this machine, and prints a table of results. It runs without a scheduler and workers: tasks
are written to the database as deferred, and end when their triggers resume them.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import sqlalchemy

from airflow_provider_mparticle.simulator import Simulator
from dev.celery_airflow import MACHINE_NAME
from dev.postgres import postgres
from dev.processes import memory_of, open_files_of, processor_time_of
from dev.run_plan import run_plan, table
from dev.simulator_process import simulator_process
from dev.soak import allow_open_files, loop_blocks
from dev.soak_figures import MEGABYTE
from dev.standalone import TRIGGERERS_NOTICED_SOON, StandaloneAirflow

TRIGGERERS = ("triggerer-1", "triggerer-2")
WAITS_OF = """
SELECT coalesce(job.hostname, 'none'), count(*) FROM task_instance
JOIN trigger ON trigger.id = task_instance.trigger_id LEFT JOIN job ON job.id = trigger.triggerer_id
WHERE task_instance.state = 'deferred' GROUP BY 1
"""
ENDED_WELL = "SELECT count(*) FROM task_instance WHERE state = 'scheduled' AND next_kwargs::text LIKE '%\"success\"%'"
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'airflow'"


@dataclass(frozen=True)
class Plan:
    """
    The number of waiting tasks, and the durations.

    :param steady_s: How long all tasks wait before a triggerer is killed, in seconds.
    :param selected_at_once: Airflow's ``max_trigger_to_select_per_loop``; a loop takes about a second.
    :param settings: Further settings of Airflow.
    """

    waits: int
    steady_s: float
    poll_interval_s: float = 60.0
    selected_at_once: int = 50
    each_within_s: float = 420.0
    settings: Mapping[str, str] = field(default_factory=dict)


FULL = Plan(waits=10_000, steady_s=60.0)
# A triggerer takes few waits at once, so that each usually gets some even if one of them starts later.
SHORT = Plan(waits=200, steady_s=3.0, poll_interval_s=5.0, selected_at_once=10, settings=TRIGGERERS_NOTICED_SOON)


@dataclass
class Figures:
    """The faults and the results."""

    plan: Plan
    taking_s: float = 0.0
    polls_per_s: float = 0.0
    cpu: dict[str, float] = field(default_factory=dict)
    lost: int = 0
    first_taken_over_s: float = 0.0
    taken_over_s: float = 0.0
    ending_s: float = 0.0
    ended_well: int = 0
    starts: int = 0
    logins: int = 0
    connections: int = 0
    database_connections: int = 0
    memory: dict[str, int] = field(default_factory=dict)
    open_files: int = 0
    blocks: dict[str, list[float]] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether all waits ended with a success, and each process of a triggerer logged in once."""
        return (self.ended_well, self.starts, self.logins) == (self.plan.waits, 0, len(TRIGGERERS))

    def table(self) -> str:
        """Return the figures as a table."""
        rows: dict[str, Any] = {
            "tasks that wait, each for a run of its own": self.plan.waits,
            "poll_interval (s)": f"{self.plan.poll_interval_s:.0f}",
            "max_trigger_to_select_per_loop": self.plan.selected_at_once,
            "seconds until two triggerers had taken all": f"{self.taking_s:.0f}",
            "requests per second while all waited": f"{self.polls_per_s:.0f}",
            **{f"  processor of {name} (cores)": f"{cores:.2f}" for name, cores in self.cpu.items()},
            "waits in the triggerer that was killed": self.lost,
            "  seconds until the other had the first": f"{self.first_taken_over_s:.0f}",
            "  seconds until it had all": f"{self.taken_over_s:.0f}",
            "seconds from the end of all runs to the last event": f"{self.ending_s:.0f}",
            "tasks resumed with a success": self.ended_well,
            "runs started": self.starts,
            "logins": self.logins,
            "TCP connections to mParticle, in all": self.connections,
            "connections to the database": self.database_connections,
            **{f"memory of {name} (PSS, MB)": size // MEGABYTE for name, size in self.memory.items()},
            "most files open in a process": self.open_files,
            # Airflow logs them at INFO.
            **{f"loop-block warnings of {name}": len(blocks) for name, blocks in self.blocks.items()},
            "longest loop block that was logged (s)": f"{max(chain(*self.blocks.values()), default=0.0):.2f}",
        }
        return table(rows)


def ten_thousand(plan: Plan, folder: Path) -> Figures:
    """Let many tasks wait in two triggerers whose files are in *folder*."""
    (folder / "dags").mkdir(parents=True)
    allow_open_files(plan.waits + 1000)
    with simulator_process() as simulator, postgres(folder / "database") as database:
        run_ids = {}
        for pipeline_id in (f"pipeline-{number}" for number in range(plan.waits)):
            simulator.add_pipeline(pipeline_id)
            run_ids[pipeline_id] = simulator.add_run(pipeline_id, "running")["pipeline_run_id"]
        environment = {
            "AIRFLOW_CONN_MPARTICLE_DEFAULT": simulator.airflow_connection_json(),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": MACHINE_NAME,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__TRIGGERER__CAPACITY": str(plan.waits),
            "AIRFLOW__TRIGGERER__MAX_TRIGGER_TO_SELECT_PER_LOOP": str(plan.selected_at_once),
            **plan.settings,
        }
        components = dict.fromkeys(TRIGGERERS, ("triggerer", "--skip-serve-logs"))
        airflow = StandaloneAirflow(folder / "airflow", folder / "dags", environment, components)
        airflow.home.mkdir()
        airflow.run_command("db", "migrate")
        waits = {"run_ids": run_ids, "poll_interval_s": plan.poll_interval_s, "run_s": 600.0}
        airflow.run_program(sys.executable, "-m", "dev.insert_waits", told=json.dumps(waits))
        try:
            return _TenThousand(plan, airflow, simulator, sqlalchemy.create_engine(database)).run()
        finally:
            airflow.stop()


class _TenThousand:
    def __init__(
        self, plan: Plan, airflow: StandaloneAirflow, simulator: Simulator, database: sqlalchemy.Engine
    ) -> None:
        self._plan = plan
        self._airflow = airflow
        self._simulator = simulator
        self._database = database
        self._figures = Figures(plan)
        self._memory: Counter[str] = Counter()

    def run(self) -> Figures:
        figures = self._figures
        for triggerer in TRIGGERERS:
            self._airflow.start_component(triggerer)
        figures.taking_s = self._wait_until(lambda: not self._waits_of("none"))
        self._wait_until(lambda: self._simulator.tokens_minted >= len(self._waits()))  # each has sent its first poll
        self._measure_the_steady_state()
        self._lose_a_triggerer()
        self._simulator.end_runs()
        figures.ending_s = self._wait_until(lambda: not self._waits().total())
        self._count()
        return figures

    def _measure_the_steady_state(self) -> None:
        requests, cpu, began = self._simulator.count(None, "/"), self._cpu(), time.monotonic()
        self._wait_until(lambda: time.monotonic() > began + self._plan.steady_s)
        seconds = time.monotonic() - began
        self._figures.polls_per_s = (self._simulator.count(None, "/") - requests) / seconds
        self._figures.cpu = {name: (used - cpu[name]) / seconds for name, used in self._cpu().items()}
        self._figures.database_connections = self._scalar(CONNECTIONS)

    def _cpu(self) -> dict[str, float]:
        return {name: sum(map(processor_time_of, self._airflow.processes_of(name))) for name in TRIGGERERS}

    def _lose_a_triggerer(self) -> None:
        lost = max(TRIGGERERS, key=self._waits_of)  # chance decides which of them takes a wait
        self._figures.lost = self._waits_of(lost)
        self._airflow.kill_component(lost)
        first_s = self._wait_until(lambda: self._waits_of(lost) < self._figures.lost)
        self._figures.first_taken_over_s = first_s
        self._figures.taken_over_s = first_s + self._wait_until(lambda: not self._waits_of(lost))

    def _wait_until(self, is_there: Callable[[], bool]) -> float:
        """Wait until *is_there*, or as long as the plan allows, and return how long that took."""
        began = time.monotonic()
        while not is_there() and time.monotonic() < began + self._plan.each_within_s:
            self._sample()
            time.sleep(1.0)
        return time.monotonic() - began

    def _sample(self) -> None:
        for name in TRIGGERERS:
            processes = self._airflow.processes_of(name)
            self._memory[name] = max(self._memory[name], sum(map(memory_of, processes)))
            self._figures.open_files = max([self._figures.open_files, *map(open_files_of, processes)])

    def _waits(self) -> Counter[str]:
        """Count the tasks that wait, by triggerer."""
        with self._database.connect() as connection:
            return Counter(dict(tuple(row) for row in connection.execute(sqlalchemy.text(WAITS_OF))))

    def _waits_of(self, triggerer: str) -> int:
        return self._waits()[triggerer]

    def _scalar(self, query: str) -> int:
        with self._database.connect() as connection:
            return int(connection.execute(sqlalchemy.text(query)).scalar_one())

    def _count(self) -> None:
        figures, simulator = self._figures, self._simulator
        figures.ended_well = self._scalar(ENDED_WELL)
        figures.starts = simulator.count("POST", "/trigger")
        figures.logins = simulator.tokens_minted
        figures.connections = simulator.connections_opened
        figures.memory = dict(self._memory)
        logs = {name: (self._airflow.home / f"{name}.log").read_text(errors="replace") for name in TRIGGERERS}
        figures.blocks = {name: loop_blocks(log) for name, log in logs.items()}


def report(figures: Figures) -> tuple[str, bool]:
    """Return the table, and whether the result is good."""
    return figures.table() + ("" if figures.is_good else "\nNot good."), figures.is_good


if __name__ == "__main__":
    sys.exit(run_plan(ten_thousand, report, FULL, SHORT))
