"""
What a resource has to look like before it is sent, and in what two descriptions of one differ. Pure.

Sources: Warehouse Sync API reference, "Create a connection", "Create a data model", "Create a field transformation",
"Create a pipeline". What only the v1 reference says is a warning.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_mparticle.client.models import SECRET_NAME, Resource, parse_timestamp
from airflow_provider_mparticle.client.resource_kinds import (
    CONNECTION,
    DATA_MODEL,
    FIELD_TRANSFORMATION,
    PIPELINE,
    Kind,
)
from airflow_provider_mparticle.configuration.problems import Problem
from airflow_provider_mparticle.configuration.sql_checks import sql_problems

IfExists = Literal["fail", "reuse", "update"]
IF_EXISTS: tuple[IfExists, ...] = ("fail", "reuse", "update")

SLUG = re.compile(r"[A-Za-z0-9_-]+")
SYNC_MODES = ("full", "incremental")
SCHEDULE_TYPES = ("interval", "on_demand", "once")
FREQUENCIES = ("hourly", "daily", "weekly", "monthly")
ENVIRONMENTS = ("development", "production")
PIPELINE_STATES = ("active", "paused")
DESTINATION_TYPES = ("event_batch",)
# Mapping type -> the keys that it needs. Field-transformation page, "Mappings".
MAPPINGS = {"column": ("source", "destination"), "static": ("destination", "value"), "ignore": ("source",)}

# v1 reference; other spellings may well be accepted.
ITERATOR_DATA_TYPES = (
    "timestamp",
    "datetime",
    "date",
    "timestamp_ltz",
    "timestamp_ntz",
    "timestamp_tz",
    "timestamp_unixtime_s",
    "timestamp_unixtime_ms",
)
DELAY = re.compile(r"\d+[a-z]+")

REQUIRED: Mapping[str, tuple[str, ...]] = {
    CONNECTION.name: ("id", "name", "service_provider", "config"),
    DATA_MODEL.name: ("id", "name", "config"),
    FIELD_TRANSFORMATION.name: ("id", "name", "mappings"),
    PIPELINE.name: ("id", "name", "connection_id", "data_model_id", "sync_mode", "schedule"),
}
# What a description may leave out and mParticle wants to be told.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    DATA_MODEL.name: {"type": "sql"},
    FIELD_TRANSFORMATION.name: {"destination_type": "event_batch"},
}
SLUGS = ("id", "connection_id", "data_model_id", "field_transformation_id")
DICTS = ("config", "sync_mode", "schedule")

# Blank means unbounded, so leaving one of these out takes a bound away; other keys may be mParticle's defaults.
UPPER_BOUNDS = ("until", "end")


@dataclass(frozen=True)
class Difference:
    """A field that mParticle has otherwise; *field* is its path, for example ``"sync_mode.until"``."""

    field: str
    have: Any = dataclasses.field(repr=False)
    wanted: Any = dataclasses.field(repr=False)

    @property
    def is_secret(self) -> bool:
        """Whether neither value may be shown."""
        return bool(SECRET_NAME.search(self.field))

    def __str__(self) -> str:
        if self.is_secret:
            return f"{self.field}: (secret)"
        return f"{self.field}: {self.have!r} -> {self.wanted!r}"


def with_defaults(kind: Kind[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description with mParticle's defaults put in, and without the fields that are left blank."""
    wanted = {**DEFAULTS.get(kind.name, {}), **_not_blank(given)}
    version = str(wanted.get("data_plan_version")).strip()
    if version.isdecimal():
        wanted["data_plan_version"] = int(version)  # a template renders to text
    return wanted


def problems(kind: Kind[Any], wanted: Mapping[str, Any], *, is_whole: bool = True) -> list[Problem]:
    """
    Check a description of a resource; return everything that is wrong with it, at its fields.

    :param is_whole: Whether it describes a whole resource, or only some fields of one.
    """
    missing = [name for name in REQUIRED[kind.name] if name not in wanted] if is_whole else []
    return [*(Problem(name, "is missing") for name in missing), *_problems(kind, wanted)]


