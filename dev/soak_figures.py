"""Defines the plan of a soak, and its results."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from dev.run_plan import table

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Plan:
    """
    How many tasks wait at the same time, and for how long.

    :param soak_s: How long the runs continue after all tasks wait, in seconds.
    :param failing: Share of answers that fail.
    :param starts_within_s: How long tasks may take to start their runs. After that, the soak begins without the others.
    :param ends_within_s: How long tasks may take to end after their runs have ended.
    """

    tasks: int
    soak_s: float
    failing: float
    poll_interval_s: float
    parallelism: int
    starts_within_s: float
    ends_within_s: float
    seed: int = 20261129


@dataclass
class Figures:
    """The faults and the results."""

    plan: Plan
    most_deferred: int = 0
    all_deferred_s: float = 0.0
    starting_s: float = 0.0
    ending_s: float = 0.0
    states: Counter[str] = field(default_factory=Counter)
    starts: list[int] = field(default_factory=list)
    lost: int = 0
    refused_starts: int = 0
    tries: int = 0
    answers: int = 0
    failed_answers: int = 0
    failed_trigger_answers: int = 0
    logins: int = 0
    triggerer_logins: int = 0
    memory_before: int = 0
    peak_memory: int = 0
    most_open_files: int = 0
    loop_blocks: int = 0
    loop_blocks_while_all_waited: int = 0
    longest_loop_block_s: float = 0.0
    logged_errors: int = 0

    @property
    def duplicates(self) -> int:
        """The number of pipelines with more than one run."""
        return sum(1 for starts in self.starts if starts > 1)

    @property
    def is_good(self) -> bool:
        """Whether all tasks waited together as planned, and each succeeded with exactly one run of its pipeline."""
        tasks = self.plan.tasks
        if self.all_deferred_s < 0.9 * self.plan.soak_s:
            return False
        return self.states == Counter(success=tasks) and self.starts == [1] * tasks

    def table(self) -> str:
        """Return the figures as a table."""
        rows = {
            "tasks": self.plan.tasks,
            "most deferred at once": self.most_deferred,
            "seconds with all deferred": f"{self.all_deferred_s:.0f}",
            "seconds of starting runs, until all deferred": f"{self.starting_s:.0f}",
            "seconds of resuming, until all ended": f"{self.ending_s:.0f}",
            "tasks that succeeded": self.states["success"],
            "tasks that ended otherwise, or not": self.plan.tasks - self.states["success"],
            "lost: a run without a success, or no run": self.lost,
            "pipelines with more than one run": self.duplicates,
            "second starts that mParticle refused": self.refused_starts,
            "tries of all tasks": self.tries,
            "answers": self.answers,
            "  of these failed": self.failed_answers,
            "  of these to trigger requests": self.failed_trigger_answers,
            "requests per run": f"{self.answers / (sum(self.starts) or 1):.1f}",
            "logins": self.logins,
            "  of these by the triggerer": self.triggerer_logins,
            "triggerer's memory before (RSS, MB)": self.memory_before // MEGABYTE,
            "triggerer's peak memory (RSS, MB)": self.peak_memory // MEGABYTE,
            "most files open in a triggerer's process": self.most_open_files,
            "loop-block warnings": self.loop_blocks,
            "  of these while all were deferred": self.loop_blocks_while_all_waited,
            "longest loop block (s)": f"{self.longest_loop_block_s:.2f}",
            "errors in the triggerer's logs": self.logged_errors,
        }
        return table(rows)

    def row(self) -> str:
        """Return the main figures as a row of a table."""
        facts = (
            self.plan.tasks,
            f"{self.all_deferred_s:.0f}",
            f"{self.failed_answers} of {self.answers}",
            self.states["success"],
            self.lost,
            self.duplicates,
            f"{self.peak_memory // MEGABYTE} MB",
            self.loop_blocks,
        )
        return "| " + " | ".join(map(str, facts)) + " |"


HEADER = """\
| tasks | seconds all deferred | answers failed | ended | lost | duplicate starts | peak memory | loop-block warnings |
|---:|---:|---:|---:|---:|---:|---:|---:|"""
