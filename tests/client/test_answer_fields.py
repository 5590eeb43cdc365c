"""Single fields of mParticle's answers are read in every shape that they may have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.answer_fields import (
    LONGEST_WORD,
    MAX_MESSAGES,
    UnexpectedAnswerError,
    check_pipeline,
    error_messages,
    first_value,
    items_in,
    object_in,
    parse_count,
    parse_instant,
    parse_run_id,
    word,
)


def test_the_first_name_with_a_value_counts() -> None:
    """Versions of the API name the same field differently. False and 0 are values, null is not."""
    answer = {"status": None, "pipeline_run_state": 0, "state": "success"}

    assert 0 == first_value(answer, ("run_status", "status", "pipeline_run_state", "state"))
    assert first_value(answer, ("run_status", "status")) is None


@pytest.mark.parametrize(
    "answer", [[1, 2], {"items": [1, 2]}, {"data": [1, 2], "total": 2}, {"results": [1, 2]}], ids=str
)
def test_a_list_is_found_bare_or_in_an_object(answer: Any) -> None:
    """The families of paths wrap their lists differently."""
    assert [1, 2] == items_in(answer)


@pytest.mark.parametrize("answer", [{}, {"items": None}, {"items": [1], "data": [2]}, "text", 7, None], ids=str)
def test_an_answer_without_one_list_is_refused(answer: Any) -> None:
    """An empty list would mean that there are no runs, and a second run would be started."""
    with pytest.raises(UnexpectedAnswerError, match="is not a list"):
        items_in(answer)


@pytest.mark.parametrize("answer", [[], "text", 7, None], ids=str)
def test_an_answer_that_is_not_an_object_is_refused(answer: Any) -> None:
    """It is an error of the API, not a description without fields."""
    assert {} == object_in({})
    with pytest.raises(UnexpectedAnswerError, match="is not a JSON object"):
        object_in(answer)


@pytest.mark.parametrize("named", ["orders", " Orders ", None, 7, "7", " ", ""])
def test_an_answer_may_name_its_pipeline_in_another_spelling(named: object) -> None:
    """A number may be another identifier of the same pipeline."""
    check_pipeline(named, "orders")


def test_an_answer_about_another_pipeline_is_refused() -> None:
    """The state of another pipeline's run must not end a wait. A long name is cut."""
    with pytest.raises(UnexpectedAnswerError, match="is about pipeline 'refunds' instead"):
        check_pipeline("refunds", "orders")
    with pytest.raises(UnexpectedAnswerError, match="is about pipeline '7' instead"):
        check_pipeline("7", "8")
    with pytest.raises(UnexpectedAnswerError) as refused:
        check_pipeline("x" * 10_000, "orders")
    assert len(str(refused.value)) < LONGEST_WORD + 50


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[(7, 7), (7.0, 7), ("7", "7"), (" a-b ", "a-b"), ("a/b", "a/b"), (10**30, 10**30)],
        *[(None, None), (True, None), (7.5, None), (float("nan"), None), (2.0**60, None), ("", None), ("..", None)],
        *[("x" * (LONGEST_WORD + 1), None), ([7], None), ({}, None)],
    ],
)
def test_a_run_id_is_a_number_or_one_segment_of_a_path(value: object, expected: object) -> None:
    """Anything else would lead to another address, or to no run at all."""
    assert expected == parse_run_id(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[(990, 990), (0, 0), ("990", 990), (" 990 ", 990), (2**63 - 1, 2**63 - 1), (990.0, 990), (0.0, 0)],
        *[
            (None, None),
            ("many", None),
            ([], None),
            *[(1.5, None), (-1.0, None), (1e300, None)],
            (-1, None),
            (2**63, None),
            ("9" * 5000, None),
            ("٣", None),
        ],
    ],
)
def test_a_number_of_records_is_a_number_or_none(value: object, expected: int | None) -> None:
    """No records and an unknown number of records are different reports. Airflow's database holds 64 bits."""
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
def test_messages_are_found_in_any_shape_of_errors(errors: object, expected: tuple[str, ...]) -> None:
    """Each family of paths, and each version, wraps its messages differently."""
    assert expected == error_messages(errors)


def test_only_the_first_messages_are_kept() -> None:
    """A run may have a message for each of a million rows."""
    errors = [str(number) for number in range(10 * MAX_MESSAGES)]

    assert tuple(errors[:MAX_MESSAGES]) == error_messages(errors)


@pytest.mark.parametrize(("value", "expected"), [("running", "running"), (7, "7"), (None, None), ([], None)])
def test_a_word_is_text_of_limited_length(value: object, expected: str | None) -> None:
    """It is shown in tables and stored."""
    assert expected == word(value)
    assert LONGEST_WORD == len(word("x" * 10_000) or "")


@pytest.mark.parametrize(
    "written",
    [
        *(
            "0001-01-01T00:00:00",
            "0001-01-01T00:00:00Z",
            "0001-01-01T00:00:00+14:00",
            "1753-01-01",
            "1900-01-01T00:00:00",
        ),
        *("1970-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "9999-12-31", "", None, 0),
    ],
)
def test_the_first_or_last_instant_of_a_type_is_none(written: object) -> None:
    """Servers write it for a run that has not started, and it would be an instant before each request."""
    assert parse_instant(written) is None


@given(st.datetimes(datetime(1970, 1, 2), datetime(9998, 12, 31), timezones=st.just(UTC)), st.integers(-14, 14))
def test_any_other_instant_is_kept(at: datetime, hours: int) -> None:
    """In whatever time zone it is written."""
    written = (at.replace(tzinfo=None) + timedelta(hours=hours)).isoformat() + f"{hours:+03}:00"

    assert at == parse_instant(written)
