"""The history of runs answers questions about an instant."""

from __future__ import annotations

import pytest

from airflow_provider_mparticle.simulator.http_messages import Refusal
from airflow_provider_mparticle.simulator.run_history import FIRST_RUN_ID, RunHistory
from airflow_provider_mparticle.simulator.runs import Run, Script

TEN_SECONDS = Script((("running", 10.0), ("success", None)))


def history(*runs):
    """Return a history of runs, each from its pipeline, its start and its script."""
    made = RunHistory()
    for pipeline_id, started, script in runs:
        made.add(Run(made.next_id, pipeline_id, "manual", started, started, None, None, script))
    return made


def ids(runs):
    """Return the ids of runs, counted from the first run."""
    return [run.run_id - FIRST_RUN_ID for run in runs]


def test_ids_count_up_in_the_workspace():
    """The runs of a deleted pipeline still count."""
    made = history(("a", 0.0, TEN_SECONDS), ("b", 1.0, TEN_SECONDS))
    made.forget("a")

    assert FIRST_RUN_ID + 2 == made.next_id
    assert ([], [1]) == (ids(made.of("a")), ids(made.of("b")))


def test_runs_are_listed_by_logical_date_newest_first():
    """mParticle lists them in this order. A run that has vanished is not shown."""
    gone = Script((("success", None),), vanish_after_s=5.0)
    made = history(("a", 2.0, TEN_SECONDS), ("a", 1.0, TEN_SECONDS), ("a", 3.0, gone))

    assert [2, 0, 1] == ids(made.newest_first("a", now=4.0))
    assert [0, 1] == ids(made.newest_first("a", now=100.0))
    assert 3 == len(made.of("a"))


def test_the_last_success_is_before_an_instant_and_over():
    """An incremental run begins where the last success ended."""
    made = history(("a", 0.0, TEN_SECONDS), ("a", 20.0, TEN_SECONDS))

    assert made.last_success("a", before=20.0, now=5.0) is None
    assert [0] == ids([made.last_success("a", before=20.0, now=100.0)])
    assert [1] == ids([made.last_success("a", before=21.0, now=100.0)])


def test_a_run_in_progress_can_be_ended():
    """A test ends runs when it has seen what it waits for."""
    made = history(("a", 0.0, TEN_SECONDS), ("b", 0.0, TEN_SECONDS))

    assert made.in_progress("a", now=5.0)
    assert 2 == made.end_all("failed", now=5.0)
    assert not made.in_progress("a", now=5.0)
    assert 0 == made.end_all("failed", now=5.0)
    with pytest.raises(Refusal, match="state must be one of"):
        made.end_all("running", now=5.0)


def test_each_run_reads_the_warehouse_once_in_the_order_of_the_reads():
    """A run that waits in a queue reads later than one that started after it."""
    queued = Script((("queued", 10.0), ("running", 10.0), ("success", None)))
    made = history(("a", 0.0, queued), ("b", 1.0, TEN_SECONDS), ("c", 2.0, queued))
    made.forget("c")

    assert [1] == ids(made.take_due(now=5.0))
    assert [0] == ids(made.take_due(now=50.0))
    assert [] == ids(made.take_due(now=50.0))


def test_scripts_are_used_in_their_order_and_by_pipeline():
    """The first is for the next run."""
    made, other = RunHistory(), Script((("failed", None),))
    made.add_script("a", TEN_SECONDS)
    made.add_script("a", other)

    assert [TEN_SECONDS, other, None] == [made.take_script("a") for _ in range(3)]
    assert made.take_script("b") is None
