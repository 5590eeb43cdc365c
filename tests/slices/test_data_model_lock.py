"""Locking a data model for one slice: the mark in the SQL, and when a task may replace it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import DataModelChangedError, DataModelHeldError, InvalidRequestError
from airflow_provider_mparticle.client.models import DataModel, Pipeline, PipelineRun
from airflow_provider_mparticle.runs.steps import drive
from airflow_provider_mparticle.slices.data_model_lock import (
    DataModelLock,
    IsActive,
    LockOwner,
    is_as_written,
    marked,
    owner_of,
    unfit,
)
from airflow_provider_mparticle.slices.slice import Slice

JANUARY = Slice(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
US = LockOwner("history", "sync", "scheduled__2026-01-01T00:00:00+00:00", 3)
OTHER = replace(US, map_index=4)
QUERY = "SELECT id FROM shop.public.orders"
PIPELINE = Pipeline("orders", data_model_id="orders-model", sync_mode={"type": "full"}, schedule={"type": "on_demand"})


class MParticle:
    """A data model and a pipeline, and the tasks that were checked."""

    def __init__(self, sql, pipeline=PIPELINE, active=(), written="2026-03-01T12:00:00.500Z"):
        self.sql, self.pipeline, self.active, self.written = sql, pipeline, active, written
        self.sent = []

    def __call__(self, step):
        if isinstance(step, IsActive):
            return step.owner in self.active
        assert {"orders", "orders-model"} >= {*step.ids.values()}
        self.sent.append(step.method)
        if step.method == "PUT":
            self.sql = step.json["config"]["sql_query"]
            return None
        if step.route == "pipeline":
            return self.pipeline
        return DataModel(
            "orders-model", name="Orders", type="sql", config={"sql_query": self.sql}, last_modified_on=self.written
        )


def lock():
    return DataModelLock("orders", "orders-model", lambda: QUERY, US, JANUARY)


def carry_out(steps, mparticle):
    return drive(steps, mparticle, lambda _: None)


@pytest.mark.parametrize(
    "owner",
    [US, LockOwner("a b", "tâche", "manual */ DROP", -1), LockOwner("d", "t", "~2 %41 'q' \" : & = + ;", 0)],
    ids=["usual", "not ASCII", "hostile"],
)
def test_a_mark_has_the_task_that_wrote_the_sql_for_any_ids(owner):
    """A run id is any text: no part of it may end the comment or have a meaning for a driver."""
    sql = marked(QUERY, owner, JANUARY)

    mark = sql.removeprefix(QUERY)
    assert owner == owner_of(sql)
    assert mark.count("*/") == mark.count("/*") == 1
    assert not set("%:'\";+") & set(mark.replace("slice: ", ""))


def test_a_semicolon_at_the_end_is_removed():
    """mParticle wraps the query, and the mark would come after the semicolon."""
    assert marked(f"{QUERY} ;\n", US, JANUARY).startswith(f"{QUERY}\n/*")


def test_a_mark_is_read_by_every_version():
    """A task may be tried again after an upgrade, while mParticle has the SQL that the earlier version wrote."""
    mark = (
        "/* airflow-provider-mparticle slice: start=2026-01-01T00~3A00~3A00~2B00~3A00&end=2026-02-01T00~3A00~3A00~2B00"
        "~3A00&dag_id=history&task_id=sync&run_id=scheduled__2026-01-01T00~3A00~3A00~2B00~3A00&map_index=3"
        "&sum=5d327adb3da1de86&clear=2 */"
    )

    assert f"SELECT id\nFROM  a\n{mark}" == marked("SELECT id\nFROM  a", US, JANUARY, 2)
    assert is_as_written(f"SELECT id FROM a {mark}")
    assert US == owner_of(f"SELECT id FROM a {mark}")


@pytest.mark.parametrize(
    "sql",
    [None, "", QUERY, f"{QUERY} /* a comment */", f"{QUERY}\n/* airflow-provider-mparticle slice: dag_id=x */"],
)
def test_sql_without_a_mark_has_no_owner(sql):
    """It may be replaced, since no task waits for it."""
    assert owner_of(sql) is None


def test_sql_that_differs_is_written_once_and_then_left():
    """A retry of the same task finds its own SQL."""
    mparticle = MParticle("SELECT 1")

    carry_out(lock().acquire(), mparticle)
    carry_out(lock().acquire(), mparticle)

    assert lock().sql == mparticle.sql
    assert 1 == mparticle.sent.count("PUT")


def test_white_space_is_not_a_difference():
    """mParticle may change it when it stores the SQL."""
    mparticle = MParticle("  " + lock().sql.replace("\n", "\r\n  ") + "\n")

    carry_out(lock().acquire(), mparticle)

    assert 0 == mparticle.sent.count("PUT")


def test_the_sql_of_a_task_that_has_not_ended_is_not_replaced():
    """It will be tried again and must find its own SQL."""
    mparticle = MParticle(marked(QUERY, OTHER, JANUARY), active=(OTHER,))

    with pytest.raises(DataModelHeldError, match=r"map index 4"):
        carry_out(lock().acquire(), mparticle)

    assert "PUT" not in mparticle.sent


def test_the_sql_of_a_task_that_has_ended_is_replaced():
    """No task needs it any more."""
    mparticle = MParticle(marked(QUERY, OTHER, JANUARY))

    carry_out(lock().acquire(), mparticle)

    assert US == owner_of(mparticle.sql)


def test_airflow_is_not_asked_about_the_task_itself():
    """It is certainly active."""
    mparticle = MParticle(lock().sql, active=(US,))

    carry_out(lock().check_available(), mparticle)

    assert ["GET", "GET"] == mparticle.sent


def test_a_check_before_the_start_finds_other_sql():
    """Another task wrote between our write and our start."""
    with pytest.raises(DataModelHeldError, match="Nothing was started"):
        carry_out(lock().verify(), MParticle("SELECT 1"))

    carry_out(lock().verify(), MParticle(lock().sql))


@pytest.mark.parametrize(
    ("sql", "who"), [("SELECT 1", "outside of Airflow"), (marked(QUERY, OTHER, JANUARY), "map index 4")]
)
def test_a_check_after_the_run_names_the_task_that_wrote_in_between(sql, who):
    """It is no longer known which rows the run has read."""
    run = {"pipeline_run_id": 7, "ended_on": "2026-03-01T12:00:01+00:00"}

    with pytest.raises(DataModelChangedError, match=who) as changed:
        carry_out(lock().verify_run(run), MParticle(sql))

    assert 7 == changed.value.pipeline_run_id


def test_a_query_that_was_changed_without_its_mark_is_found():
    """A user edits the SQL in mParticle's UI and leaves the comment unchanged."""
    run = {"pipeline_run_id": 7, "ended_on": "2026-03-01T12:00:00+00:00"}
    edited = lock().sql.replace("SELECT id", "SELECT id, email")

    assert is_as_written(lock().sql)
    assert not is_as_written(edited)
    with pytest.raises(DataModelChangedError, match="outside of Airflow"):
        carry_out(lock().verify_run(run), MParticle(edited))


