"""
Measures the processor time of one poll, from the pause before it to the decision after it.

In the process of our triggers, a bare aiohttp loop takes turns with them. It sends the same GETs that they have just
sent, decodes the JSON of the answers, and pauses between them like the triggers.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from benchmarks import peers
from benchmarks.environments import Environment, MeasurementError
from benchmarks.fake_api_control import FakeApiControl
from benchmarks.triggerer import Triggerer

TRIGGERS = 50
# Enough polls that the one-time costs of a trigger, such as its first connection, hardly count.
POLLS = 30
ROUNDS = 5
# Short, so that the loop always has something to do.
POLL_INTERVAL_S = 0.01
WITHIN_S = 60.0

Figures = dict[str, Any]


def results(environments: list[Environment], api: FakeApiControl) -> dict[str, list[Figures]]:
    """Return the figures of each round, by provider."""
    return {environment.name: _measure(environment, api) for environment in environments}


def _measure(environment: Environment, api: FakeApiControl) -> list[Figures]:
    try:
        rounds: list[Figures] = environment.run("cpu", api, killed_after_s=3 * WITHIN_S)["rounds"]
    except MeasurementError as error:
        return [{"error": str(error)}]
    return rounds


def run_in_env(name: str, api: FakeApiControl) -> Figures:
    """Measure in the environment of a provider."""
    return {"rounds": asyncio.run(_rounds(name, api))}


async def _rounds(name: str, api: FakeApiControl) -> list[Figures]:
    warm_up = await _triggers(name, api, triggers=1)
    if "error" in warm_up:
        return [warm_up]
    rounds = []
    for _ in range(ROUNDS):
        figures = await _triggers(name, api, TRIGGERS)
        if name == peers.OURS:
            paths = await asyncio.to_thread(api.paths)
            figures["bare_cpu_s"] = await _bare(api, paths) / len(paths)
        rounds.append(figures)
    return rounds


async def _triggers(name: str, api: FakeApiControl, triggers: int) -> Figures:
    await asyncio.to_thread(api.begin, polls=POLLS)
    triggerer = Triggerer(name, api.url, POLL_INTERVAL_S)
    await triggerer.load()
    began = time.process_time()
    await triggerer.start(range(1, triggers + 1))
    troubles = await triggerer.finish(WITHIN_S)
    used_s = time.process_time() - began
    if troubles:
        return {"error": f"{len(troubles)} of {triggers} triggers: {troubles[0]}"}
    counts = await asyncio.to_thread(api.counts)
    return {"cpu_s": used_s / counts["requests"], "requests": counts["requests"]}


async def _bare(api: FakeApiControl, paths: list[str]) -> float:
    """Send the same GETs in as many loops as there were triggers. Return the processor time of all, in seconds."""
    import aiohttp

    await asyncio.to_thread(api.begin, polls=POLLS)

    async def poll(session: aiohttp.ClientSession, mine: list[str]) -> None:
        for path in mine:
            await asyncio.sleep(POLL_INTERVAL_S)
            async with session.get(f"{api.url}{path}", headers={"Authorization": "Bearer of-the-fake-api"}) as answer:
                json.loads(await answer.read())

    began = time.process_time()
    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(poll(session, paths[start::TRIGGERS]) for start in range(TRIGGERS)))
    return time.process_time() - began
