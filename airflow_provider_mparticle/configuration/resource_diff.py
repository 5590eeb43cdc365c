"""
Compares a resource of mParticle with its description, by the meaning of values and not by their spelling.

One table, :data:`MEANINGS`, says how each field is compared. Fields that mParticle adds are not a difference.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any

from airflow_provider_mparticle.client.models import Resource
from airflow_provider_mparticle.client.resource_kinds import KINDS
from airflow_provider_mparticle.client.secrets import is_hidden, is_secret_place
from airflow_provider_mparticle.client.timestamps import parse_timestamp
from airflow_provider_mparticle.configuration import schema
from airflow_provider_mparticle.configuration.sql_checks import trimmed_lines

# Blank means unbounded, so a description without one of these removes a bound. Other keys may be mParticle's defaults.
UPPER_BOUNDS = ("until", "end")
# Types of sync modes and schedules whose bounds have no effect.
WITHOUT_RANGE = ("full", "on_demand")
# A bound of this year or later means "unbounded".
UNBOUNDED_YEAR = 9999

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d{1,8})\s*(s|sec|m|min|h|hr|d|w|second|minute|hour|day|week)s?", re.IGNORECASE)
_ISO_DURATION = re.compile(
    r"P(?:(\d{1,7})W)?(?:(\d{1,8})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?", re.IGNORECASE
)
_UTC = ("utc", "etc/utc", "z", "gmt", "etc/gmt", "+00:00", "zulu", "universal")

# The masks of a secret in answers: nothing, only signs or x, a word such as "hidden", a remark in brackets, a digest.
_MASK = re.compile(
    r"[^A-Za-z0-9]*|[xX]{3,}|[(<\[].*[)>\]]|(sha-?\d+|md5|hmac|hash)\W.*"
    r"|\W*(redacted|masked|hidden|secret|removed|filtered|sensitive|protected|encrypted)\W*"
    r"|\W*((is )?set|configured|present|true|yes)\W*",
    re.IGNORECASE | re.DOTALL,
)
# The part of a mask that replaces characters of a secret.
_LEFT_OUT = re.compile(r"\*{2,}|\.{2,}|…|[•●]+")


@dataclass(frozen=True)
class Difference:
    """
    A field whose value differs from the description.

    :param field: Its path, for example ``"sync_mode.until"``.
    :param have: The value that mParticle has.
    :param wanted: The value of the description.
    """

    field: str
    have: Any = dataclasses.field(repr=False)
    wanted: Any = dataclasses.field(repr=False)

    @property
    def is_secret(self) -> bool:
        """Whether the values must not be shown."""
        return is_hidden(self.field)

    def __str__(self) -> str:
        if self.is_secret:
            return f"{self.field}: (secret)"
        return f"{self.field}: {self.have!r} -> {self.wanted!r}"


def differences(have: Resource, wanted: Mapping[str, Any]) -> list[Difference]:
    """
    Return the differences between a resource and its description. Fields that *wanted* does not name do not count.

    mParticle's answers mask secrets or leave them out. So a secret differs only if its mask shows that it does.
    """
    found: list[Difference] = []
    for name, value in wanted.items():
        if name != "id":
            found += _differences(name, getattr(have, name), value)
    return found


def changed_fields(found: Collection[Difference]) -> list[str]:
    """Return the names of the fields of the resource that differ, each once."""
    return list(dict.fromkeys(difference.field.partition(".")[0] for difference in found))


def is_duration(text: str) -> bool:
    """Return whether a text is a duration, for example ``1d``."""
    return isinstance(_duration(text), timedelta)


def same_word(one: Any, other: Any) -> bool:
    """Return whether two values are the same word, in any case."""
    return bool(_word(one) == _word(other))


def has_no_range(part: Mapping[str, Any]) -> bool:
    """Return whether a sync mode or a schedule has no range, so that its bounds have no effect."""
    return any(same_word(part.get("type"), word) for word in WITHOUT_RANGE)


def is_masked(place: str, value: Any) -> bool:
    """Return whether mParticle masked a value: the whole, or a part of a secret. ``/** a comment */`` is not a mask."""
    if isinstance(value, bool):
        return is_secret_place(place)  # says only whether the secret is set
    if not isinstance(value, str):
        return False
    if not is_secret_place(place):
        return "**" in value and not value.strip("*")
    return bool(_LEFT_OUT.search(value) or _MASK.fullmatch(value.strip()))


def as_documents_say(kind: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a resource with the words of the schema, which mParticle may write in another case."""
    return {name: _with_words(schema.definition(kind)["properties"].get(name), part) for name, part in resource.items()}


