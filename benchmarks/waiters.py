"""Counts the requests of many triggers that wait for one run."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from benchmarks import waiting
from benchmarks.environments import Environment
from benchmarks.fake_api_control import fake_api

WAITERS = (1, 10, 100)
RUN_S = 2.0
POLL_INTERVAL_S = 1.0

Figures = dict[str, Any]


def results(environments: list[Environment]) -> dict[str, dict[int, Figures]]:
    """
    Return the figures by provider and number of waiters.

    Two providers run at the same time, each with its own API: requests are counted here, and no time is measured.
    """
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(_measure, environments)
        return {environment.name: figures for environment, figures in zip(environments, found, strict=True)}


def _measure(environment: Environment) -> dict[int, Figures]:
    with fake_api() as api:
        return {
            waiters: waiting.measure(environment, api, runs=[1] * waiters, run_s=RUN_S, poll_interval_s=POLL_INTERVAL_S)
            for waiters in WAITERS
        }
