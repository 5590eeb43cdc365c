"""
Computes how late the end of a run is seen and how many requests that takes, compared with polls at fixed intervals.

It drives the real ``runs.wait`` with a simulated clock and with every request that it makes, for a run that ends at a
known age. A "clock" of 30 s is a poll every 30 s.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import NormalDist, fmean, stdev
from typing import Any

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.steps import drive
from airflow_provider_mparticle.runs.wait import RunMonitor, wait
from benchmarks.figures import table

POLL_INTERVAL_S = 60.0  # the default
CLOCKS_S = (15.0, 30.0, 60.0)
COMPARED_WITH_S = 30.0
COMPARED_ABOVE_S = 120.0
RUN_LENGTHS_S = (10.0, 30.0, 60.0, 150.0, 300.0, 600.0, 1800.0, 3600.0, 3 * 3600.0, 6 * 3600.0)
REPETITIONS = 300
SEED = 20261125

EPOCH = datetime.fromtimestamp(0, UTC)
RUNNING = PipelineRun("orders", 1, state="running", started_on=EPOCH)
DONE = replace(RUNNING, state="success", progress=Progress.SUCCEEDED)


@dataclass(frozen=True)
class Scenario:
    """
    What is known about earlier runs when a run begins, and how similar this run is to them.

    :param past_runs: How many earlier runs are known.
    :param variation: Standard deviation of the logarithm of run lengths.
    :param change: The length of this run as a multiple of the usual length of the earlier runs.
    """

    title: str
    past_runs: int
    variation: float
    change: float = 1.0

    def cases(self, run_length_s: float) -> Iterator[tuple[float, list[float]]]:
        """Yield lengths of a run, each with the lengths of the runs before it."""
        chance = random.Random(SEED)  # noqa: S311 - not for secrets
        for n in range(REPETITIONS):
            # Evenly spaced quantiles, so that a run ends equally often at each point between two ticks of a clock.
            length_s = run_length_s * math.exp(self.variation * NormalDist().inv_cdf((n + 0.5) / REPETITIONS))
            usual_s = run_length_s / self.change
            yield length_s, [usual_s * chance.lognormvariate(0, self.variation) for _ in range(self.past_runs)]


SCENARIOS = (
    Scenario("ten past runs, alike (10 %)", 10, 0.1),
    Scenario("ten past runs, unlike (30 %)", 10, 0.3),
    Scenario("one past run (20 %)", 1, 0.2),
    Scenario("nothing known", 0, 0.1),
    Scenario("twice as long as the ten before", 10, 0.1, 2.0),
    Scenario("half as long as the ten before", 10, 0.1, 0.5),
)


def waited(run_length_s: float, past_s: Sequence[float]) -> tuple[float, int]:
    """Wait for a run as a trigger does. Return how late its end was seen, in seconds, and the number of requests."""
    now, requests = 0.0, 0

    def send(_: Any) -> PipelineRun:
        nonlocal requests
        requests += 1
        return DONE if now >= run_length_s else RUNNING

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    monitor = RunMonitor(RunLookup("orders", 1), deadline=math.inf, began=0.0, durations_s=past_s, polls=1)
    drive(wait(monitor, poll_interval_s=POLL_INTERVAL_S, clock=lambda: now, retry_after_s=0.0), send, sleep)
    return now - run_length_s, requests


def clocked(interval_s: float, run_length_s: float) -> tuple[float, int]:
    """Return the same for polls at a fixed interval."""
    requests = math.ceil(run_length_s / interval_s)
    return requests * interval_s - run_length_s, requests


def figures(measure: Callable[[float, list[float]], tuple[float, int]], scenario: Scenario, length_s: float) -> Any:
    """Return the mean lateness and number of requests, and twice the standard error of each."""
    measured = [measure(length, past) for length, past in scenario.cases(length_s)]
    return [(fmean(values), 2 * stdev(values) / len(values) ** 0.5) for values in zip(*measured, strict=True)]


def results() -> list[dict[str, Any]]:
    """Return a row for each scenario and run length."""
    random.seed(SEED)
    rows = []
    for scenario in SCENARIOS:
        for length_s in RUN_LENGTHS_S:
            (late, late_error), (requests, _) = figures(waited, scenario, length_s)
            row: dict[str, Any] = {"scenario": scenario.title, "run_length_s": length_s}
            row |= {"lateness_s": late, "lateness_error_s": late_error, "requests": requests}
            for clock_s in CLOCKS_S:
                (at, at_error), (asked, _) = figures(lambda run, _, c=clock_s: clocked(c, run), scenario, length_s)
                row |= {
                    f"lateness_{clock_s:.0f}": at,
                    f"requests_{clock_s:.0f}": asked,
                    f"error_{clock_s:.0f}": at_error,
                }
            rows.append(row)
    return rows


def is_better(row: dict[str, Any]) -> bool:
    """Return whether both figures are lower than those of the compared clock, or one is lower and the other equal."""
    clock = f"{COMPARED_WITH_S:.0f}"
    noise = (row["lateness_error_s"] ** 2 + row[f"error_{clock}"] ** 2) ** 0.5
    later_s = row["lateness_s"] - row[f"lateness_{clock}"]
    more = row["requests"] - row[f"requests_{clock}"]
    return (later_s <= noise and more < 0) or (later_s < -noise and more <= 0)


def misses(rows: Sequence[dict[str, Any]]) -> int:
    """Count the rows that are not better, for runs above two minutes that take as long as the earlier ones, if any."""
    usual = {scenario.title for scenario in SCENARIOS if scenario.change == 1.0}
    return sum(
        row["scenario"] in usual and row["run_length_s"] > COMPARED_ABOVE_S and not is_better(row) for row in rows
    )


def section(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield the parts of the report's section."""
    yield "## When the end of a run is seen, and how many requests that takes"
    yield (
        f"Simulated clock, poll interval {POLL_INTERVAL_S:.0f} s (the default), {REPETITIONS} runs for each row, whose "
        "lengths vary by 10 % (30 % or 20 % where the title says so). Numbers are ours / those of polls every 15 s / "
        f"30 s / 60 s. Better means that both are lower than those of polls every {COMPARED_WITH_S:.0f} s, or one is "
        "lower and the other equal (lateness within two standard errors)."
    )
    for scenario in SCENARIOS:
        yield f"### {scenario.title.capitalize()}"
        yield table(
            ("run takes", "seen late by, s", "to 30 s", "requests", "to 30 s", "better"),
            (_cells(row) for row in rows if row["scenario"] == scenario.title),
        )


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    clock = f"{COMPARED_WITH_S:.0f}"
    cells = [_time(row["run_length_s"])]
    for what, name in (("lateness", "lateness_s"), ("requests", "requests")):
        others = " / ".join(f"{row[f'{what}_{clock_s:.0f}']:.1f}" for clock_s in CLOCKS_S)
        cells += [f"{row[name]:.1f} / {others}", f"{row[name] / row[f'{what}_{clock}']:.2f}x"]
    return *cells, ("yes" if is_better(row) else "no") if row["run_length_s"] > COMPARED_ABOVE_S else "-"


def _time(seconds: float) -> str:
    for unit_s, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:g} {unit}"
    return f"{seconds:g} s"
