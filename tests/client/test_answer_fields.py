"""How single fields of an answer are read, in every shape that they may have."""

from __future__ import annotations

import pytest

from airflow_provider_mparticle.client.answer_fields import error_messages, parse_count


@pytest.mark.parametrize(
    ("value", "expected"),
    [(990, 990), (0, 0), ("990", 990), (" 990 ", 990), (None, None), ("many", None), ([], None), (1.5, None)],
)
def test_a_number_of_records_is_a_number_or_none(value: object, expected: int | None) -> None:
    """The reports "nothing was ingested" and "not known" differ."""
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
    """Each family of paths, and each version, has errors in another shape."""
    assert expected == error_messages(errors)
