"""Two triggerers have many waits, and one of them is killed: the short version of ``make ten-thousand``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from dev.ten_thousand import SHORT, ten_thousand

pytestmark = pytest.mark.slow


def test_every_wait_ends_well_though_a_triggerer_dies() -> None:
    """Each triggerer logs in once, and the waits of the killed one continue in the other."""
    folder = Path(tempfile.mkdtemp(prefix="waits-"))
    folder.chmod(0o755)  # PostgreSQL's own user needs access, which pytest's folders do not give

    figures = ten_thousand(SHORT, folder)

    print(figures.table())
    assert figures.lost > 0
    assert figures.is_good, figures
