"""Starts twenty triggers at once, with an API that takes 300 ms, and with quick or slow lookups of connections."""

from __future__ import annotations

from typing import Any

from benchmarks import waiting
from benchmarks.environments import Environment
from benchmarks.fake_api_control import FakeApiControl

TRIGGERS = 20
REPETITIONS = 3
LATENCY_S = 0.3
SLOW_LOOKUP_S = 0.2
RUN_S = 1.0
POLL_INTERVAL_S = 1.0

Figures = dict[str, Any]


def results(environments: list[Environment], api: FakeApiControl, lookup_s: float) -> dict[str, list[Figures]]:
    """
    Return the figures of each repetition, by provider.

    The providers take turns, so that a busy minute of the machine affects all of them.
    """
    found: dict[str, list[Figures]] = {environment.name: [] for environment in environments}
    for _ in range(REPETITIONS):
        for environment in environments:
            found[environment.name].append(_measure(environment, api, lookup_s))
    return found


def _measure(environment: Environment, api: FakeApiControl, lookup_s: float) -> Figures:
    return waiting.measure(
        environment,
        api,
        runs=[*range(1, TRIGGERS + 1)],
        run_s=RUN_S,
        poll_interval_s=POLL_INTERVAL_S,
        latency_s=LATENCY_S,
        lookup_s=lookup_s,
    )
