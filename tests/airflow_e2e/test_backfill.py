"""Airflow's own backfill drives slices of history on a real scheduler."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from dev.backfill import HEADER, PLANS, backfill

pytestmark = pytest.mark.slow


def test_every_row_of_history_is_ingested_exactly_once() -> None:
    """Slices run forwards, backwards, partitioned and mapped; some runs fail, and workers are killed."""
    folder = Path(tempfile.mkdtemp(prefix="backfill-"))
    folder.chmod(0o755)  # PostgreSQL's own user needs access, which pytest's folders do not give

    found = backfill(PLANS, folder)

    print("\n".join((HEADER, *(figures.row() for figures in found))))
    assert [True] * len(PLANS) == [figures.is_good for figures in found], found
    assert [1, 1, 0, 1] == [figures.kills for figures in found]
    assert [2, 1, 0, 0] == [figures.failed_runs for figures in found]
