"""A real triggerer waits for many runs at once while requests fail: the short version of ``make soak``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from dev.soak import SHORT, soak
from dev.soak_figures import HEADER

pytestmark = pytest.mark.slow


def test_every_deferred_task_ends_well_with_one_run_while_answers_fail() -> None:
    """Answers are lost, are errors, or are not JSON, and so are those to trigger requests."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    folder.chmod(0o755)  # PostgreSQL's own user needs access, which pytest's folders do not give

    figures = soak(SHORT, folder)

    print("\n".join((figures.table(), "", HEADER, figures.row())))
    assert figures.failed_answers >= figures.answers * SHORT.failing / 2
    assert figures.failed_trigger_answers >= 1
    assert (0, 0) == (figures.lost, figures.duplicates), figures
    assert figures.is_good, figures
