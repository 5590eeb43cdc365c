"""Plain values: JSON's values pass unchanged, and no other value reaches a request."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.configuration.document import load_document
from airflow_provider_mparticle.configuration.plain_values import plain

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(), inside, max_size=3),
    max_leaves=8,
)
NOT_JSON = st.one_of(
    st.binary(),
    st.sets(st.integers()),
    st.complex_numbers(),
    st.decimals(),
    st.integers(min_value=2**63) | st.integers(max_value=-(2**63) - 1) | st.just(10**5000),
    st.timedeltas(),
    st.sampled_from([float("nan"), float("inf"), float("-inf"), object(), range(2), iter(())]),
)


@given(JSON)
def test_what_json_has_is_copied_unchanged(value: Any) -> None:
    """A request can have it."""
    assert json.loads(json.dumps(value)) == json.loads(json.dumps(plain(value)))


@given(st.text(), st.characters(categories=["Cs"]), st.text())
def test_half_a_character_is_refused(before: str, half: str, after: str) -> None:
    """JSON can escape it, but mParticle would store another character, and a query would find other rows."""
    for value in ({"name": before + half + after}, {before + half + after: 1}):
        with pytest.raises(ValueError, match="UTF-8 cannot encode"):
            plain(value)


@given(NOT_JSON)
def test_what_json_does_not_have_is_refused_and_not_shown(value: Any) -> None:
    """Otherwise an apply would fail after some steps, when the request is written."""
    with pytest.raises(ValueError, match=r"JSON"):
        plain({"mappings": [{"value": value}]})


def test_a_document_with_a_secret_in_bytes_is_refused_without_the_secret() -> None:
    """The message is logged."""
    with pytest.raises(ConfigError, match="type bytes, which JSON does not have") as caught:
        load_document({"connections": [{"config": {"password": b"hunter2"}}]})

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("value", [date(2026, 1, 31), datetime(2026, 1, 31, tzinfo=UTC)])
def test_an_instant_is_iso_8601_text(value: Any) -> None:
    """DAGs have datetimes."""
    assert value.isoformat() == plain(value)


@pytest.mark.parametrize("value", [Decimal("1.5"), timedelta(days=1), {1}, b"x"])
def test_the_type_is_named(value: Any) -> None:
    """The author of a DAG must find the value."""
    with pytest.raises(ValueError, match=type(value).__name__):
        plain([value])


@given(key=st.none() | st.booleans() | st.integers() | st.floats() | st.binary() | st.dates() | st.tuples(st.text()))
def test_a_key_that_is_not_text_is_refused(key: Any) -> None:
    """Python would write b"user" as a field named "b'user'", and YAML 1.1 reads the key on as True."""
    with pytest.raises(ValueError, match=f"keys of a dict must be text, not of the type {type(key).__name__}"):
        plain({"config": [{key: "a"}]})


@given(text=st.text(min_size=1), number=st.integers(-(2**63), 2**63 - 1))
def test_a_member_of_an_enumeration_is_its_value(text: str, number: int) -> None:
    """str() writes it as "Names.ORDERS"."""
    name = Enum("Names", {"ORDERS": text}, type=str).ORDERS  # type: ignore[attr-defined]  # made by its values
    feed = Enum("Feeds", {"ORDERS": number}, type=int).ORDERS  # type: ignore[attr-defined]  # as above

    copied = plain({name: [name, feed]})

    assert {text: [text, number]} == copied
    assert {str, int} == {type(value) for value in copied[text]}
    assert [str] == [type(key) for key in copied]
