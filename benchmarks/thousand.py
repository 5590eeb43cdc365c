"""Starts a thousand of our triggers at the same time in one triggerer process, each for its own pipeline."""

from __future__ import annotations

from typing import Any

from benchmarks import waiting
from benchmarks.environments import Environment
from benchmarks.fake_api_control import FakeApiControl

TRIGGERS = 1000
REPETITIONS = 3
LATENCY_S = 0.3
RUN_S = 3.0
POLL_INTERVAL_S = 3.0


def results(ours: Environment, api: FakeApiControl) -> list[dict[str, Any]]:
    """Return the figures of each repetition."""
    return [
        waiting.measure(
            ours,
            api,
            runs=[*range(1, TRIGGERS + 1)],
            run_s=RUN_S,
            poll_interval_s=POLL_INTERVAL_S,
            latency_s=LATENCY_S,
        )
        for _ in range(REPETITIONS)
    ]
