"""Copies a description into the plain values of JSON, within limits."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_mparticle.client.storable import INTEGERS_BELOW, exact_text

# Far more than a workspace needs: 1,000 pipelines with their queries take about 25,000 values and 6 levels.
MAX_VALUES = 200_000
MAX_DEPTH = 32


def plain(value: Any) -> Any:
    """
    Return a copy of a value as JSON: dicts with text as keys, lists, text and numbers. Instants become ISO 8601 text.

    :raises ValueError: The value has too many values or levels, for example because it contains itself; a value that
        JSON or UTF-8 does not have; or a key that is not text.
    """
    return _Copy().of(value, 0)


def texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield the place and the value of every text in plain values, for example ``("mappings[0].source", "id")``."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from texts(part, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from texts(part, f"{place}[{number}]")
    elif isinstance(value, str):
        yield place, value


class _Copy:
    """Copies a value and counts the values in it."""

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
            if not isinstance(name, str):
                raise ValueError(f"the keys of a dict must be text, not of the type {type(name).__name__}")
            found[_encodable(name)] = self.of(part, depth + 1)
        return found


def _scalar(value: Any) -> Any:
    """Return text, a number, a boolean or None as it is. Refuse a value that JSON does not have, without showing it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, int):
        if not -INTEGERS_BELOW <= value < INTEGERS_BELOW:
            raise ValueError("it has a whole number of more than 64 bits, which not every reader of JSON can read")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} is not a number in JSON")
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise ValueError(f"it has a value of the type {type(value).__name__}, which JSON does not have")


def _encodable(text: str) -> str:
    """Return text, but refuse a lone surrogate, half of a character: mParticle would store another text."""
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("it has a text with a character that UTF-8 cannot encode")
    return exact_text(text)


def check_limits(count: int, depth: int, line: int | None = None) -> None:
    """
    Refuse a document that is too large.

    :param count: The number of values so far.
    :param depth: The number of levels.
    :param line: The line, for the message. Default: not known.
    :raises ValueError: The document has too many values or levels.
    """
    where = f"line {line}: " if line else ""
    if depth > MAX_DEPTH:
        raise ValueError(f"{where}it is nested deeper than {MAX_DEPTH} levels")
    if count > MAX_VALUES:
        raise ValueError(f"{where}it has more than {MAX_VALUES} values, including repeated ones")
