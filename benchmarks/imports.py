"""
Measures how long a DAG file imports a provider's operators and sensors, in addition to ``import airflow.sdk``.

With ``PYTHONDONTWRITEBYTECODE=1`` every interpreter compiles the modules again and the times triple, so
:mod:`benchmarks.environments` removes it.
"""

from __future__ import annotations

import sys
import time
from importlib import import_module
from typing import Any

from benchmarks import peers
from benchmarks.environments import Environment, MeasurementError
from benchmarks.fake_api_control import FakeApiControl

# How many fresh interpreters each provider gets, after one more that fills the disk's cache.
INTERPRETERS = 11
# Packages that a DAG file does not need while it is parsed.
HEAVY = ("aiohttp", "airbyte_api", "asgiref", "httpx", "jsonschema", "pandas", "requests", "sqlalchemy", "tenacity")

# What the DAG file of the main job imports, and the minimum that a DAG file with an operator imports.
DAG_FILE = {
    "airflow_provider_mparticle.operators": "MParticleTriggerPipelineOperator",
    "airflow_provider_mparticle.sensors": "MParticlePipelineRunSensor",
}
BARE_DAG_FILE = {"benchmarks.bare_operator": "BareOperator"}

Figures = dict[str, Any]


def results(environments: list[Environment]) -> dict[str, list[Figures]]:
    """Return figures of each interpreter, by provider."""
    return {environment.name: _measure(environment) for environment in environments}


def _measure(environment: Environment) -> list[Figures]:
    nowhere = FakeApiControl("", "")
    try:
        return [environment.run("imports", nowhere) for _ in range(1 + INTERPRETERS)][1:]
    except MeasurementError as error:
        return [{"error": str(error)}]


def dag_file_results(ours: Environment) -> list[Figures]:
    """
    Return how long a DAG file with our trigger operator and our sensor imports them, and one with a bare operator.

    Each repetition is a pair of fresh interpreters, and the ratio is that of the pair. Airflow's compatibility module,
    through which both import their base class, counts on both sides.
    """
    nowhere = FakeApiControl("", "")

    def measure(modules: dict[str, str]) -> float:
        import_s: float = ours.run("imports", nowhere, names=modules)["import_s"]
        return import_s

    try:
        pairs = [(measure(DAG_FILE), measure(BARE_DAG_FILE)) for _ in range(1 + INTERPRETERS)][1:]
    except MeasurementError as error:
        return [{"error": str(error)}]
    return [{"import_s": own_s, "bare_s": bare_s, "ratio": own_s / bare_s} for own_s, bare_s in pairs]


def run_in_env(name: str, api: FakeApiControl, names: dict[str, str] | None = None) -> Figures:
    """
    Measure in the environment of a provider, in an interpreter that has not imported Airflow yet.

    :param names: Modules to import, each with the name that the DAG file uses. Default: all modules of the provider.
    """
    import_module("airflow.sdk")
    import airflow.sdk

    _ = airflow.sdk.BaseOperator, airflow.sdk.BaseSensorOperator, airflow.sdk.BaseHook  # some are lazy
    wanted = [(module, None) for module in peers.load(name).modules] if names is None else list(names.items())
    before = set(sys.modules)
    began = time.perf_counter()
    for module, attribute in wanted:
        imported = import_module(module)
        if attribute:
            getattr(imported, attribute)
    took_s = time.perf_counter() - began
    new = set(sys.modules) - before
    tops = {module.partition(".")[0] for module in new}
    return {"import_s": took_s, "modules": len(new), "heavy": sorted(tops & {*HEAVY})}