@pytest.mark.parametrize(
    ("sql", "ended_on", "is_sure"),
    [
        (marked(QUERY, OTHER, JANUARY), "2026-03-01T11:59:59+00:00", True),
        (marked(QUERY, OTHER, JANUARY), "2026-03-01T12:00:00+00:00", False),
        (marked(QUERY, OTHER, JANUARY), None, False),
        ("SELECT 1", "2026-03-01T11:59:59+00:00", False),
    ],
    ids=["another slice, after the end", "in the same second", "end unknown", "a user, who may write twice"],
)
def test_a_slice_that_took_the_data_model_after_the_run_does_no_harm(sql, ended_on, is_sure):
    """A task whose worker died is cleared later; only its run has used the data model."""
    run = {"pipeline_run_id": 7, "ended_on": ended_on}
    steps = lock().verify_run(run)

    if is_sure:
        carry_out(steps, MParticle(sql))
    else:
        with pytest.raises(DataModelChangedError):
            carry_out(steps, MParticle(sql))


@pytest.mark.parametrize(
    ("began", "reads"), [("2026-03-01T12:00:00", True), ("2026-03-01T12:00:05", True), ("2026-03-01T11:59:59", False)]
)
def test_a_run_that_began_after_the_sql_was_written_may_have_read_this_slice(began, reads):
    """The SQL has not changed, and mParticle dates both by its own clock, maybe without fractions."""
    ours = lock()
    carry_out(ours.is_still_held(), MParticle(ours.sql))

    run = PipelineRun("orders", 7, started_on=datetime.fromisoformat(began).replace(tzinfo=UTC))

    assert reads == ours.may_have_read(run)


