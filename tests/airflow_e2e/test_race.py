"""No task with a short deferred run fails on a real scheduler: the short version of ``make race``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from dev.race import SHORT, race

pytestmark = pytest.mark.slow


def test_no_task_turns_red_whose_short_run_succeeds() -> None:
    """Airflow's scheduler fails a task that is resumed before the executor has reported the worker's exit."""
    folder = Path(tempfile.mkdtemp(prefix="race-"))
    folder.chmod(0o755)  # PostgreSQL's own user needs access, which pytest's folders do not give

    found = race(SHORT, folder)

    for figures in found:
        print(figures.table())
        assert figures.deferrals >= figures.plan.tasks, "a task that does not defer cannot be resumed too early"
        assert figures.is_good, figures
    assert [False, True] == [figures.plan.is_celery for figures in found]
