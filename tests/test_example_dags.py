"""Every example DAG does its job on a real Airflow against the simulator."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_mparticle.simulator import Simulator

EXAMPLES = sorted(
    path
    for path in (Path(__file__).parents[1] / "example_dags").glob("*.py")
    # test_hand_over.py, airflow_e2e/test_event_driven.py, test_task_groups.py
    if path.stem not in ("historical_backfill_then_incremental", "start_by_scheduled_runs", "sync_many_pipelines")
)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_dag_succeeds(path: Path, run_dag: Callable[[Any], Any], simulator: Simulator) -> None:
    """An example that does not run is worse than none; each starts exactly one run."""
    dag = runpy.run_path(str(path))["dag"]

    run = run_dag(dag)

    assert "success" == run.state
    assert 1 == simulator.starts("orders") + simulator.starts("daily-orders")
