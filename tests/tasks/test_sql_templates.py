"""SQL templates with the bounds of a slice, and the mistakes in them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.operators import MParticleSyncSliceOperator
from airflow_provider_mparticle.tasks.sql_templates import rendered

START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


def text_of(sql: Any, **context: Any) -> str:
    """The rendered SQL of an operator."""
    operator = MParticleSyncSliceOperator(task_id="sync", pipeline_id="orders", data_model_id="orders-model", sql=sql)
    return rendered(operator, "sql", {**context}, START, END)  # type: ignore[typeddict-item]  # Airflow's has more


def test_a_template_has_the_bounds_and_the_context() -> None:
    """The bounds are datetimes, so a template can format them."""
    text = text_of("{{ window_start }} {{ window_end.date() }} {{ params.region }}", params={"region": "EU"})

    assert "2026-01-01 00:00:00+00:00 2026-01-02 EU" == text


@settings(max_examples=60, database=None)
@given(
    mistake=st.sampled_from(
        [
            *("1 / 0", "window_start + 1", "window_start()", "window_start.foo", "widnow", "[1][5]", "{}['a']"),
            *("window_end - '1 day'", "params.a.b", "window_start.replace(month=13)"),
        ]
    ),
    before=st.sampled_from(["", "SELECT 1 -- {{ window_start }} ", "{% if window_start %}{% endif %}"]),
)
def test_a_mistake_in_a_template_is_ours_to_report(mistake: str, before: str) -> None:
    """Airflow would retry an error of Python, and its message would not name the argument."""
    with pytest.raises(ConfigError, match=r"sql cannot be rendered: .*Nothing was sent to mParticle"):
        text_of(f"{before}{{{{ {mistake} }}}}", params={})


@pytest.mark.parametrize("sql", ["", " \n", "{{ none }}", "{% if false %}SELECT 1{% endif %}"])
def test_a_template_that_renders_to_nothing_is_refused(sql: str) -> None:
    """Every run would fail with an empty query, or with the query None."""
    with pytest.raises(ConfigError, match="sql renders to nothing"):
        text_of(sql)


@pytest.mark.parametrize("sql", [None, 5, ["SELECT 1"], {"a": "SELECT 1"}, timedelta(1)])
def test_what_is_not_text_is_refused(sql: Any) -> None:
    """The text of a list is not SQL."""
    with pytest.raises(ConfigError, match="sql must be one query as text"):
        text_of(sql)


def test_an_error_that_is_not_a_mistake_is_unchanged() -> None:
    """A secrets backend that does not answer may answer at the next try."""

    def away() -> None:
        raise ConnectionError("away")

    with pytest.raises(ConnectionError, match="away"):
        text_of("{{ away() }}", away=away)
