"""What the import of a provider's operators and sensors costs a DAG file, above ``import airflow.sdk``."""

from __future__ import annotations

import sys
import time
from importlib import import_module
from typing import Any

from benchmarks import peers
from benchmarks.desk import Desk
from benchmarks.environments import Environment, MeasurementError

# Fresh interpreters for each provider; one more before them fills the disk's cache.
INTERPRETERS = 11
# What a DAG file has no use for while it is parsed.
HEAVY = ("aiohttp", "airbyte_api", "asgiref", "httpx", "jsonschema", "pandas", "requests", "sqlalchemy", "tenacity")

Figures = dict[str, Any]


def results(environments: list[Environment]) -> dict[str, list[Figures]]:
    """Return figures of each interpreter, by provider."""
    return {environment.name: _measure(environment) for environment in environments}


def _measure(environment: Environment) -> list[Figures]:
    nowhere = Desk("", "")
    try:
        return [environment.run("imports", nowhere) for _ in range(1 + INTERPRETERS)][1:]
    except MeasurementError as error:
        return [{"error": str(error)}]


def inside(name: str, api: Desk) -> Figures:
    """Measure in the environment of a provider, in an interpreter that has imported nothing of Airflow yet."""
    import_module("airflow.sdk")
    import airflow.sdk

    _ = airflow.sdk.BaseOperator, airflow.sdk.BaseSensorOperator, airflow.sdk.BaseHook  # some of it is lazy
    before = set(sys.modules)
    began = time.perf_counter()
    for module in peers.load(name).modules:
        import_module(module)
    took_s = time.perf_counter() - began
    new = set(sys.modules) - before
    tops = {module.partition(".")[0] for module in new}
    return {"import_s": took_s, "modules": len(new), "heavy": sorted(tops & {*HEAVY})}
