"""
Checks values against the published JSON Schema of a document, and says how its text is read.

Rules that a JSON Schema cannot express, for example that ``from`` is before ``until``, are in
:mod:`~airflow_provider_mparticle.configuration.resource_rules`.
"""

from __future__ import annotations

import difflib
import json
import re
import zoneinfo
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.client.secrets import is_secret_place
from airflow_provider_mparticle.client.timestamps import parse_timestamp
from airflow_provider_mparticle.configuration.problems import Problem

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

# The key that editors read to find the schema.
SCHEMA_KEY = "$schema"
# Names that users write instead of another key of the same dict, and whose spelling is not similar.
MEANT = {
    "sync mode": {"from_": "from", "start": "from", "end": "until", "column": "iterator_field"},
    "schedule": {"from": "start", "until": "end", "interval": "frequency", "cron": "frequency"},
}
BLANK = (None, "")
# Names in the time zone database that are not zones for mParticle: "not configured yet", and the zone of this machine.
NOT_ZONES = frozenset({"Factory", "localtime"})
# UTC-12:00 to UTC+14:00 are in use; some readers accept up to 18 hours.
OFFSET = re.compile(r"[+-](0[0-9]|1[0-7]):[0-5][0-9]|[+-]18:00")
_TYPES = {"object": "a dict", "array": "a list", "string": "text", "integer": "a whole number", "null": "null"}


@cache
def content() -> dict[str, Any]:
    """Return the schema, which must not be changed."""
    read: dict[str, Any] = json.loads(files(__package__).joinpath("document.schema.json").read_text(encoding="utf-8"))
    return read


def definition(name: str) -> dict[str, Any]:
    """Return the schema of one part of a document, for example of ``"pipeline"``."""
    found: dict[str, Any] = content()["$defs"][name]
    return found


def sections() -> tuple[str, ...]:
    """Return the sections of a document, in the order in which they refer to each other."""
    return tuple(name for name in content()["properties"] if name != SCHEMA_KEY)


def words(described: Mapping[str, Any]) -> list[str]:
    """Return the words that a field may have, without blanks, from the part of the schema that describes the field."""
    return [word for word in described.get("enum", ()) if word not in BLANK]


@dataclass(frozen=True)
class Node:
    """
    The part of the schema that describes one place of a document.

    :param part: The part; None if the schema says nothing about the place.
    :param name: The name of the field.
    """

    part: Mapping[str, Any] | None
    name: str = ""

    @property
    def is_text(self) -> bool:
        """Whether the schema accepts text here, but neither numbers nor booleans."""
        if self.part is None:
            return is_secret_place(self.name)
        types = self.part.get("type")
        if types is None:
            return "enum" in self.part
        accepted = {types} if isinstance(types, str) else set(types)
        return "string" in accepted and not accepted & {"integer", "number", "boolean"}

    def field(self, name: str) -> Node:
        """Return the node of one field of this dict."""
        return Node(resolved((self.part or {}).get("properties", {}).get(name)), name)

    def item(self) -> Node:
        """Return the node of the items of this list."""
        return Node(resolved((self.part or {}).get("items")), self.name)


def root() -> Node:
    """Return the node of a whole document."""
    return Node(content())


def problems(value: Any, part: str | None = None) -> list[Problem]:
    """
    Return all problems that the schema finds in a value, each with its place.

    :param value: Plain values of JSON.
    :param part: Name of the definition that describes the value. Default: a whole document.
    """
    found = [one for error in _validator(part).iter_errors(value) for one in _problems_of(error)]
    return list(dict.fromkeys(found))


def nearest(word: str, choices: Collection[str]) -> str:
    """Return a hint such as ``"; did you mean 'from'?"``, or nothing if no choice is similar."""
    by_fold = {choice.casefold(): choice for choice in choices}
    near = difflib.get_close_matches(word.casefold(), by_fold, n=1)
    return f"; did you mean {by_fold[near[0]]!r}?" if near else ""


@cache
def _validator(part: str | None) -> Validator:
    from jsonschema import Draft202012Validator

    described = content() if part is None else {"$defs": content()["$defs"], "$ref": f"#/$defs/{part}"}
    return Draft202012Validator(described, format_checker=format_checker())


@cache
def format_checker() -> Any:
    """Return the checker of the formats in the schema that a pattern cannot describe."""
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    checker.checks("instant")(_is_instant)
    checker.checks("time-zone")(_is_zone)
    return checker


def _is_instant(value: object) -> bool:
    return not isinstance(value, str) or not value or parse_timestamp(value) is not None


def _is_zone(value: object) -> bool:
    if not isinstance(value, str) or not value or OFFSET.fullmatch(value):
        return True
    known = _zones()
    return not known or value in known


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - NOT_ZONES


