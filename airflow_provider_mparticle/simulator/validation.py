"""
Checks connections, data models, field transformations and pipelines as mParticle does.

Each function returns one sentence for each problem. The answer is then a 422 with all sentences (Platform API overview,
"Status codes": a business rule is violated).

Assumed, the documentation does not say:
- which fields of a connection's ``config`` each warehouse requires: none is enforced here;
- a connection, a data model and a field transformation need every field listed in ``REQUIRED``;
- ``schedule`` is required, ``environment`` defaults to development and ``state`` to active;
- an iterator data type is refused unless it is a documented one, compared without regard to case;
- ``schedule.delay`` is a whole number and one of the letters m, h, d, w;
- a value of only asterisks in a secret field is a masked value written back, and is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.simulator.http_messages import JsonObject, Refusal
from airflow_provider_mparticle.simulator.timestamps import unix

if TYPE_CHECKING:
    from collections.abc import Collection

SLUG = re.compile(r"[A-Za-z0-9_-]+")  # API reference, "Create a connection": id
DELAY = re.compile(r"\d+[mhdw]")

SERVICE_PROVIDERS = ("Snowflake", "Redshift", "BigQuery", "Databricks")
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

REQUIRED = {
    "connection": ("id", "name", "service_provider", "config"),
    "data model": ("id", "name", "type", "config"),
    "field transformation": ("id", "name", "destination_type", "mappings"),
    "pipeline": ("id", "name", "connection_id", "data_model_id", "sync_mode", "schedule"),
}

SECRET_FIELDS = ("password", "service_account_key", "partner_feed_key")


def problems(kind: str, resource: JsonObject) -> list[str]:
    """Return all problems of a resource, without the resources that it refers to."""
    found = [f"{name} is required." for name in REQUIRED[kind] if _blank(resource.get(name))]
    found += _slug_problems(resource)
    found += [f"{name} contains a masked value; send the real one or leave it out." for name in _masked(resource)]
    return found + _OWN_RULES[kind](resource)


def one_of(name: str, value: object, allowed: Collection[str]) -> list[str]:
    """Refuse a word that is not allowed. Another rule refuses a missing word."""
    if value is None or value in allowed:
        return []
    return [f"{name} must be one of {', '.join(allowed)}, not {value!r}."]


def _blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _slug_problems(resource: JsonObject) -> list[str]:
    slug = resource.get("id")
    if _blank(slug) or (isinstance(slug, str) and SLUG.fullmatch(slug)):
        return []
    return ["id must be text of letters, digits, '_' and '-'."]


def _masked(resource: JsonObject) -> list[str]:
    config = resource.get("config")
    places = [resource, config] if isinstance(config, dict) else [resource]
    return [
        name
        for place in places
        for name in SECRET_FIELDS
        if isinstance(place.get(name), str) and place[name] and not place[name].strip("*")
    ]


def _connection_problems(connection: JsonObject) -> list[str]:
    return [
        *one_of("service_provider", connection.get("service_provider"), SERVICE_PROVIDERS),
        *one_of("state", connection.get("state"), ("new", "active", "inactive")),
        *_must_be_object("config", connection.get("config")),
    ]


def _data_model_problems(model: JsonObject) -> list[str]:
    found = one_of("type", model.get("type"), ("sql",))
    config = model.get("config")
    if isinstance(config, dict) and not _is_text(config.get("sql_query")):
        found.append("config.sql_query is required.")
    return found + _must_be_object("config", config)


def _must_be_object(name: str, value: object) -> list[str]:
    return [] if value is None or isinstance(value, dict) else [f"{name} must be an object."]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


# Field transformation page, "Mapping types": what each needs.
_MAPPING_NEEDS = {
    "column": ("source", "destination"),
    "static": ("destination", "value"),
    "ignore": ("source",),
}


def _field_transformation_problems(transformation: JsonObject) -> list[str]:
    found = one_of("destination_type", transformation.get("destination_type"), ("event_batch",))
    mappings = transformation.get("mappings")
    if mappings is None:
        return found
    if not isinstance(mappings, list):
        return [*found, "mappings must be a list."]
    return found + [problem for i, one in enumerate(mappings) for problem in _mapping_problems(i, one)]


def _mapping_problems(index: int, mapping: Any) -> list[str]:
    place = f"mappings[{index}]"
    kind = mapping.get("mapping_type") if isinstance(mapping, dict) else None
    if not isinstance(kind, str) or kind not in _MAPPING_NEEDS:
        return [f"{place}.mapping_type must be one of {', '.join(_MAPPING_NEEDS)}."]
    return [f"{place}.{name} is required for {kind}." for name in _MAPPING_NEEDS[kind] if _blank(mapping.get(name))]


def _pipeline_problems(pipeline: JsonObject) -> list[str]:
    return [
        *one_of("state", pipeline.get("state"), ("active", "paused")),
        *one_of("environment", pipeline.get("environment"), ("development", "production")),
        *_sync_mode_problems(pipeline.get("sync_mode")),
        *_schedule_problems(pipeline.get("schedule")),
    ]


def _sync_mode_problems(mode: Any) -> list[str]:
    """API reference, "Create a pipeline": an incremental one needs an iterator column."""
    if mode is None:
        return []
    if not isinstance(mode, dict) or mode.get("type") not in ("full", "incremental"):
        return ["sync_mode.type must be full or incremental."]
    if mode["type"] == "full":
        return []
    needed = ("iterator_field", "iterator_data_type")
    found = [f"sync_mode.{name} is required for incremental." for name in needed if _blank(mode.get(name))]
    data_type = mode.get("iterator_data_type")
    found += one_of("sync_mode.iterator_data_type", data_type and str(data_type).lower(), ITERATOR_DATA_TYPES)
    return found + _window_problems("sync_mode", mode, "from", "until")


def _schedule_problems(schedule: Any) -> list[str]:
    if schedule is None:
        return []
    if not isinstance(schedule, dict) or schedule.get("type") not in ("interval", "on_demand", "once"):
        return ["schedule.type must be one of interval, on_demand, once."]
    found = one_of("schedule.frequency", schedule.get("frequency"), ("hourly", "daily", "weekly", "monthly"))
    if schedule["type"] == "interval" and _blank(schedule.get("frequency")):
        found.append("schedule.frequency is required for interval.")
    if not _blank(schedule.get("delay")) and not DELAY.fullmatch(str(schedule["delay"])):
        found.append("schedule.delay must be a number and a unit, such as 1d.")
    return found + _window_problems("schedule", schedule, "start", "end")


def _window_problems(place: str, fields: JsonObject, first: str, last: str) -> list[str]:
    try:
        start = unix(fields.get(first), f"{place}.{first}", status=422)
        end = unix(fields.get(last), f"{place}.{last}", status=422)
    except Refusal as refusal:
        return list(refusal.messages)
    if start is not None and end is not None and start >= end:
        return [f"{place}.{first} must be before {place}.{last}."]
    return []


_OWN_RULES = {
    "connection": _connection_problems,
    "data model": _data_model_problems,
    "field transformation": _field_transformation_problems,
    "pipeline": _pipeline_problems,
}
