"""
Lets triggers wait for runs in one triggerer process, and measures the stalls of its event loop and its requests.

Three scenarios use it: twenty triggers at once, a thousand at once, and many triggers that wait for one run.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from benchmarks.environments import Environment, MeasurementError
from benchmarks.fake_api_control import FakeApiControl
from benchmarks.stall_meter import StallMeter
from benchmarks.triggerer import Triggerer

Figures = dict[str, Any]


def measure(
    environment: Environment,
    api: FakeApiControl,
    *,
    runs: list[int],
    run_s: float,
    poll_interval_s: float,
    latency_s: float = 0.0,
    lookup_s: float = 0.0,
    within_s: float = 60.0,
) -> Figures:
    """
    Let one trigger wait for each of *runs*, which may name a run more than once, and return the figures.

    :param run_s: How long a run takes, in seconds.
    :param latency_s: How long the API takes for an answer, in seconds.
    :param lookup_s: How long Airflow takes to look up a connection, in seconds.
    :param within_s: When to give up, in seconds.
    :return: Durations in seconds, and counts; or the key ``error``, with what went wrong.
    """
    api.begin(latency_s=latency_s, run_s=run_s)
    order = {"runs": runs, "poll_interval_s": poll_interval_s, "within_s": within_s}
    try:
        figures = environment.run("waiting", api, killed_after_s=within_s + 60, lookup_s=lookup_s, **order)
    except MeasurementError as error:
        return {"error": str(error)}
    return {**figures, **api.counts()}


def run_in_env(name: str, api: FakeApiControl, runs: list[int], poll_interval_s: float, within_s: float) -> Figures:
    """Measure in the environment of a provider."""
    figures = asyncio.run(_wait(Triggerer(name, api.url, poll_interval_s), runs, within_s))
    from benchmarks.secrets_backend import CountingSecrets  # after Airflow, which imports it too

    return {**figures, "lookups": CountingSecrets.lookups}


async def _wait(triggerer: Triggerer, runs: list[int], within_s: float) -> Figures:
    async with StallMeter() as meter:
        import_s = await triggerer.load()
        began, cpu_began = time.monotonic(), time.process_time()
        await triggerer.start(runs)
        troubles = await triggerer.finish(within_s)
        took_s, cpu_s = time.monotonic() - began, time.process_time() - cpu_began
    return {
        "stall_s": meter.worst_s(),
        "stall_after_import_s": meter.worst_s(since=began),
        "import_s": import_s,
        "took_s": took_s,
        "cpu_s": cpu_s,
        "unfinished": len(troubles),
        **dict(_errors(troubles, len(runs))),
    }


def _errors(troubles: list[str], triggers: int) -> Iterator[tuple[str, str]]:
    if troubles:
        trouble, times = Counter(troubles).most_common(1)[0]
        yield "error", f"{len(troubles)} of {triggers} triggers: {trouble} ({times} times)"
