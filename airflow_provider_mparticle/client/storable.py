"""
Makes what others wrote storable: an answer of mParticle, or a library's message, ends up in events, XComs and notes.

Those are encoded as JSON and msgpack and lie in databases, which refuse half an emoji, a NUL, a NaN, a number of more
than 64 bits and very deep nesting. All of that is replaced once, here, where it is read.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

# What JSON decodes to.
Json = Any

# Deeper nesting is refused: mParticle's answers have about 5 levels, and encoders give up at some 200 to 1,000.
DEEPEST = 64
# Longer than any number that fits, so that reading it costs nothing.
_DIGITS = 20
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def storable_text(text: str) -> str:
    """Return *text* with U+FFFD in place of lone surrogates and NUL, which PostgreSQL refuses."""
    return _UNSTORABLE.sub("\ufffd", text)


def read_json(body: bytes) -> Json:
    """
    Read JSON, storable.

    Integers that do not fit into 64 bits become text; NaN and infinities become None.

    :param body: UTF-8, with or without a byte order mark.
    :raises ValueError: It is not JSON, or it is nested too deeply.
    """
    try:
        text = body.decode("utf-8-sig", "replace")
        read = _decoder.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if "\\u" not in text and text.count("[") + text.count("{") <= DEEPEST:  # a poll's answer is read without a walk
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
    return number if -(2**63) <= number < 2**63 else digits


def _number(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


_decoder = json.JSONDecoder(parse_int=_whole_number, parse_float=_number, parse_constant=lambda _: None)
