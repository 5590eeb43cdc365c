"""The example that ingests history and continues with an incremental pipeline, with every row counted."""

from __future__ import annotations

import json
import runpy
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_mparticle.simulator import Simulator

EXAMPLE = Path(__file__).parents[1] / "example_dags" / "historical_backfill_then_incremental.py"
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A warehouse from which the simulator ingests, and which Airflow reaches with its own connection."""
    path = tmp_path / "warehouse.db"
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    return path


@pytest.fixture
def hand_over(
    start_simulator: Callable[..., Simulator], run_dag: Callable[[Any], Any], warehouse: Path
) -> Callable[..., tuple[Simulator, Any]]:
    """Run the example with 45 days of rows, 31 of them history. One row is exactly at the end of history."""

    def run(**options: Any) -> tuple[Simulator, Any]:
        simulator = start_simulator(**{"run_s": 0.0, "warehouse_path": warehouse, **options})
        simulator.add_pipeline("orders-history", data_model_id="orders-history-model")
        rows = [
            {"id": number, "email": f"{number}@example.com", "updated_at": FIRST_DAY + number * timedelta(hours=6)}
            for number in range(45 * 4)
        ]
        simulator.add_source("main.orders", rows)
        dag = runpy.run_path(str(EXAMPLE))["dag"]
        dag.get_task("plan").max_records = 40
        without_retries(dag)
        return simulator, run_dag(dag)

    return run


def without_retries(dag: Any) -> None:
    """
    Let a failed task fail at once.

    ``dag.test()`` sleeps through each retry delay, so a task that fails would hang the test for three times 30 s.
    """
    for task in dag.tasks:
        if hasattr(task, "partial_kwargs"):  # of a mapped task
            task.partial_kwargs["retries"] = 0
        else:
            task.retries = 0


@pytest.mark.parametrize(
    "run_s",
    [
        pytest.param(0.0, id="runs end at once"),
        # The example has the poll interval of real life.
        pytest.param(0.1, id="tasks defer", marks=pytest.mark.slow),
    ],
)
def test_every_row_is_ingested_once_by_slices_and_increment_together(
    hand_over: Callable[..., tuple[Simulator, Any]], run_s: float
) -> None:
    """History and the increment have no gap and no overlap."""
    simulator, run = hand_over(run_s=run_s)

    assert "success" == run.state
    assert Counter({1: 45 * 4}) == Counter(simulator.ingested().values())
    assert 5 == simulator.starts("orders-history")  # weeks from Monday, of 28 rows at most
    assert 1 == simulator.starts("orders-incremental")
    assert "paused" == simulator.stored("pipeline", "orders-history")["state"]


def test_a_row_that_the_hand_over_misses_is_found(hand_over: Callable[..., tuple[Simulator, Any]]) -> None:
    """mParticle does not document whether ``from`` is inclusive, so the example checks it."""
    simulator, run = hand_over(from_is_inclusive=False)

    assert "failed" == run.state
    assert Counter({1: 45 * 4 - 1, 0: 1}) == Counter(simulator.ingested().values())
    assert "failed" == run.get_task_instance("verify").state
