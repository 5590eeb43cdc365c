"""Tables of the command line show all of what they are for, however narrow the window is."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.cli import commands, route_probe
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.simulator import Simulator

CELLS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80)


@settings(deadline=None, max_examples=60)
@given(st.integers(40, 220), st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), min_size=1, max_size=3))
def test_a_table_folds_what_does_not_fit_and_cuts_nothing(width: int, rows: list[tuple[str, ...]]) -> None:
    """An id, a path or a date that is cut cannot be copied."""
    out = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commands, "WIDTH", width)
        commands._print_table(("what", "verdict", "path", ""), rows, out)

    shown = out.getvalue()
    wanted = Counter(character for row in rows for cell in row for character in cell)
    assert "…" not in shown
    assert wanted <= Counter(shown)
    assert max(map(len, shown.splitlines())) <= width


def test_a_route_that_the_doctor_does_not_try_is_not_blamed_on_mparticle(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A developer who adds a route must not read that mParticle stopped answering."""
    monkeypatch.setitem(route_probe.DEFAULT_ROUTES, "something_new", "/new")  # type: ignore[arg-type]  # a dict in fact

    looks = route_probe.look_at_everything(MParticleHook().get_conn()).looks

    assert "The doctor does not try this route." == looks["something_new"].text
