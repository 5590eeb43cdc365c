"""How mParticle's objects are read, and which of their fields are passed on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_mparticle.client.models import DataModel, Pipeline, PipelineRun, Resource
from airflow_provider_mparticle.client.run_states import Progress

# Warehouse Sync API overview, July 2025; names assumed.
RUN_V2 = {
    "pipeline_run_id": 13325,
    "pipeline_id": "orders",
    "type": "manual",
    "status": "success",
    "logical_date": "2025-07-01T00:00:00Z",
    "started_on": "2025-07-01T01:02:03.4Z",
    "ended_on": "2025-07-01T01:05:00.123Z",
    "range_start": "2025-06-30T00:00:00",
    "range_end": "2025-07-01T00:00:00",
    "successful_records": 990,
    "failed_records": 10,
    "errors": [],
}
# Warehouse Sync API reference of 2023, "Get the status of one run".
RUN_V1 = {
    "id": "orders",
    "pipeline_run_id": 13325,
    "pipeline_run_type": "manual",
    "pipeline_run_state": "success",
    "logical_date": "2025-07-01T00:00:00Z",
    "start_date": "2025-07-01T01:02:03.4Z",
    "end_date": None,
    "data_interval_start": "2025-06-30T00:00:00",
    "data_interval_end": "2025-07-01T00:00:00",
    "records_extracted": 1000,
    "records_mapped": 990,
    "event_batches_generated": 990,
    "errors": None,
}


def test_a_run_is_read_under_its_v2_names() -> None:
    """Every field of a run, as the overview of July 2025 shows it."""
    expected = PipelineRun(
        pipeline_id="orders",
        pipeline_run_id=13325,
        type="manual",
        state="success",
        progress=Progress.SUCCEEDED,
        started_on=datetime(2025, 7, 1, 1, 2, 3, 400_000, UTC),
        ended_on=datetime(2025, 7, 1, 1, 5, 0, 123_000, UTC),
        range_start=datetime(2025, 6, 30, tzinfo=UTC),
        range_end=datetime(2025, 7, 1, tzinfo=UTC),
        logical_date=datetime(2025, 7, 1, tzinfo=UTC),
        successful_records=990,
        failed_records=10,
    )

    assert expected == PipelineRun.read(RUN_V2, "orders")


def test_a_run_is_read_under_its_v1_names() -> None:
    """The same run with the names of 2023; a field that v1 does not have is None."""
    expected = PipelineRun(
        pipeline_id="orders",
        pipeline_run_id=13325,
        type="manual",
        state="success",
        progress=Progress.SUCCEEDED,
        started_on=datetime(2025, 7, 1, 1, 2, 3, 400_000, UTC),
        range_start=datetime(2025, 6, 30, tzinfo=UTC),
        range_end=datetime(2025, 7, 1, tzinfo=UTC),
        logical_date=datetime(2025, 7, 1, tzinfo=UTC),
        successful_records=990,
    )

    assert expected == PipelineRun.read(RUN_V1, "orders")


def test_a_v1_run_without_a_run_id_has_none() -> None:
    """Its ``id`` is the id of the pipeline, and a wait for run "orders" would never end."""
    assert PipelineRun.read({"id": "orders"}, "orders").pipeline_run_id is None


def test_the_end_instant_never_decides() -> None:
    """The documented examples have ended runs without an end instant, so a run with one may still be in progress."""
    running = PipelineRun.read({"status": "running", "ended_on": "2025-07-01T01:05:00Z"}, "orders")
    ended = PipelineRun.read({"status": "Failed", "ended_on": None}, "orders")

    assert (Progress.UNDER_WAY, Progress.FAILED) == (running.progress, ended.progress)


def test_a_state_keeps_the_case_it_came_in() -> None:
    """It is shown as mParticle wrote it; only its meaning does not depend on case."""
    run = PipelineRun.read({"status": "SUCCESS"}, "orders")

    assert ("SUCCESS", Progress.SUCCEEDED) == (run.state, run.progress)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        dict.fromkeys(RUN_V2),
        {**dict.fromkeys(RUN_V2, "?"), "pipeline_id": "orders"},
        dict.fromkeys(RUN_V2, 7),
        dict.fromkeys(RUN_V2, True),
        {name: [{}] for name in RUN_V2},
        {name: {"a": [None]} for name in RUN_V2},
    ],
)
def test_reading_a_run_never_raises(answer: dict[str, Any]) -> None:
    """One field that cannot be read must not hide the state of the run."""
    run = PipelineRun.read(answer, "orders")

    assert ("orders", Progress.UNDER_WAY) == (run.pipeline_id, run.progress)
    assert (None, None) == (run.started_on, run.range_end)


def test_a_pipeline_keeps_the_names_of_mparticle() -> None:
    """The names are those of mParticle's reference; unknown fields are dropped."""
    pipeline = Pipeline.read(
        {"id": "orders", "state": "paused", "errors": [{"message": "No role."}], "sync_mode": {"type": "full"}, "x": 1}
    )

    assert Pipeline(id="orders", state="paused", errors=("No role.",), sync_mode={"type": "full"}) == pipeline


