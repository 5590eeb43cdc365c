"""Short deferred runs on a real scheduler, in the short version; ``make race`` is the long one."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from dev.race import SHORT, race

pytestmark = pytest.mark.slow


def test_no_task_turns_red_whose_short_run_succeeds() -> None:
    """Airflow's scheduler fails a task that resumes before it has heard of the worker's exit; no retry repairs it."""
    folder = Path(tempfile.mkdtemp(prefix="race-"))
    folder.chmod(0o755)  # PostgreSQL's own user has to get in, which pytest's folders do not allow

    found = race(SHORT, folder)

    for figures in found:
        print(figures.table())
        assert figures.deferrals >= figures.plan.tasks / 2, "a task that does not defer cannot be resumed too early"
        assert figures.is_good, figures
    assert [False, True] == [figures.plan.is_celery for figures in found]
