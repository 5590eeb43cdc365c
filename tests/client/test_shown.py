"""A refused value is shown in a message, whatever its repr does."""

from __future__ import annotations

import pytest

from airflow_provider_mparticle.client.shown import LONGEST, counted, shown


class Broken:
    """An object of a user whose repr fails."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("value", "expected"),
    [("orders", "'orders'"), (None, "None"), (Broken(), "<Broken>"), (10**5000, "<int>")],
    ids=["text", "none", "broken", "long number"],
)
def test_a_value_is_shown_or_named_by_its_type(value: object, expected: str) -> None:
    """The refusal must not fail itself. Python refuses to write a number of 5,000 digits."""
    assert expected == shown(value)


def test_a_long_value_is_cut() -> None:
    """A whole document in a message would hide the message."""
    text = shown("x" * 10_000)

    assert LONGEST == len(text)
    assert text.endswith("...")


@pytest.mark.parametrize(("number", "text"), [(0, "0 faults"), (1, "1 fault"), (2, "2 faults")])
def test_one_thing_has_no_plural(number: int, text: str) -> None:
    """A report counts from none to many."""
    assert text == counted(number, "fault")