def resolved(part: Any) -> Mapping[str, Any] | None:
    """Return a part of the schema with the definition to which it refers, or None if *part* is not one."""
    if not isinstance(part, Mapping):
        return None
    name = str(part.get("$ref", "")).rpartition("/")[2]
    return {**definition(name), **part} if name else part


# The problems for the validator's errors


def _problems_of(error: Any) -> Iterator[Problem]:
    """Yield the problems for an error of the validator, without values that may be secrets."""
    place = place_of(error.absolute_path)
    if message := error.schema.get("errorMessage") if error.validator == "not" else None:
        yield Problem(place, message)
    elif problems_for := _PROBLEMS_FOR.get(str(error.validator)):
        yield from problems_for(error, place)
    else:
        yield Problem(place, f"does not fit the schema ({error.validator})")


def place_of(path: Iterable[str | int]) -> str:
    """Return a path as a place: ``pipelines[1].sync_mode.from``."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _inside(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _missing(error: Any, place: str) -> Iterator[Problem]:
    for name in error.validator_value:
        choices = ", ".join(words(resolved(error.schema.get("properties", {}).get(name)) or {}))
        text = f"must be one of {choices}; it is missing" if choices else "is missing"
        if name not in error.instance:
            yield Problem(_inside(place, name), f"{text}{error.schema.get('errorMessage', '')}")


def _unknown(error: Any, place: str) -> Iterator[Problem]:
    known = {name: part for name, part in error.schema["properties"].items() if name != SCHEMA_KEY}
    title = error.schema["title"]
    of = "section of a document; the sections" if title == content()["title"] else f"field of a {title}; the fields"
    for name in error.instance:
        if name not in error.schema["properties"]:
            meant = MEANT.get(title, {}).get(name)
            hint = f"; did you mean {meant!r}?" if meant else nearest(name, known)
            yield Problem(_inside(place, name), f"is not a {of} are {', '.join(known)}{hint}")


def _type(error: Any, place: str) -> Iterator[Problem]:
    types = error.validator_value
    names = " or ".join(_TYPES[name] for name in ([types] if isinstance(types, str) else types) if name != "null")
    must = (
        error.schema["patternErrorMessage"] if "integer" in types and "pattern" in error.schema else f"must be {names}"
    )
    if not place and types == "object" and error.schema.get("title") == content()["title"]:
        empty = "is empty; it" if error.instance is None else ""
        yield Problem("the document", f"{empty} must be a dict with the sections {', '.join(sections())}".lstrip())
    elif types == "array" and place in content()["properties"]:
        yield Problem(place, "must be a list; write [] for an empty one, or leave out the section to change nothing")
    elif error.instance is None and types != "array" and not place.endswith("]"):
        yield Problem(
            place, "is missing" + ("; put null in quotes if it is meant as text" if types == "string" else "")
        )
    elif isinstance(error.instance, Mapping | list | str):  # it may have a secret
        yield Problem(place, f"{must}, not a {type(error.instance).__name__}")
    else:
        yield Problem(place, f"{must}, not {_shown(place, error.instance)}")


def _word(error: Any, place: str) -> Iterator[Problem]:
    given, choices = error.instance, words(error.schema)
    if given in BLANK:
        yield Problem(place, f"must be one of {', '.join(choices)}; it is missing")
        return
    hint = nearest(given, choices) if isinstance(given, str) else ""
    yield Problem(place, f"must be one of {', '.join(choices)}, not {_shown(place, given)}{hint}")


def _pattern(error: Any, place: str) -> Iterator[Problem]:
    if not error.instance.strip():
        yield Problem(place, "is missing")
    else:
        what = error.schema["patternErrorMessage"]
        yield Problem(place, f"{what}, not {_shown(place, error.instance)}")


def _small(error: Any, place: str) -> Iterator[Problem]:
    yield Problem(place, f"must be a whole number of at least {error.validator_value}, not {error.instance!r}")


def _format(error: Any, place: str) -> Iterator[Problem]:
    given = error.instance
    if error.validator_value == "time-zone":
        yield Problem(
            place, f"must be a time zone such as 'Europe/London' or 'UTC', not {given!r}{nearest(given, _zones())}"
        )
    else:
        yield Problem(place, f"must be an ISO 8601 instant, not {given!r}")


def _shown(place: str, value: Any) -> str:
    return "the given value" if is_secret_place(place) else repr(value)


_PROBLEMS_FOR: Mapping[str, Callable[[Any, str], Iterator[Problem]]] = {
    "required": _missing,
    "additionalProperties": _unknown,
    "type": _type,
    "enum": _word,
    "pattern": _pattern,
    "minimum": _small,
    "format": _format,
}
