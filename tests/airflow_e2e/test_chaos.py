"""A real Airflow loses no run under faults: the short version of ``make chaos``."""

from __future__ import annotations

from pathlib import Path

import pytest

from dev.chaos import SHORT, chaos

pytestmark = pytest.mark.slow


def test_every_pipeline_gets_one_run_while_workers_and_triggerer_are_killed(tmp_path: Path) -> None:
    """Workers and the triggerer are killed, and mParticle is stopped for a while."""
    figures = chaos(SHORT, tmp_path)

    print(figures.table())
    assert figures.killed["task"] + figures.killed["worker"] >= SHORT.kills / 2
    assert (SHORT.triggerer_kills, SHORT.away_s) == (figures.triggerers_killed, figures.away_s)
    assert figures.is_good, figures