@given(st.integers(-2_000_000, 2_000_000), st.booleans(), st.booleans())
def test_no_run_that_began_before_the_sql_was_written_has_read_this_slice(microseconds, cuts_run, cuts_write):
    """Nor one that began at the same instant; only instants without fractions leave that open."""
    ours, written = lock(), datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    began = written + timedelta(microseconds=microseconds)
    told_begin = began.replace(microsecond=0) if cuts_run else began
    told_write = written.replace(microsecond=0) if cuts_write else written
    carry_out(ours.is_still_held(), MParticle(ours.sql, written=told_write.isoformat()))

    reads = ours.may_have_read(PipelineRun("orders", 7, started_on=told_begin))

    if began > written:
        assert reads
    elif began < written - timedelta(seconds=1) or not (cuts_run or cuts_write or began.microsecond == 0):
        assert not reads


def test_under_other_sql_or_without_a_date_no_run_is_left_out():
    """Then only the instants of requests show which run is ours."""
    ours = lock()
    run = PipelineRun("orders", 7, started_on=datetime(2025, 4, 1, tzinfo=UTC))

    for mparticle in (MParticle("SELECT 1"), MParticle(ours.sql, written=None)):
        carry_out(ours.is_still_held(), mparticle)
        assert ours.may_have_read(run)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"sync_mode": {"type": "incremental"}}, "'incremental'"),
        ({"schedule": {"type": "interval", "frequency": "daily"}}, "'interval'"),
        ({"schedule": {"type": "once"}}, "'once'"),
        ({"data_model_id": "other"}, "'other'"),
    ],
)
def test_a_pipeline_that_is_not_fit_for_slices_is_refused(change, what):
    """It would sync by itself, read another data model, or skip rows that it takes for old."""
    mparticle = MParticle("SELECT 1", pipeline=replace(PIPELINE, **change))

    with pytest.raises(InvalidRequestError, match=what):
        carry_out(lock().acquire(), mparticle)

    assert ["GET"] == mparticle.sent


def test_a_data_model_whose_sql_is_not_shown_is_refused():
    """Slices could not be distinguished, and each check would report another writer."""
    mparticle = MParticle(None)

    with pytest.raises(InvalidRequestError, match=r"config\.sql_query"):
        carry_out(lock().acquire(), mparticle)

    assert "PUT" not in mparticle.sent


def test_a_pipeline_whose_settings_are_not_shown_is_accepted():
    """mParticle may leave out fields in its answers, so they do not count."""
    assert unfit(PIPELINE, "orders-model") is None
    assert unfit(Pipeline("orders"), "orders-model") is None


def test_a_task_is_named_with_its_map_index_if_it_has_one():
    """Messages about a lock say who has it."""
    assert "task 'sync' (map index 3) of DAG 'history', run 'r'" == str(LockOwner("history", "sync", "r", 3))
    assert "task 'sync' of DAG 'history', run 'r'" == str(LockOwner("history", "sync", "r", -1))


def test_after_each_clear_the_sql_of_a_task_is_another_text():
    """It is written again, so a run of before the clear is not taken for one that read it after the clear."""
    written = [marked(QUERY, US, JANUARY, clears) for clears in range(3)]

    assert 3 == len({*written})
    assert [US] * 3 == [owner_of(sql) for sql in written]


@given(st.sampled_from([str.upper, str.title, str.lower]), st.sampled_from([" ", ""]))
def test_words_and_ids_of_a_pipeline_may_be_spelled_in_another_way(change, around):
    """mParticle may store them so. That is not a difference."""
    spelled = [around + change(text) + around for text in ("full", "on_demand", "orders-model")]
    pipeline = Pipeline(
        "orders", sync_mode={"type": spelled[0]}, schedule={"type": spelled[1]}, data_model_id=spelled[2]
    )

    assert unfit(pipeline, "orders-model") is None
