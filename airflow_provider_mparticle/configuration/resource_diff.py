"""
Compares what mParticle has with what is wanted, by what is meant and not by how it is spelled.

One table, :data:`MEANINGS`, says how each field is compared. What mParticle adds by itself is not a difference.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from airflow_provider_mparticle.client.models import Resource
from airflow_provider_mparticle.client.secrets import is_hidden
from airflow_provider_mparticle.client.timestamps import parse_timestamp
from airflow_provider_mparticle.configuration import schema
from airflow_provider_mparticle.configuration.sql_checks import trimmed_lines

# Blank means unbounded, so leaving one of these out takes a bound away; other keys may be mParticle's defaults.
UPPER_BOUNDS = ("until", "end")
# A bound of this year or later is another spelling of "unbounded".
UNBOUNDED_YEAR = 9999

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"(\d{1,8})\s*(s|sec|m|min|h|hr|d|w|second|minute|hour|day|week)s?", re.IGNORECASE)
_ISO_DURATION = re.compile(
    r"P(?:(\d{1,7})W)?(?:(\d{1,8})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?", re.IGNORECASE
)
_UTC = ("utc", "etc/utc", "z", "gmt", "etc/gmt", "+00:00", "zulu", "universal")

# What a secret is replaced with in answers: nothing, only signs or x, a word for it, a remark in brackets, a digest.
_MASK = re.compile(
    r"[^A-Za-z0-9]*|[xX]{3,}|[(<\[].*[)>\]]|(sha-?\d+|md5|hmac|hash)\W.*"
    r"|\W*(redacted|masked|hidden|secret|removed|filtered|sensitive|protected|encrypted)\W*"
    r"|\W*((is )?set|configured|present|true|yes)\W*",
    re.IGNORECASE | re.DOTALL,
)
# What stands for the characters of a secret that are not shown.
_LEFT_OUT = re.compile(r"\*{2,}|\.{2,}|…|[•●]+")


@dataclass(frozen=True)
class Difference:
    """
    A field that mParticle has otherwise than it is wanted.

    :param field: Its path, for example ``"sync_mode.until"``.
    :param have: What mParticle has.
    :param wanted: What is wanted.
    """

    field: str
    have: Any = dataclasses.field(repr=False)
    wanted: Any = dataclasses.field(repr=False)

    @property
    def is_secret(self) -> bool:
        """Whether neither value may be shown."""
        return is_hidden(self.field)

    def __str__(self) -> str:
        if self.is_secret:
            return f"{self.field}: (secret)"
        return f"{self.field}: {self.have!r} -> {self.wanted!r}"


def differences(have: Resource, wanted: Mapping[str, Any]) -> list[Difference]:
    """
    Return what mParticle has otherwise than *wanted*; what *wanted* does not name is not a difference.

    A secret is left out or masked in mParticle's answers, so it counts only as far as a mask shows it to be another.
    """
    found: list[Difference] = []
    for name, value in wanted.items():
        if name != "id":
            found += _differences(name, getattr(have, name), value)
    return found


def changed_fields(found: Collection[Difference]) -> list[str]:
    """Return the names of the resource's fields that differ, each once."""
    return list(dict.fromkeys(difference.field.partition(".")[0] for difference in found))


def is_duration(text: str) -> bool:
    """Tell whether text is a length of time, for example ``1d``."""
    return isinstance(_duration(text), timedelta)


def same_word(one: Any, other: Any) -> bool:
    """Tell whether two values are the same word, in whatever case."""
    return bool(_word(one) == _word(other))


def is_masked(place: str, value: Any) -> bool:
    """Tell whether mParticle masked a value: wholly, or a secret in part. ``/** a comment */`` is not a mask."""
    if isinstance(value, bool):
        return schema.is_secret(place)  # whether there is one
    if not isinstance(value, str):
        return False
    if not schema.is_secret(place):
        return "**" in value and not value.strip("*")
    return bool(_LEFT_OUT.search(value) or _MASK.fullmatch(value.strip()))


