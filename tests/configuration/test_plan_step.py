"""A step of a plan as text: no character hides a line, and no secret is shown."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.resource_kinds import CONNECTION, DATA_MODEL
from airflow_provider_mparticle.configuration.plan_step import Action, PlanStep
from airflow_provider_mparticle.configuration.resource_diff import Difference

CONTROLS = st.sampled_from(
    [chr(number) for number in (*range(9), *range(10, 32), *range(127, 160), 0x2028, 0x2029, 0x202E, 0x2066)]
)


@given(st.text(CONTROLS | st.sampled_from("ab\n"), min_size=1, max_size=12))
def test_no_character_that_a_terminal_obeys_is_printed(inside: str) -> None:
    """An escape sequence or a carriage return in a query would hide what an apply will do."""
    change = Difference("config.sql_query", "SELECT a\nFROM b.c", f"SELECT {inside}\nFROM b.c")
    lines = PlanStep(Action.UPDATE, DATA_MODEL, "orders", {}, (change,)).lines()

    assert [] == [sign for line in lines for sign in line if unicodedata.category(sign) in ("Cc", "Zl", "Zp", "Cf")]


def test_text_of_every_language_is_printed_as_it_is() -> None:
    """Only control characters are escaped."""
    change = Difference("config.sql_query", "SELECT 1", "SELECT 'größe 数量 😀'\nFROM b.c")

    assert "'größe 数量 😀'" in "\n".join(PlanStep(Action.UPDATE, DATA_MODEL, "orders", {}, (change,)).lines())


@pytest.mark.parametrize("field", ["config.password", "config.pat", "config.anything_new"])
def test_a_secret_that_differs_is_not_shown(field: str) -> None:
    """It is neither in the lines nor in the JSON."""
    step = PlanStep(Action.UPDATE, CONNECTION, "warehouse", {}, (Difference(field, "hunter1", "hunter2"),))

    assert "hunter" not in f"{step.lines()} {step.as_dict()} {step!r}"