def differences(have: Resource, wanted: Mapping[str, Any]) -> list[Difference]:
    """
    Name what mParticle has otherwise than *wanted*; what *wanted* does not name is no difference.

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


def refusal(kind: Kind[Any], have: Resource, wanted: Mapping[str, Any]) -> str | None:
    """Say why mParticle cannot make *have* what is *wanted*, or None where it can."""
    if kind.name != PIPELINE.name:
        return None
    mode = (getattr(have, "sync_mode", None) or {}).get("type")
    wanted_mode = (wanted.get("sync_mode") or {}).get("type", mode)
    if mode is None or mode == wanted_mode:
        return None
    return (
        f"Pipeline {have.id!r} syncs in mode {mode!r} and cannot become {wanted_mode!r}: mParticle does not allow to "
        "change sync_mode.type after creation. Delete the pipeline and create it anew, or give the new one another id."
    )


def update_body(kind: Kind[Any], have: Resource, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a body for PUT that changes what is *wanted* and keeps the rest, whether PUT replaces or merges.

    A masked value is never written back. What was read of a connection is not either, since its secrets are missing.
    """
    body = {name: value for name, value in wanted.items() if name != "id"}
    if kind.name == CONNECTION.name:
        return body
    kept = {name: _plain(value) for name in kind.writable if not _is_hidden(name, value := getattr(have, name))}
    for name in DICTS:
        if isinstance(body.get(name), Mapping) and isinstance(kept.get(name), Mapping):
            before = {key: value for key, value in kept[name].items() if key not in UPPER_BOUNDS}
            body[name] = {**before, **body[name]}
    return {**kept, **body}


# What is wrong


def _problems(kind: Kind[Any], wanted: Mapping[str, Any]) -> Iterator[Problem]:
    for name in wanted:
        if name not in ("id", *kind.writable):
            yield Problem(name, f"is no field of a {kind.title}; the fields are {', '.join(('id', *kind.writable))}")
    for name in SLUGS:
        if name in wanted and not isinstance(wanted[name], str):
            yield Problem(name, f"must be text, not {wanted[name]!r}")
        elif name in wanted and not SLUG.fullmatch(wanted[name]):
            yield Problem(name, f"may hold letters, digits, '-' and '_' only, not {wanted[name]!r}")
    for name in DICTS:
        if name in wanted and not isinstance(wanted[name], Mapping):
            yield Problem(name, f"must be a dict, not a {type(wanted[name]).__name__}")  # it may hold a secret
    yield from _masked(wanted, "")
    sound = {name: value for name, value in wanted.items() if name not in DICTS or isinstance(value, Mapping)}
    yield from _PROBLEMS_OF[kind.name](sound)


def _masked(value: Any, place: str) -> Iterator[Problem]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _masked(part, f"{place}.{name}" if place else str(name))
    elif SECRET_NAME.search(place) and is_masked(place, value):
        yield Problem(place, "is masked; give the secret itself, what mParticle shows cannot be written back")


def _connection(wanted: Mapping[str, Any]) -> Iterator[Problem]:
    yield from ()  # config depends on the provider and passes through


def _data_model(wanted: Mapping[str, Any]) -> Iterator[Problem]:
    if "type" in wanted:
        yield from _choice("type", wanted["type"], ("sql",))
    sql = wanted.get("config", {}).get("sql_query")
    if isinstance(sql, str) and sql.strip():
        yield from sql_problems(sql, "config.sql_query")
    elif "config" in wanted:
        yield Problem("config.sql_query", "is missing")


def _field_transformation(wanted: Mapping[str, Any]) -> Iterator[Problem]:
    if "destination_type" in wanted:
        yield from _choice("destination_type", wanted["destination_type"], DESTINATION_TYPES)
    mappings = wanted.get("mappings", ())
    if not isinstance(mappings, list | tuple):
        yield Problem("mappings", f"must be a list, not {mappings!r}")
        return
    for number, mapping in enumerate(mappings):
        yield from _mapping(f"mappings[{number}]", mapping)


def _mapping(place: str, mapping: Any) -> Iterator[Problem]:
    if not isinstance(mapping, Mapping):
        yield Problem(place, f"must be a dict, not {mapping!r}")
        return
    kind = mapping.get("mapping_type")
    yield from _choice(f"{place}.mapping_type", kind, tuple(MAPPINGS))
    for name in MAPPINGS.get(str(kind), ()):
        if mapping.get(name) in (None, ""):
            yield Problem(f"{place}.{name}", f"is missing; a mapping of type {kind} needs it")


def _pipeline(wanted: Mapping[str, Any]) -> Iterator[Problem]:
    if "sync_mode" in wanted:
        yield from _sync_mode(wanted["sync_mode"])
    if "schedule" in wanted:
        yield from _schedule(wanted["schedule"])
    for name, choices in (("environment", ENVIRONMENTS), ("state", PIPELINE_STATES)):
        if name in wanted:
            yield from _choice(name, wanted[name], choices)
    if "data_plan_version" in wanted and not str(wanted["data_plan_version"]).isdecimal():
        yield Problem("data_plan_version", f"must be a whole number, not {wanted['data_plan_version']!r}")


