"""How mParticle's objects are read, and what of them is passed on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_mparticle.client.answer_fields import error_messages, parse_count
from airflow_provider_mparticle.client.models import Pipeline, PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.client.timestamps import parse_timestamp

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
    """The same run in the words of 2023; what v1 does not say is None."""
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
    """Its ``id`` is the pipeline's, and waiting for the run "orders" would never end."""
    assert PipelineRun.read({"id": "orders"}, "orders").pipeline_run_id is None


def test_the_end_instant_never_decides() -> None:
    """The documented examples show ended runs without an end instant, so a run with one may be under way, too."""
    running = PipelineRun.read({"status": "running", "ended_on": "2025-07-01T01:05:00Z"}, "orders")
    ended = PipelineRun.read({"status": "Failed", "ended_on": None}, "orders")

    assert (Progress.UNDER_WAY, Progress.FAILED) == (running.progress, ended.progress)


def test_a_state_keeps_the_case_it_came_in() -> None:
    """It is mParticle's word and is shown as such; only its meaning is looked up without case."""
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
    """One field that nobody can read must not hide the state of the run."""
    run = PipelineRun.read(answer, "orders")

    assert ("orders", Progress.UNDER_WAY) == (run.pipeline_id, run.progress)
    assert (None, None) == (run.started_on, run.range_end)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-07-01T12:34:56", datetime(2025, 7, 1, 12, 34, 56, tzinfo=UTC)),
        ("2025-07-01T12:34:56Z", datetime(2025, 7, 1, 12, 34, 56, tzinfo=UTC)),
        ("2025-07-01T12:34:56.7Z", datetime(2025, 7, 1, 12, 34, 56, 700_000, UTC)),
        ("2025-07-01T12:34:56.78", datetime(2025, 7, 1, 12, 34, 56, 780_000, UTC)),
        ("2025-07-01T12:34:56.789+00:00", datetime(2025, 7, 1, 12, 34, 56, 789_000, UTC)),
        ("2025-07-01T12:34:56.1234567Z", datetime(2025, 7, 1, 12, 34, 56, 123_456, UTC)),
        ("2025-07-01T14:34:56+02:00", datetime(2025, 7, 1, 12, 34, 56, tzinfo=UTC)),
        (" 2025-07-01 12:34:56 ", datetime(2025, 7, 1, 12, 34, 56, tzinfo=UTC)),
        ("2025-07-01", datetime(2025, 7, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_an_instant_is_read_leniently_and_is_utc(text: str, expected: datetime) -> None:
    """They come with and without zone, with none to three digits of a second."""
    assert expected == parse_timestamp(text)
    assert UTC == parse_timestamp(text).tzinfo  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "yesterday",
        "2025-13-01T00:00:00Z",
        "2025-07-01T25:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        0,
        1751328000,
        True,
        [],
        {},
    ],
)
def test_an_instant_that_nobody_can_read_is_none(value: object) -> None:
    """An instant is shown, never decided on, so it is not worth an error."""
    assert parse_timestamp(value) is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [(990, 990), (0, 0), ("990", 990), (" 990 ", 990), (None, None), ("many", None), ([], None), (1.5, None)],
)
def test_a_number_of_records_is_a_number_or_none(value: object, expected: int | None) -> None:
    """Nothing was ingested and nobody knows are two different reports."""
    assert expected == parse_count(value)


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([{"message": "No warehouse."}, {"message": "No role."}], ("No warehouse.", "No role.")),
        ([{"code": "404", "message": "No app."}], ("No app.",)),
        ([{"code": "404", "message": None}], ("404",)),
        ([{"error": "access_denied", "error_description": "Wrong secret."}], ("Wrong secret.",)),
        (["No warehouse.", ""], ("No warehouse.",)),
        ("No warehouse.", ("No warehouse.",)),
        ({"message": "No warehouse."}, ("No warehouse.",)),
        ([{"message": 7}, None, 7], ("7", "7")),
        (["ä"], ("ä",)),
        ([{}], ()),
        ([], ()),
        ("", ()),
        (None, ()),
        (7, ()),
        (True, ()),
    ],
)
def test_words_are_found_in_any_shape_of_errors(errors: object, expected: tuple[str, ...]) -> None:
    """Each family of paths, and each version, wraps its sentences in another way."""
    assert expected == error_messages(errors)


def test_a_pipeline_keeps_the_names_of_the_wire() -> None:
    """What one reads in mParticle's reference is what one finds; fields that we do not know are dropped."""
    pipeline = Pipeline.read(
        {"id": "orders", "state": "paused", "errors": [{"message": "No role."}], "sync_mode": {"type": "full"}, "x": 1}
    )

    assert Pipeline(id="orders", state="paused", errors=("No role.",), sync_mode={"type": "full"}) == pipeline


def test_an_answer_that_does_not_name_its_pipeline_is_about_the_one_asked_for() -> None:
    """An update may be answered without the id."""
    assert "orders" == Pipeline.read({"name": "Orders"}, "orders").id
    assert "other" == Pipeline.read({"id": "other"}).id


def test_a_pipeline_passes_on_what_is_known_but_the_key_of_its_feed() -> None:
    """A task returns this dict, so it lies in Airflow's database and UI; the key lets anybody send data."""
    pipeline = Pipeline.read({"id": "orders", "partner_feed_key": "a-secret", "errors": ["No role."], "name": None})

    assert {"id": "orders", "errors": ["No role."]} == pipeline.as_dict()
    assert "a-secret" not in repr(pipeline)


def test_a_run_passes_on_json() -> None:
    """A task returns this dict: instants as text, None where mParticle said nothing, every key always there."""
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


def test_a_run_without_an_id_is_no_run_in_particular() -> None:
    """None stands for not known, and two unknown runs are not the same."""
    assert not PipelineRun("orders").is_run(None)


def test_runs_are_ordered_by_logical_date_else_by_start() -> None:
    """Dates compare with the logical date; where there is none the start is the best there is."""
    start, logical = datetime(2025, 7, 2, tzinfo=UTC), datetime(2025, 7, 1, tzinfo=UTC)

    assert logical == PipelineRun("orders", started_on=start, logical_date=logical).began
    assert start == PipelineRun("orders", started_on=start).began
