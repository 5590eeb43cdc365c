"""What was read can be stored: as JSON, as msgpack, and in a database."""

from __future__ import annotations

import json

import pytest

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
    """A trigger event that cannot be encoded ends the triggerer, again after each restart."""
    assert expected == read_json(body)


@pytest.mark.parametrize("depth", [DEEPEST + 1, 900, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    """Encoders give up at some hundred levels."""
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(b"[" * depth + b"]" * depth)


def test_digits_without_end_cost_nothing() -> None:
    """Python refuses to read more than 4,300 digits."""
    assert "9" * 100_000 == read_json(json.dumps("9" * 100_000).encode()) == read_json(b"9" * 100_000)
