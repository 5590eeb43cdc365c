"""Measures the additional memory of a triggerer process for each waiting run: the growth of its resident set."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

from benchmarks import peers
from benchmarks.environments import Environment, MeasurementError
from benchmarks.fake_api_control import FakeApiControl
from benchmarks.stall_meter import resident_bytes
from benchmarks.triggerer import Triggerer

REPETITIONS = 3
POLL_INTERVAL_S = 60.0
# The pause between two triggers. If many began at once, the memory of their first polls would hide what they keep.
PAUSE_S = 0.002
WITHIN_S = 60.0

Figures = dict[str, Any]


def results(environments: list[Environment], api: FakeApiControl) -> dict[str, list[Figures]]:
    """Return the figures by provider: several of ours, one of each peer."""
    return {
        environment.name: [
            _measure(environment, api) for _ in range(REPETITIONS if environment.name == peers.OURS else 1)
        ]
        for environment in environments
    }


def _measure(environment: Environment, api: FakeApiControl) -> Figures:
    api.begin()
    try:
        return environment.run("memory", api, killed_after_s=3 * WITHIN_S)
    except MeasurementError as error:
        return {"error": str(error)}


def run_in_env(name: str, api: FakeApiControl) -> Figures:
    """Measure in the environment of a provider."""
    most = peers.load(name).most_waiting
    return asyncio.run(_grow(name, api, most // 3, most))


async def _grow(name: str, api: FakeApiControl, first: int, last: int) -> Figures:
    triggerer = Triggerer(name, api.url, POLL_INTERVAL_S)
    await triggerer.load()
    try:
        before = await _resident_with(triggerer, api, range(1, first + 1))
        after = await _resident_with(triggerer, api, range(first + 1, last + 1))
    finally:
        await triggerer.stop()
    return {"bytes_per_run": (after - before) / (last - first)}


async def _resident_with(triggerer: Triggerer, api: FakeApiControl, runs: range) -> int:
    """Start triggers, let each poll once, and return the memory of the process."""
    await triggerer.start(runs, PAUSE_S)
    async with asyncio.timeout(WITHIN_S):
        while (await asyncio.to_thread(api.counts))["runs_polled"] < runs.stop - 1:  # noqa: ASYNC110 - another process counts
            await asyncio.sleep(0.2)
    await asyncio.sleep(0.5)  # until the last answers have been read
    gc.collect()
    return resident_bytes()
