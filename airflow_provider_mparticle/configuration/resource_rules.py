"""
Checks the description of a resource before it is sent: the rules of the schema, and those that it cannot express.

Sources: Warehouse Sync API reference, "Create a connection", "Create a data model", "Create a field transformation",
"Create a pipeline". A rule that only the v1 reference has is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from airflow_provider_mparticle.client.resource_kinds import CONNECTION, DATA_MODEL, PIPELINE, Kind
from airflow_provider_mparticle.client.secrets import is_secret_place
from airflow_provider_mparticle.client.timestamps import parse_timestamp
from airflow_provider_mparticle.configuration import schema
from airflow_provider_mparticle.configuration.plain_values import plain, texts
from airflow_provider_mparticle.configuration.problems import Problem
from airflow_provider_mparticle.configuration.resource_diff import is_duration, is_masked, same_word
from airflow_provider_mparticle.configuration.sql_checks import sql_problems

IfExists = Literal["fail", "reuse", "update"]
IF_EXISTS: tuple[IfExists, ...] = ("fail", "reuse", "update")

VERSION = re.compile(r"[0-9]{1,18}")
DICTS = ("config", "sync_mode", "schedule")
# Providers whose config the API reference describes. The config of another provider is not checked.
DOCUMENTED_PROVIDERS = ("Snowflake", "Redshift", "BigQuery")
# Type of schedule -> fields that have no effect with it.
IDLE_FIELDS = {"on_demand": ("frequency", "delay", "start", "end"), "once": ("frequency", "delay")}


def with_defaults(kind: Kind[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description as plain values, with the schema's defaults and without blank fields."""
    fields = schema.definition(kind.name)["properties"]
    defaults = {name: field["default"] for name, field in fields.items() if "default" in field}
    wanted = {**defaults, **without_blanks(plain(given))}
    version = str(wanted.get("data_plan_version")).strip()
    if VERSION.fullmatch(version):
        wanted["data_plan_version"] = int(version)  # a rendered template is text
    return wanted


def without_blanks(value: Any) -> Any:
    """Return a value without the blank fields in it at any depth, as mParticle does."""
    if isinstance(value, Mapping):
        return {name: without_blanks(part) for name, part in value.items() if part not in schema.BLANK}
    if isinstance(value, list | tuple):
        return [without_blanks(part) for part in value]
    return value


def problems(kind: Kind[Any], wanted: Mapping[str, Any], *, is_whole: bool = True) -> list[Problem]:
    """
    Return all problems of the description of one resource.

    :param is_whole: Whether it describes a whole resource, or only some of its fields. Default: a whole resource.
    """
    found = schema.problems(dict(wanted), kind.name)
    if not is_whole:
        absent = {name for name in schema.definition(kind.name)["required"] if name not in wanted}
        found = [problem for problem in found if problem.place not in absent]
    return [*found, *more_problems(kind, wanted)]


def more_problems(kind: Kind[Any], wanted: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problems of a description that the schema does not find. Fields of a wrong type are left to it."""
    yield from _masked(wanted)
    known = {name: part for name, part in wanted.items() if name not in DICTS or isinstance(part, Mapping)}
    if more := _MORE.get(kind.name):
        yield from more(known)


def _masked(wanted: Mapping[str, Any]) -> Iterator[Problem]:
    for place, text in texts(wanted):
        if "**" in text and is_secret_place(place) and is_masked(place, text):
            yield Problem(place, "is masked; give the secret itself, because a masked value cannot be written back")


def _connection(wanted: Mapping[str, Any]) -> Iterator[Problem]:
    known = schema.definition("connection")["properties"]["config"]["properties"]
    if not any(same_word(wanted.get("service_provider"), name) for name in DOCUMENTED_PROVIDERS):
        return
    for name in wanted.get("config", {}):
        if name not in known:
            hint = schema.nearest(name, known)
            yield Problem(f"config.{name}", f"is not a field that mParticle documents{hint}", is_warning=True)


def _data_model(wanted: Mapping[str, Any]) -> Iterator[Problem]:
    sql = wanted.get("config", {}).get("sql_query")
    if isinstance(sql, str) and sql.strip():
        yield from sql_problems(sql, "config.sql_query")


def _pipeline(wanted: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _sync_mode(wanted.get("sync_mode", {}))
    yield from _schedule(wanted.get("schedule", {}))


def _sync_mode(mode: Mapping[str, Any]) -> Iterator[Problem]:
    # From the v1 reference. mParticle may accept other spellings.
    types = schema.definition("sync_mode")["properties"]["iterator_data_type"]["examples"]
    given = mode.get("iterator_data_type")
    if isinstance(given, str) and given and given not in types:
        hint = schema.nearest(given, types)
        text = f"must be one of {', '.join(types)}, not {given!r}{hint}"
        yield Problem("sync_mode.iterator_data_type", text, is_warning=True)
    yield from _bounds("sync_mode", mode, "from", "until")


def _schedule(schedule: Mapping[str, Any]) -> Iterator[Problem]:
    delay, kind = schedule.get("delay"), schedule.get("type")
    if isinstance(delay, str) and delay and not is_duration(delay):
        yield Problem("schedule.delay", f"should look like '1d', not {delay!r}", is_warning=True)
    for name in IDLE_FIELDS.get(kind, ()) if isinstance(kind, str) else ():
        if schedule.get(name) not in schema.BLANK:
            yield Problem(f"schedule.{name}", f"has no effect on a schedule of type {kind}", is_warning=True)
    yield from _bounds("schedule", schedule, "start", "end")


def _bounds(name: str, of: Mapping[str, Any], lower: str, upper: str) -> Iterator[Problem]:
    first, last = (parse_timestamp(of.get(bound)) for bound in (lower, upper))
    if first and last and first >= last:
        yield Problem(f"{name}.{lower}", f"must lie before {upper}: {of[lower]} is not before {of[upper]}")


_MORE: Mapping[str, Callable[[Mapping[str, Any]], Iterator[Problem]]] = {
    CONNECTION.name: _connection,
    DATA_MODEL.name: _data_model,
    PIPELINE.name: _pipeline,
}
