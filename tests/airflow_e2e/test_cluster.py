"""Faults on an Airflow of several machines, in the short version; ``make cluster`` is the long one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from dev.cluster import SHORT, cluster

pytestmark = pytest.mark.slow


def test_nothing_is_lost_or_doubled_while_machines_are_lost() -> None:
    """A worker, a triggerer and a task die by SIGKILL, others are restarted, and mParticle is away for a while."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    folder.chmod(0o755)  # PostgreSQL's own user has to get in, which pytest's folders do not allow

    figures = cluster(SHORT, folder)

    print(figures.table())
    assert figures.is_good, figures