def test_an_answer_that_does_not_name_its_pipeline_is_about_the_one_asked_for() -> None:
    """The answer to an update may have no id."""
    assert "orders" == Pipeline.read({"name": "Orders"}, "orders").id
    assert "other" == Pipeline.read({"id": "other"}).id


def test_a_pipeline_passes_on_known_fields_without_the_key_of_its_feed() -> None:
    """A task returns this dict, so it is in Airflow's database and UI; with the key, anyone could send data."""
    pipeline = Pipeline.read({"id": "orders", "partner_feed_key": "a-secret", "errors": ["No role."], "name": None})

    assert {"id": "orders", "errors": ["No role."]} == pipeline.as_dict()

    assert "a-secret" not in repr(pipeline)


@pytest.mark.parametrize("model", [Pipeline, DataModel])
def test_no_error_of_a_resource_can_clear_a_terminal(model: type[Resource]) -> None:
    """The doctor and logs show it."""
    assert ("no\ufffd[2J",) == model.read({"id": "orders", "errors": ["no\x1b[2J"]}).errors


def test_no_reason_of_a_failed_run_can_clear_a_terminal() -> None:
    """The log of the task shows it."""
    run = PipelineRun.read({"pipeline_run_id": 7, "status": "failed", "errors": [{"message": "no\x1b[2J"}]}, "orders")

    assert ("no\ufffd[2J",) == run.errors


def test_a_run_passes_on_json() -> None:
    """A task returns this dict: instants as text, None for unknown values, and always every key."""
    expected = {
        "pipeline_id": "orders",
        "pipeline_run_id": 13325,
        "state": "success",
        "started_on": "2025-07-01T01:02:03.400000+00:00",
        "ended_on": None,
        "range_start": "2025-06-30T00:00:00+00:00",
        "range_end": "2025-07-01T00:00:00+00:00",
        "successful_records": 990,
        "failed_records": None,
    }

    found = PipelineRun.read(RUN_V1, "orders").as_dict()

    assert expected == json.loads(json.dumps(found))


@pytest.mark.parametrize(("given", "same"), [(13325, True), ("13325", True), ("1332", False), (None, False)])
def test_run_ids_compare_as_text(given: int | str | None, same: bool) -> None:
    """A template turns the number that a task returned into text."""
    assert same is PipelineRun.read(RUN_V2, "orders").is_run(given)


def test_a_run_without_an_id_is_not_equal_to_any_run() -> None:
    """None means not known, and two unknown runs are not the same."""
    assert not PipelineRun("orders").is_run(None)


def test_runs_are_ordered_by_logical_date_else_by_start() -> None:
    """Dates are compared with the logical date, or with the start if a run has none."""
    start, logical = datetime(2025, 7, 2, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)

    assert logical == PipelineRun("orders", started_on=start, logical_date=logical).began
    assert start == PipelineRun("orders", started_on=start).began


@pytest.mark.parametrize("none", ["0001-01-01T00:00:00", "9999-12-31T23:59:59.9999999", "1970-01-01T00:00:00Z"])
def test_a_placeholder_is_not_an_instant_of_a_run(none):
    """With it, a run that has not started seems to be from before its request, or to cover everything."""
    instants = ("started_on", "ended_on", "range_start", "range_end", "logical_date")

    run = PipelineRun.read({"pipeline_run_id": 7, **dict.fromkeys(instants, none)}, "orders")

    assert [None] * len(instants) == [getattr(run, name) for name in instants]
