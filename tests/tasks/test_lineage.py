"""What a task keeps for OpenLineage where that is off or fails; tests/telemetry/test_lineage_facets.py has the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_mparticle.client.models import WarehouseConnection
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.tasks import lineage


@pytest.mark.interpreter
@pytest.mark.parametrize(
    "before", ["", "sys.modules['airflow.providers.openlineage'] = None"], ids=["not set up", "not installed"]
)
def test_nothing_is_loaded_where_openlineage_is_off(before: str) -> None:
    """Its client takes longer to import than all of this package."""
    script = f"""
import sys
from airflow_provider_mparticle.tasks import lineage, trigger, sensor, sync_slice
{before}
print(lineage.is_active(), "openlineage" in sys.modules, "sqlglot" in sys.modules)
"""

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert "False False False" == done.stdout.splitlines()[-1]


@pytest.mark.parametrize("broken", ["no connection", "no parser", "no XCom"])
def test_a_failure_is_logged_and_fails_nothing(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    """The run is fine, whatever happens to its lineage."""
    monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps({"type": "console"}))
    hook = MParticleHook("missing" if broken == "no connection" else "mparticle_default")
    if broken == "no parser":
        monkeypatch.setitem(sys.modules, "airflow_provider_mparticle.telemetry.source_tables", None)
    operator = MParticleTriggerPipelineOperator(task_id="sync", pipeline_id="orders")
    context: Any = {"ti": SimpleNamespace(task_id="sync", map_index=-1)}  # it can neither push nor pull

    lineage.keep_run(operator, context, hook, {"pipeline_id": "orders", "pipeline_run_id": 7})
    lineage.keep_source(operator, context, hook, "SELECT 1 FROM a.b.c", WarehouseConnection("warehouse"))

    assert "OpenLineage gets only a part of the lineage of this task." in caplog.text