def _sync_mode(mode: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _choice("sync_mode.type", mode.get("type"), SYNC_MODES)
    if mode.get("type") == "incremental":
        for name in ("iterator_field", "iterator_data_type"):
            if name not in mode:
                yield Problem(f"sync_mode.{name}", "is missing; an incremental pipeline needs it")
    if (kind := mode.get("iterator_data_type")) is not None:
        for problem in _choice("sync_mode.iterator_data_type", kind, ITERATOR_DATA_TYPES):
            yield Problem(problem.place, problem.text, is_warning=True)
    yield from _bounds("sync_mode", mode, "from", "until")


def _schedule(schedule: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _choice("schedule.type", schedule.get("type"), SCHEDULE_TYPES)
    if schedule.get("type") == "interval":
        yield from _choice("schedule.frequency", schedule.get("frequency"), FREQUENCIES)
    if "delay" in schedule and not DELAY.fullmatch(str(schedule["delay"])):
        yield Problem("schedule.delay", f"should look like '1d', not {schedule['delay']!r}", is_warning=True)
    yield from _bounds("schedule", schedule, "start", "end")


def _bounds(name: str, of: Mapping[str, Any], lower: str, upper: str) -> Iterator[Problem]:
    read = {bound: parse_timestamp(of[bound]) for bound in (lower, upper) if bound in of}
    for bound, at in read.items():
        if at is None:
            yield Problem(f"{name}.{bound}", f"must be an ISO 8601 instant, not {of[bound]!r}")
    first, last = read.get(lower), read.get(upper)
    if first and last and first >= last:
        yield Problem(f"{name}.{lower}", f"must lie before {upper}: {of[lower]} is not before {of[upper]}")


def _choice(place: str, value: Any, choices: Collection[str]) -> Iterator[Problem]:
    if value not in choices:
        yield Problem(place, f"must be one of {', '.join(choices)}, not {value!r}")


_PROBLEMS_OF = {
    CONNECTION.name: _connection,
    DATA_MODEL.name: _data_model,
    FIELD_TRANSFORMATION.name: _field_transformation,
    PIPELINE.name: _pipeline,
}


# What differs


def _differences(name: str, have: Any, wanted: Any) -> Iterator[Difference]:
    if isinstance(wanted, Mapping):
        have = have if isinstance(have, Mapping) else {}
        for key, value in wanted.items():
            yield from _differences(f"{name}.{key}", have.get(key), value)
        for key in UPPER_BOUNDS:
            if key not in wanted and have.get(key) not in (None, ""):
                yield Difference(f"{name}.{key}", have[key], None)
    elif not _same(name, have, wanted):
        yield Difference(name, have, wanted)


def _same(name: str, have: Any, wanted: Any) -> bool:
    if is_masked(name, have):
        return _fits_mask(str(wanted), have)
    if have is None and name.startswith("config.") and SECRET_NAME.search(name):
        return True  # left out of the answer
    if isinstance(wanted, list | tuple):
        return bool(_plain(_not_blank(have)) == _plain(_not_blank(wanted)))
    if str(wanted) == str(have):
        return True
    return parse_timestamp(wanted) is not None and parse_timestamp(wanted) == parse_timestamp(have)


def is_masked(place: str, value: Any) -> bool:
    """Tell whether mParticle masked a value: wholly, or a secret in part. ``/** a comment */`` is no mask."""
    if not isinstance(value, str) or "**" not in value:
        return False
    return bool(SECRET_NAME.search(place)) or not value.strip("*")


def _is_hidden(name: str, value: Any) -> bool:
    return value is None or is_masked(name, value)


def _fits_mask(wanted: str, masked: str) -> bool:
    """Tell whether a secret may be the masked one: the characters that the mask shows have to agree."""
    shown = re.split(r"\*+", masked)
    is_long_enough = len(wanted) >= len(shown[0]) + len(shown[-1])
    return is_long_enough and wanted.startswith(shown[0]) and wanted.endswith(shown[-1])


def _not_blank(value: Any) -> Any:
    """Leave out what is blank at any depth, as mParticle does."""
    if isinstance(value, Mapping):
        return {name: _not_blank(part) for name, part in value.items() if part not in (None, "")}
    if isinstance(value, list | tuple):
        return [_not_blank(part) for part in value]
    return value


def _plain(value: Any) -> Any:
    return [*map(_plain, value)] if isinstance(value, list | tuple) else value
