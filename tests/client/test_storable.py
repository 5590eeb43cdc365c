"""Whatever is read can be stored: as JSON, as msgpack, and in a database."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.storable import DEEPEST, read_json


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'"boom \\ud83d"', "boom \ufffd"),
        (b'{"\\ud83d": "\\u0000"}', {"\ufffd": "\ufffd"}),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b"99999999999999999999", "99999999999999999999"),
        (b"9223372036854775807", 2**63 - 1),
        (b"9223372036854775808", "9223372036854775808"),
        (b"[NaN, Infinity, -Infinity, 1e999]", [None] * 4),
        (b'\xef\xbb\xbf{"a": "\xff"}', {"a": "\ufffd"}),
    ],
)
def test_what_cannot_be_stored_is_replaced(body: bytes, expected: object) -> None:
    """A trigger event that cannot be encoded ends the triggerer, and again after each restart."""
    assert expected == read_json(body)


@pytest.mark.parametrize("depth", [DEEPEST + 1, 900, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    """Encoders fail at some hundred levels."""
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(b"[" * depth + b"]" * depth)


def test_digits_without_end_cost_nothing() -> None:
    """Python refuses to read more than 4,300 digits."""
    assert "9" * 100_000 == read_json(json.dumps("9" * 100_000).encode()) == read_json(b"9" * 100_000)


NUMBERS = st.integers(-(10**30), 10**30) | st.floats() | st.none() | st.booleans()
VALUES = st.recursive(
    NUMBERS | st.text(), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


@given(value=VALUES, as_ascii=st.booleans())
def test_what_needs_no_walk_reads_like_what_is_walked(value: object, as_ascii: bool) -> None:
    """An answer without escapes is read on the fast path; the escape that is added here prevents that."""
    body = json.dumps(value, ensure_ascii=as_ascii).encode()

    assert [read_json(body), "A"] == read_json(b"[" + body + b', "\\u0041"]')


@pytest.mark.parametrize("inside", [b"", b'"\\u0041"'])
def test_the_deepest_nesting_is_read_with_and_without_a_walk(inside: bytes) -> None:
    """Both paths have the same limit of depth."""
    value = read_json(b"[" * DEEPEST + inside + b"]" * DEEPEST)
    for _ in range(DEEPEST - 1):
        [value] = value

    assert (["A"] if inside else []) == value
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(b"[" * (DEEPEST + 1) + inside + b"]" * (DEEPEST + 1))
