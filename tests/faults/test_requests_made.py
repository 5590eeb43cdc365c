"""How many requests a task makes if nothing fails."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from task_run import POLL, TRIGGER, Instant, TaskRun


def test_a_task_makes_no_request_but_what_it_needs(new_task, simulator):
    """One login for the process, one list of runs, one start, two reads of what the run reads; then polls."""
    simulator.add_run("orders", "success")
    task = new_task(poll_interval=0.1)

    task.run()

    paths = [request["path"] for request in simulator.requests]
    polls = [path for path in paths if POLL in path]
    others = [path for path in paths if POLL not in path]
    names = [path.rpartition("/")[2].partition("?")[0] for path in others]
    assert ["token", "runs", "trigger", "orders", "orders-model"] == names
    assert TRIGGER in others[2]
    assert 2 <= len(polls) <= 8


def test_a_task_hands_over_how_long_the_last_runs_took(simulator):
    """The list before the start shows it, so the triggerer need not read it."""
    began = datetime.now(UTC) - timedelta(hours=1)
    for seconds in (40, 50):
        simulator.add_run("orders", "success", started_on=began, ended_on=began + timedelta(seconds=seconds))
    simulator.script_next_run("orders", [("running", None)])
    task = TaskRun(pipeline_id="orders", poll_interval=0.03, timeout=300.0, deferrable=True)

    task.at(Instant.WAITING, simulator.end_runs).run()

    trigger = task.deferrals[0].trigger
    assert [40.0, 50.0] == sorted(trigger.run_durations)
    assert abs(trigger.began - datetime.now(UTC).timestamp()) < 60