def as_documents_say(kind: str, resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resource's fields with the words of the schema where mParticle has them in another case."""
    return {name: _with_words(schema.definition(kind)["properties"].get(name), part) for name, part in resource.items()}


def _with_words(described: Any, value: Any) -> Any:
    node = schema.resolved(described) or {}
    if isinstance(value, Mapping):
        fields = node.get("properties", {})
        return {name: _with_words(fields.get(name), part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_with_words(node.get("items"), part) for part in value]
    words = [word for word in node.get("enum", ()) if word not in schema.BLANK]
    return next((word for word in words if same_word(word, value)), value)


# Walking through a resource


def _differences(name: str, have: Any, wanted: Any) -> Iterator[Difference]:
    if isinstance(wanted, Mapping) and not schema.is_secret(name):
        have = have if isinstance(have, Mapping) else {}
        for key, value in wanted.items():
            yield from _differences(f"{name}.{key}", have.get(key), value)
        for key in UPPER_BOUNDS:
            if key not in wanted and not _is_unbounded(have.get(key)):
                yield Difference(f"{name}.{key}", have[key], None)
    elif not _same(name, have, wanted):
        yield Difference(name, have, wanted)


def _same(name: str, have: Any, wanted: Any) -> bool:
    if schema.is_secret(name) and (have is None or is_masked(name, have)):
        return (have is None and name.startswith("config.")) or _fits_mask(str(wanted), have)
    if is_masked(name, have):
        return True
    meaning = MEANINGS.get(name, _plain_value)
    return bool(meaning(have) == meaning(wanted))


def _fits_mask(wanted: str, masked: Any) -> bool:
    """Tell whether a secret may be the masked one: the characters that the mask shows have to agree."""
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


# What a value means: two values with the same meaning are not a difference


def _text(value: Any) -> Any:
    """Text without the spaces around it."""
    return None if value in schema.BLANK else str(value).strip()


def _word(value: Any) -> Any:
    """A word in any case, its parts joined in any way: ``on_demand``, ``On-Demand``, ``onDemand``."""
    text = _text(value)
    return text and re.sub(r"[\s_-]+", "", text.casefold())


def _lines(value: Any) -> Any:
    """SQL, whatever ends its lines and whatever spaces stand around them; text in quotation marks counts as it is."""
    text = _text(value)
    return text and trimmed_lines(re.sub(r"\r\n?", "\n", text))


def _instant(value: Any) -> Any:
    """An instant in any zone, to the millisecond: mParticle shows up to three digits of a second."""
    at = parse_timestamp(value)
    return _text(value) if at is None else at.replace(microsecond=at.microsecond // 1000 * 1000)


def _duration(value: Any) -> Any:
    """A length of time in any unit; none at all is zero."""
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
    """An instant; one of the year 9999 is none."""
    return None if _is_unbounded(value) else _instant(value)


def _static_value(value: Any) -> Any:
    """What a mapping writes: a space around it is part of it, a number given as text is the same."""
    return value if isinstance(value, str) and value not in ("True", "False") else _plain_value(value)


def _zone(value: Any) -> Any:
    """A time zone in any case; UTC has several names."""
    text = _text(value)
    return text and ("utc" if text.casefold() in _UTC else text.casefold())


def _plain_value(value: Any) -> Any:
    """Text, a number or a truth value; a number given as text is the same, ``0123`` is not the number 123."""
    if isinstance(value, bool) or value in ("True", "False"):
        return str(value).casefold()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _structure(value) if isinstance(value, Mapping | list | tuple) else _text(value)


def _structure(value: Any) -> Any:
    """A dict or list without the blanks in it."""
    if isinstance(value, Mapping):
        parts = {str(name): _structure(part) for name, part in value.items() if part not in schema.BLANK}
        return tuple(sorted(parts.items(), key=lambda part: part[0]))
    return tuple(_structure(part) for part in value) if isinstance(value, list | tuple) else _plain_value(value)


def _mappings(value: Any) -> Any:
    """The mappings of a field transformation in any order; keys that a document cannot have are mParticle's own."""
    if not isinstance(value, list | tuple):
        return _text(value)
    known = schema.definition("mapping")["properties"]
    return Counter(_mapping(one, known) for one in value)


def _mapping(value: Any, names: Collection[str]) -> Any:
    if not isinstance(value, Mapping):
        return _text(value)
    given = [name for name in names if value.get(name) not in schema.BLANK]
    return tuple((name, MEANINGS.get(name, _plain_value)(value[name])) for name in given)


# Path of a field -> what its values mean. Fields that are not named here are compared as plain values.
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