def _with_words(described: Any, value: Any) -> Any:
    node = schema.resolved(described) or {}
    if isinstance(value, Mapping):
        fields = node.get("properties", {})
        return {name: _with_words(fields.get(name), part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_with_words(node.get("items"), part) for part in value]
    return next((word for word in schema.words(node) if same_word(word, value)), value)


# The fields of a resource


def _differences(name: str, have: Any, wanted: Any) -> Iterator[Difference]:
    if isinstance(wanted, Mapping) and not is_secret_place(name):
        have = have if isinstance(have, Mapping) else {}
        for key, value in wanted.items():
            yield from _differences(f"{name}.{key}", have.get(key), value)
        for key in () if has_no_range(wanted) else UPPER_BOUNDS:
            if key not in wanted and not _is_unbounded(have.get(key)):
                yield Difference(f"{name}.{key}", have[key], None)
    elif not _same(name, have, wanted):
        yield Difference(name, have, wanted)


def _same(name: str, have: Any, wanted: Any) -> bool:
    if have in schema.BLANK and wanted == _defaults().get(name):
        return True  # a server that does not show the field has only this value
    if is_secret_place(name) and (have is None or is_masked(name, have)):
        return (have is None and name.startswith("config.")) or _fits_mask(str(wanted), have)
    if is_masked(name, have):
        return True
    meaning = MEANINGS.get(name, _plain_value)
    return bool(meaning(have) == meaning(wanted))


@cache
def _defaults() -> dict[str, Any]:
    """Return the schema's defaults, by the names of fields of resources."""
    fields = [item for kind in KINDS for item in schema.definition(kind.name)["properties"].items()]
    return {name: field["default"] for name, field in fields if "default" in field}


def _fits_mask(wanted: str, masked: Any) -> bool:
    """Return whether a secret may be the masked one: it must have the characters that the mask shows."""
    if masked is None:
        return False
    if not isinstance(masked, str) or _MASK.fullmatch(masked.strip()):
        return True
    shown = _LEFT_OUT.split(masked)
    is_long_enough = len(wanted) >= len(shown[0]) + len(shown[-1])
    return is_long_enough and wanted.startswith(shown[0]) and wanted.endswith(shown[-1])


def _is_unbounded(value: Any) -> bool:
    at = parse_timestamp(value)
    return value in schema.BLANK or (at is not None and at.year >= UNBOUNDED_YEAR)


# The meaning of a value. Two values with the same meaning are not a difference.


def _text(value: Any) -> Any:
    """Return text without the spaces around it."""
    return None if value in schema.BLANK else str(value).strip()


def _word(value: Any) -> Any:
    """Return a word without regard to case and separators: ``on_demand``, ``On-Demand``, ``onDemand``."""
    text = _text(value)
    return text and re.sub(r"[\s_-]+", "", text.casefold())


def _lines(value: Any) -> Any:
    """Return SQL without regard to line ends and the spaces around lines. Text in quotation marks stays as it is."""
    text = _text(value)
    return text and trimmed_lines(re.sub(r"\r\n?", "\n", text))


def _instant(value: Any) -> Any:
    """Return an instant without regard to its zone, to the millisecond: mParticle shows three digits of a second."""
    at = parse_timestamp(value)
    return _text(value) if at is None else at.replace(microsecond=at.microsecond // 1000 * 1000)


def _duration(value: Any) -> Any:
    """Return a duration without regard to its unit. A blank value is zero."""
    text = _text(value)
    if text is None:
        return timedelta()
    if found := _DURATION.fullmatch(text):
        return timedelta(seconds=int(found[1]) * UNITS_S[found[2][0].lower()])
    found = _ISO_DURATION.fullmatch(text)
    if found and any(found.groups()):
        numbers = [int(group or 0) for group in found.groups()]
        return timedelta(**dict(zip(("weeks", "days", "hours", "minutes", "seconds"), numbers, strict=True)))
    return text.casefold()


def _upper_bound(value: Any) -> Any:
    """Return an instant, or None for the year 9999, which means unbounded."""
    return None if _is_unbounded(value) else _instant(value)


def _static_value(value: Any) -> Any:
    """Return the value that a mapping writes: with the spaces around it; a number and its text are the same."""
    return value if isinstance(value, str) and value not in ("True", "False") else _plain_value(value)


def _zone(value: Any) -> Any:
    """Return a time zone without regard to case. UTC has several names."""
    text = _text(value)
    return text and ("utc" if text.casefold() in _UTC else text.casefold())


def _plain_value(value: Any) -> Any:
    """Return text, a number or a boolean. A number and its text are the same, but ``0123`` is not the number 123."""
    if isinstance(value, bool) or value in ("True", "False"):
        return str(value).casefold()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _structure(value) if isinstance(value, Mapping | list | tuple) else _text(value)


def _structure(value: Any) -> Any:
    """Return a dict or list without blank values."""
    if isinstance(value, Mapping):
        parts = {str(name): _structure(part) for name, part in value.items() if part not in schema.BLANK}
        return tuple(sorted(parts.items(), key=lambda part: part[0]))
    return tuple(_structure(part) for part in value) if isinstance(value, list | tuple) else _plain_value(value)


def _mappings(value: Any) -> Any:
    """Return the mappings of a field transformation without regard to order, and without keys that mParticle adds."""
    if not isinstance(value, list | tuple):
        return _text(value)
    known = schema.definition("mapping")["properties"]
    return Counter(_mapping(one, known) for one in value)


def _mapping(value: Any, names: Collection[str]) -> Any:
    if not isinstance(value, Mapping):
        return _text(value)
    given = [name for name in names if value.get(name) not in schema.BLANK]
    return tuple((name, MEANINGS.get(name, _plain_value)(value[name])) for name in given)


# Path of a field -> the meaning of its value. All other fields are compared as plain values.
MEANINGS: Mapping[str, Callable[[Any], Any]] = {
    "name": _text,
    "connection_id": _text,
    "data_model_id": _text,
    "field_transformation_id": _text,
    "state": _word,
    "type": _word,
    "service_provider": _word,
    "environment": _word,
    "destination_type": _word,
    "config.sql_query": _lines,
    "mappings": _mappings,
    "mapping_type": _word,
    "source": _text,
    "destination": _text,
    "value": _static_value,
    "sync_mode.type": _word,
    "sync_mode.iterator_field": _text,
    "sync_mode.iterator_data_type": _word,
    "sync_mode.from": _instant,
    "sync_mode.until": _upper_bound,
    "sync_mode.time_zone": _zone,
    "schedule.type": _word,
    "schedule.frequency": _word,
    "schedule.delay": _duration,
    "schedule.start": _instant,
    "schedule.end": _upper_bound,
}
