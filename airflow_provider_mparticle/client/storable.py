"""
Replaces what Airflow cannot store in mParticle's answers and in messages of libraries.

Both end up in events, XComs and records, which are encoded as JSON or msgpack and stored in databases. These refuse
half of a surrogate pair, a NUL, a NaN, a number of more than 64 bits, and very deep nesting.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from typing import Any

# What JSON decodes to.
Json = Any

# Deeper nesting is refused. mParticle's answers have about 5 levels, and encoders fail at 200 to 1,000 levels.
DEEPEST = 64
# Whole numbers are from minus this to just below it: those of 64 bits.
INTEGERS_BELOW = 2**63
# A number of more digits does not fit into 64 bits, so it need not be converted, which is slow for a long number.
_DIGITS = 20
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)")


def exact_text(value: str | int) -> str:
    """Return a text or a whole number as text. ``str()`` writes a member of an enumeration by its name."""
    return str.__str__(value) if isinstance(value, str) else int.__repr__(value)


def storable_text(text: str) -> str:
    """Return *text* with U+FFFD in place of lone surrogates and NUL, which PostgreSQL refuses."""
    return _UNSTORABLE.sub("\ufffd", text)


def readable_text(text: str) -> str:
    """
    Return *text* with U+FFFD in place of characters that could hide or rewrite other text in a terminal or a log.

    These are control characters except line ends and tabs, and those that change the direction of text.
    """
    return _UNREADABLE.sub("\ufffd", text)


def read_json(body: bytes) -> Json:
    """
    Return the value of a JSON text, with everything replaced that cannot be stored.

    Integers that do not fit into 64 bits become text; NaN and infinities become None.

    :param body: UTF-8, with or without a byte order mark.
    :raises ValueError: The body is not JSON, or it is nested too deeply.
    """
    try:
        text = body.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace")
        read = _decoder.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if "\\u" not in text and text.count("[") + text.count("{") <= DEEPEST:  # fast path for the answer to a poll
        return read
    return _storable(read, DEEPEST)


def _storable(value: Json, levels: int) -> Json:
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict | list) and not levels:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        return {storable_text(name): _storable(part, levels - 1) for name, part in value.items()}
    if isinstance(value, list):
        return [_storable(part, levels - 1) for part in value]
    return value


def _whole_number(digits: str) -> int | str:
    if len(digits) > _DIGITS:
        return digits
    number = int(digits)
    return number if -INTEGERS_BELOW <= number < INTEGERS_BELOW else digits


def _number(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


_decoder = json.JSONDecoder(parse_int=_whole_number, parse_float=_number, parse_constant=lambda _: None)
