"""
Checks paths before they are sent, so that an id or a templated path never reaches another resource.

Servers and proxies differ in what they decode and normalize. So a path is checked in every form in which one of them
may read it: as it is, and after each percent-decoding.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, unquote

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.client.storable import exact_text

_NOTHING_SENT = "Nothing was sent to mParticle."
# Control, format and line-separating characters, and surrogates.
_UNSENDABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SEPARATORS = frozenset("#?\\")
# A valid path is not percent-encoded more often than this.
MAX_ENCODINGS = 5
_BAD_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")


def fill_path(template: str, values: Mapping[str, str | int]) -> str:
    """
    Put *values*, quoted for a URL, into the placeholders of a path.

    :param template: A path of the route table, for example ``/connections/{connection_id}``.
    :param values: The id for each placeholder.
    :raises ConfigError: A value may be read as blank or as a dot segment, or cannot be sent. The message names its
        placeholder.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ConfigError(f"{name} must be text or a whole number, not {type(value).__name__}. {_NOTHING_SENT}")
        if flaw := segment_flaw(exact_text(value)):
            raise ConfigError(f"{name} must not be {value!r}: it {flaw}. {_NOTHING_SENT}")
    return template.format_map({name: _quoted(exact_text(value)) for name, value in values.items()})


@lru_cache(4096)  # every poll of a run quotes and checks the same two ids
def _quoted(text: str) -> str:
    return quote(text, safe="")


@lru_cache(4096)
def segment_flaw(text: str) -> str | None:
    """
    Return why *text* cannot be one segment of a path, in any form in which it may be read, or None if it can.

    :param text: An id, not yet quoted.
    """
    if not text.strip():
        return "is blank"
    readings = _readings(text)
    if len(readings) > MAX_ENCODINGS:
        return "is percent-encoded too often"
    for reading in readings:
        if _is_unsendable(reading):
            return "holds a control character or bytes that are not UTF-8"
        if _is_relative(reading) or any(_kept(part) in (".", "..") for part in re.split(r"[/\\]", reading)):
            return "may be read as blank or as a dot segment"
    return None


def check_path(path: str) -> None:
    """
    Refuse a path that may be read as another path.

    :param path: A path from the user, maybe with a query.
    :raises ConfigError: The path does not start with ``/``, or it has an empty segment, a dot segment in any spelling,
        a backslash, a ``#``, a control character, a malformed ``%`` or an account in its query.
    """
    if flaw := path_flaw(path):
        raise ConfigError(f"The path of a request {flaw}, not {shown(path)}. {_NOTHING_SENT}")


def path_flaw(path: object) -> str | None:
    """Return the rule that a path breaks, for example "must be text", or None if it breaks none."""
    if not isinstance(path, str):
        return "must be text"
    if not path.startswith("/"):
        return "must start with '/'"
    if _BAD_PERCENT.search(path):
        return "must have two hexadecimal digits after each '%'"
    above, _, query = path.partition("?")
    if any(len(_readings(part)) > MAX_ENCODINGS for part in (above, query)):
        return "must not be percent-encoded so often"
    return next(filter(None, (*map(_flaw_above_query, _readings(above)), *map(_flaw_of_query, _readings(query)))), None)


def _flaw_above_query(reading: str) -> str | None:
    if _is_unsendable(reading):
        return "must not hold control characters or bytes that are not UTF-8"
    if not _SEPARATORS.isdisjoint(reading):
        return "must not hold '#', a backslash or an encoded '?'"
    *segments, last = reading.split("/")[1:]
    if any(map(_is_relative, segments)) or (last and _is_relative(last)):
        return "must not hold '.', '..' or nothing as a segment"
    return _flaw_of_query("&".join(reading.split(";")[1:]))  # some servers read parameters after a semicolon


def _flaw_of_query(reading: str) -> str | None:
    if _is_unsendable(reading) or "#" in reading:
        return "must not hold '#', control characters or bytes that are not UTF-8 in its query"
    if any(is_account(part.partition("=")[0]) for part in re.split("[&;?/]", reading)):
        return "must not name an account, which is the connection's field account_id"
    return None


def is_account(parameter: str) -> bool:
    """Return whether a query parameter names the account, in any spelling."""
    return any("accountid" in re.sub(r"\W|_", "", reading).lower() for reading in _readings(parameter))


def _readings(text: str) -> list[str]:
    """Return a text as it is and after each percent-decoding, with full-width and similar characters normalized."""
    readings = [text]
    while len(readings) <= MAX_ENCODINGS and (decoded := unquote(readings[-1])) != readings[-1]:
        readings.append(decoded)
    return [unicodedata.normalize("NFKC", reading) for reading in readings]


def _is_relative(segment: str) -> bool:
    """Return whether a server may remove the segment when it resolves the path."""
    return _kept(segment) in ("", ".", "..")


def _kept(segment: str) -> str:
    """Return what is left of a segment when a server cuts off parameters, a query or a fragment."""
    return re.split("[;?#]", segment, maxsplit=1)[0].strip()


def _is_unsendable(text: str) -> bool:
    """Return whether a text has control characters, or bytes that are not UTF-8."""
    return "\ufffd" in text or not (text.isprintable() or _UNSENDABLE.isdisjoint(map(unicodedata.category, text)))
