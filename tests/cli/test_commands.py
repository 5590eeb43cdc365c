"""The tables of the command line never cut a value, and show dates completely."""

from __future__ import annotations

import io
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.cli import commands

CELLS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80)


@settings(max_examples=60)
@given(st.integers(40, 220), st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), min_size=1, max_size=3))
def test_a_table_folds_long_values_and_cuts_nothing(width: int, rows: list[tuple[str, ...]]) -> None:
    """Users copy ids, paths and dates from the table."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "WIDTH", width)
        commands._print_table(("what", "verdict", "path", ""), rows, out)

    shown = out.getvalue()
    wanted = Counter(character for row in rows for cell in row for character in cell)
    assert "…" not in shown
    assert wanted <= Counter(shown)
    assert max(map(len, shown.splitlines())) <= width


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01 00:00:00"),
        (datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC), "2026-01-02 03:04:05"),
    ],
)
def test_every_year_has_four_digits(moment: datetime, shown: str) -> None:
    """``strftime`` prints the year 1 as "1", which is not an ISO 8601 date."""
    assert shown == commands._shown(moment)


def test_no_word_of_mparticle_can_clear_a_terminal() -> None:
    """The name of a state comes from a server, and a terminal obeys control characters."""
    out = io.StringIO()
    commands._print_table(("state",), [("running\x1b[2J",)], out)

    assert "running\ufffd[2J" in out.getvalue()
