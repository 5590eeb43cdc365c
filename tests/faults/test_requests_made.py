"""How many requests a task makes when nothing goes wrong."""

from __future__ import annotations

from task_run import POLL, TRIGGER


def test_a_task_makes_no_request_but_what_it_needs(new_task, simulator):
    """One login for the process, one look before the start, one start; all others look at the run."""
    simulator.add_run("orders", "success")
    task = new_task(poll_interval=0.1)

    task.run()

    paths = [request["path"] for request in simulator.requests]
    polls = [path for path in paths if POLL in path]
    others = [path for path in paths if POLL not in path]
    assert ["token", "runs", "trigger"] == [path.rpartition("/")[2].partition("?")[0] for path in others]
    assert TRIGGER in others[-1]
    assert 2 <= len(polls) <= 8
