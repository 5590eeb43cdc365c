"""Many deferred runs at once on a real triggerer, in the short version; ``make soak`` is the long one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from dev.soak import SHORT, soak
from dev.soak_figures import HEADER

pytestmark = pytest.mark.slow


def test_every_deferred_task_ends_well_with_one_run_while_answers_fail() -> None:
    """Answers get lost, are errors or are no JSON, those to the starts of runs too."""
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    folder.chmod(0o755)  # PostgreSQL's own user has to get in, which pytest's folders do not allow

    figures = soak(SHORT, folder)

    print("\n".join((figures.table(), "", HEADER, figures.row())))
    assert figures.failed_answers >= figures.answers * SHORT.failing / 2
    assert figures.failed_trigger_answers >= 1
    assert (0, 0) == (figures.lost, figures.duplicates), figures
    assert figures.is_good, figures
