"""An Airflow of several machines loses no run under faults: the short version of ``make cluster``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from dev.cluster import SHORT, cluster

pytestmark = pytest.mark.slow


def test_nothing_is_lost_or_doubled_while_machines_are_lost() -> None:
    """A worker, a triggerer and a task are killed, others are restarted, and mParticle is stopped for a while."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    folder.chmod(0o755)  # PostgreSQL's own user needs access, which pytest's folders do not give

    figures = cluster(SHORT, folder)

    print(figures.table())
    assert figures.is_good, figures
