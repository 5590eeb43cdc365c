"""Airflow's own backfill drives slices of history on a real scheduler."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.backfill import HEADER, PLANS, backfill

pytestmark = pytest.mark.slow


def test_every_row_of_history_is_ingested_exactly_once(tmp_path: Path) -> None:
    """Forwards, backwards and partitioned, with runs that fail and workers that die by SIGKILL."""
    tmp_path.parent.chmod(0o755)
    tmp_path.chmod(0o755)  # PostgreSQL's own user has to get in

    found = backfill(PLANS, tmp_path)

    print("\n".join((HEADER, *(figures.row() for figures in found))))
    assert [True] * len(PLANS) == [figures.is_good for figures in found], found
    assert {"forwards": 1, "backwards": 1, "partitioned": 0} == {f.plan.dag_id: f.kills for f in found}
    assert [2, 1, 0] == [figures.failed_runs for figures in found]
