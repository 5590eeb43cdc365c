"""Arguments are parsed in one place, in every form that Airflow passes."""

from __future__ import annotations

import math
import re
from contextlib import nullcontext
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.tasks.arguments import (
    LONGEST_S,
    as_switch,
    read_choice,
    read_id,
    read_seconds,
    read_switch,
    refuse_nothing,
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.timedeltas() | st.decimals() | st.binary(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)
DURATIONS = st.floats(min_value=0.001, max_value=LONGEST_S) | st.integers(min_value=1, max_value=int(LONGEST_S))
WHITE_SPACE = st.text(" \t\n", max_size=2)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (5, 5.0),
        (0.25, 0.25),
        ("3600", 3600.0),
        (" 1.5 ", 1.5),
        ("6e1", 60.0),
        (Decimal("2.5"), 2.5),
        (timedelta(minutes=2), 120.0),
        ("0:02:00", 120.0),
        ("1 day, 2:00:00", 93_600.0),
        ("2 days, 0:00:01.500000", 172_801.5),
    ],
)
def test_a_duration_may_be_a_number_its_text_or_a_timedelta(value: Any, seconds: float) -> None:
    """A template renders everything to text, and default_args often contain a timedelta."""
    assert seconds == read_seconds("timeout", value)


@given(DURATIONS, WHITE_SPACE, WHITE_SPACE)
def test_a_duration_means_the_same_in_every_form(seconds: float, before: str, after: str) -> None:
    """A user who moves a number into a Variable gets the same duration."""
    expected = float(seconds)

    assert expected == read_seconds("timeout", seconds) == read_seconds("timeout", f"{before}{seconds}{after}")
    assert math.isclose(expected, read_seconds("timeout", timedelta(seconds=seconds)), abs_tol=1e-6)
    assert math.isclose(expected, read_seconds("timeout", str(timedelta(seconds=seconds))), abs_tol=1e-6)


@pytest.mark.parametrize(
    "value",
    [
        *(0, -1, 1e12, math.nan, math.inf, -math.inf, 10**400, True, False, None, "", "None", "nan", "inf", "1e12"),
        *("soon", "1 hour", [60], {"seconds": 60}, timedelta(0), timedelta(days=-1), timedelta.max, b"60", object()),
    ],
)
def test_what_is_not_a_positive_bounded_duration_is_refused(value: object) -> None:
    """A wait that never ends, or that polls without a pause, must be refused before a run is started."""
    with pytest.raises(ConfigError, match=r"timeout must be a positive number of seconds, not .* Nothing was sent"):
        read_seconds("timeout", value)


@settings(max_examples=300)
@given(ANYTHING)
def test_whatever_a_duration_is_it_is_read_or_refused(value: Any) -> None:
    """Airflow would retry every other exception, which cannot help."""
    try:
        seconds = read_seconds("timeout", value)
    except ConfigError:
        return

    assert 0 < seconds <= LONGEST_S
    assert not isinstance(value, bool)


def test_zero_is_a_duration_where_polling_once_makes_sense() -> None:
    """A sensor of Airflow may have the timeout 0."""
    assert 0.0 == read_seconds("timeout", 0, may_be_zero=True)


@pytest.mark.parametrize(("value", "text"), [("orders", "orders"), (" orders\n", "orders"), (13325, "13325")])
def test_an_id_is_a_text_without_white_space_around_it(value: Any, text: str) -> None:
    """A copied value, or one from a file, often ends with a line break."""
    assert text == read_id("pipeline_id", value)


@given(st.from_regex(r" ?pipeline[a-z0-9_-]{0,20} ?", fullmatch=True), st.integers(0, 2**63 - 1))
def test_an_id_from_an_enumeration_is_its_value(text: str, number: int) -> None:
    """A DAG file may name its pipelines in an enumeration, which str() writes as "Pipelines.ORDERS"."""
    named, numbered = Enum("Pipelines", {"ORDERS": text}, type=str), Enum("Runs", {"LAST": number}, type=int)

    assert [text.strip()] == [read_id("pipeline_id", member) for member in named]
    assert [str(number)] == [read_id("pipeline_run_id", member) for member in numbered]


@pytest.mark.parametrize("value", [None, "", "  ", "None", " None ", "null"])
def test_an_id_that_was_rendered_to_nothing_is_refused(value: Any) -> None:
    """Otherwise the request would go to /None/trigger."""
    with pytest.raises(ConfigError, match=r"pipeline_id was rendered to .* returned no id. Nothing was sent"):
        read_id("pipeline_id", value)


@pytest.mark.parametrize("value", [["orders"], ("orders",), {"id": "orders"}, True, 1.5, math.nan, b"orders"])
def test_an_id_that_is_not_one_text_is_refused(value: Any) -> None:
    """A list with one pipeline is not a pipeline. A task can be mapped over the list."""
    with pytest.raises(ConfigError, match="pipeline_id must be one id as text, not"):
        read_id("pipeline_id", value)


NESTED = st.recursive(
    st.sampled_from(["None", " null ", "none", "", "orders", "{{ none }}"]) | st.none() | st.integers(0, 9),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.lists(inside, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["config", "source", "values"]), inside, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(["name", "mappings", "sync_mode"]), NESTED, max_size=3))
def test_fields_that_were_rendered_to_nothing_are_refused_at_any_depth(fields: dict[str, Any]) -> None:
    """A column "None" of a mapping would be sent, and its events would be empty."""
    is_empty = re.search(r"""['"] ?(None|null) ?['"]""", repr(fields))

    with pytest.raises(ConfigError, match=r"was rendered to '(None|null)'") if is_empty else nullcontext():
        refuse_nothing(fields)


def test_the_value_of_a_static_mapping_may_be_any_text() -> None:
    """It is data, and every event has it."""
    refuse_nothing({"mappings": [{"mapping_type": "static", "destination": "coupon", "value": "None"}]})


@settings(max_examples=300)
@given(ANYTHING)
def test_whatever_an_id_is_it_is_read_or_refused(value: Any) -> None:
    """A parsed id can be part of a path."""
    try:
        text = read_id("pipeline_id", value)
    except ConfigError:
        return

    assert text == text.strip()
    assert text not in ("", "None", "null")


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        *((True, True), ("true", True), (" True ", True), ("YES", True), ("on", True), (1, True), ("1", True)),
        *((False, False), ("false", False), ("False", False), ("no", False), ("off", False), (0, False)),
    ],
)
def test_a_switch_may_be_given_as_text(value: Any, meant: bool) -> None:
    """In Python every text is true, even "false"."""
    assert meant is read_switch("deferrable", value)


@given(ANYTHING)
def test_whatever_a_switch_is_it_is_read_or_refused(value: Any) -> None:
    """An unknown value must not count as on or off."""
    if as_switch(value) is None:
        with pytest.raises(ConfigError, match="deferrable must be True or False, not"):
            read_switch("deferrable", value)
    else:
        assert as_switch(value) is read_switch("deferrable", value)


def test_a_choice_is_one_of_its_words() -> None:
    """The message lists all words."""
    assert "wait" == read_choice("if_running", "wait", ("fail", "wait"))
    with pytest.raises(ConfigError, match="if_running must be one of fail, wait, not 'maybe'"):
        read_choice("if_running", "maybe", ("fail", "wait"))
