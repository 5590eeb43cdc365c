"""Copies a description into plain values, as JSON has them, within limits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

# Far above what a workspace needs: 1,000 pipelines with their queries take some 25,000 values and 6 levels.
VALUES_AT_MOST = 200_000
DEPTH_AT_MOST = 32


def plain(value: Any) -> Any:
    """
    Return a copy of a value as JSON has it: dicts with text as keys, lists, text, numbers; an instant as ISO 8601.

    :raises ValueError: It holds more values or levels than a document may, itself for instance, a value that JSON does
        not have, or two keys that are the same text.
    """
    return _Copy().of(value, 0)


class _Copy:
    """Copies a value, counting what it copies."""

    def __init__(self) -> None:
        self._count = 0

    def of(self, value: Any, depth: int) -> Any:
        self._count += 1
        check_limits(self._count, depth)
        if isinstance(value, Mapping):
            return self._dict(value, depth)
        if isinstance(value, list | tuple):
            return [self.of(part, depth + 1) for part in value]
        return _scalar(value)

    def _dict(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, part in value.items():
            if str(name) in found:
                raise ValueError(f"{str(name)!r} occurs twice in one dict")
            found[str(name)] = self.of(part, depth + 1)
        return found


def _scalar(value: Any) -> Any:
    """Return text, a number, a truth value or None as it is; refuse what JSON does not have, without showing it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a number in JSON")
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise ValueError(f"it holds a value of the type {type(value).__name__}, which JSON does not have")


def check_limits(count: int, depth: int, line: int | None = None) -> None:
    """
    Refuse what is larger than a document may be.

    :raises ValueError: There are more values or levels than that; the message names the line, if it is given.
    """
    where = f"line {line}: " if line else ""
    if depth > DEPTH_AT_MOST:
        raise ValueError(f"{where}it is nested deeper than {DEPTH_AT_MOST} levels")
    if count > VALUES_AT_MOST:
        raise ValueError(f"{where}it holds more than {VALUES_AT_MOST} values, repeated ones included")
