"""We do not use anything that the installed Airflow reports as deprecated."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_provider_mparticle
from airflow_provider_mparticle.simulator import Simulator

PACKAGE = Path(airflow_provider_mparticle.__file__).parent

# Counts as ours: a warning that names one of our modules or classes, or that points at a line of ours. Airflow
# brings its own way to show warnings, so it comes first.
RECORD = """
import airflow, warnings

ours = []

def record(message, category, filename, lineno, file=None, line=None):
    said = f"{category.__name__}: {message} ({filename}:{lineno})"
    if "mparticle" in said.lower():
        ours.append(said)

warnings.showwarning = record
warnings.simplefilter("always")
"""

USE = """
import asyncio, importlib, json, pkgutil, time
import airflow_provider_mparticle as package

names = [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)

from airflow.providers_manager import ProvidersManager

manager = ProvidersManager()
manager.hooks["mparticle"]
manager.connection_form_widgets
manager.field_behaviours
manager.extra_links_class_names

from airflow.providers.common.compat.sdk import DAG
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.operators import MParticleCreatePipelineOperator, MParticleTriggerPipelineOperator
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger

with DAG("d", schedule=None):
    MParticleTriggerPipelineOperator(task_id="a", pipeline_id="orders", deferrable=True)
    sensor = MParticlePipelineRunSensor(task_id="b", pipeline_id="orders", mode="reschedule", deferrable=False)
    MParticleCreatePipelineOperator(
        task_id="c", pipeline_id="orders", name="Orders", connection_id="warehouse", data_model_id="orders-model",
        sync_mode={"type": "full"}, schedule={"type": "on_demand"}, if_exists="reuse",
    ).execute({})

run_id = MParticleHook().trigger_pipeline("orders")
MParticleHook().test_connection()

async def wait():
    async for event in MParticlePipelineRunTrigger("mparticle_default", "orders", run_id, 0.1, time.time() + 20).run():
        return event.payload["status"]

waited = asyncio.run(wait())
"""

# Shows that the recording works to the very end.
PROVOKE = """
used = list(ours)
exec(compile("import warnings; warnings.warn('old', DeprecationWarning)", package.__file__, "exec"))
warnings.warn("Hook 'airflow_provider_mparticle.hooks.MParticleHook' is made the old way", DeprecationWarning)
warnings.warn("other", DeprecationWarning)

print(json.dumps({"modules": len(names), "waited": waited, "used": used, "provoked": ours[len(used):]}))
"""


@pytest.mark.interpreter
def test_nothing_deprecated_is_used(simulator: Simulator) -> None:
    """A deprecated feature breaks with a later Airflow, and its warning appears at every parse of a DAG."""
    command = [sys.executable, "-c", RECORD + USE + PROVOKE]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert 0 == done.returncode, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert [] == said["used"]
    assert ["DeprecationWarning: old", "DeprecationWarning: Hook"] == [
        " ".join(warning.split()[:2]) for warning in said["provoked"]
    ]
    assert "success" == said["waited"]
    assert len([*PACKAGE.rglob("*.py")]) - 1 == said["modules"]
    assert 1 == simulator.starts("orders")
