"""
What a pipeline has to look like before it is sent, and in what two descriptions of one differ. Pure.

Sources: Warehouse Sync API reference, "Create a pipeline", "Sync modes", "Schedules".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

from airflow_provider_mparticle.client.errors import ConfigError, InvalidRequestError
from airflow_provider_mparticle.client.models import Pipeline, instant

IfExists = Literal["fail", "reuse", "update"]
IF_EXISTS: tuple[IfExists, ...] = ("fail", "reuse", "update")

SLUG = re.compile(r"[A-Za-z0-9_-]+")
SYNC_MODES = ("full", "incremental")
SCHEDULE_TYPES = ("interval", "on_demand", "once")
FREQUENCIES = ("hourly", "daily", "weekly", "monthly")
ENVIRONMENTS = ("development", "production")
STATES = ("active", "paused")

# Blank means unbounded, so leaving one of these out takes a bound away; other keys may be mParticle's defaults.
UPPER_BOUNDS = ("until", "end")

WRITABLE = (
    "name",
    "connection_id",
    "data_model_id",
    "field_transformation_id",
    "partner_feed_id",
    "partner_feed_key",
    "state",
    "sync_mode",
    "schedule",
    "environment",
    "data_plan_id",
    "data_plan_version",
)


def pipeline_fields(**given: Any) -> dict[str, Any]:
    """
    Check the fields of a pipeline and return those that are given, as mParticle takes them.

    :raises ConfigError: A field is missing or malformed; the message names it. Nothing was sent.
    """
    fields = {name: value for name, value in given.items() if value not in (None, "")}
    for name in ("id", "name", "connection_id", "data_model_id", "sync_mode", "schedule"):
        if name not in fields:
            raise _wrong(given, name, "is missing")
    for name in ("id", "connection_id", "data_model_id", "field_transformation_id"):
        if name in fields and not SLUG.fullmatch(str(fields[name])):
            raise _wrong(given, name, f"may hold letters, digits, '-' and '_' only, not {fields[name]!r}")
    for name in ("sync_mode", "schedule"):
        if not isinstance(fields[name], Mapping):
            raise _wrong(given, name, f"must be a dict, not {fields[name]!r}")
        fields[name] = {key: value for key, value in fields[name].items() if value not in (None, "")}
    _check_sync_mode(given, fields["sync_mode"])
    _check_schedule(given, fields["schedule"])
    _check_choice(given, "environment", fields.get("environment", "development"), ENVIRONMENTS)
    _check_choice(given, "state", fields.get("state", "active"), STATES)
    if "data_plan_version" in fields:
        fields["data_plan_version"] = _whole_number(given, "data_plan_version")
    return fields


def differences(have: Pipeline, wanted: Mapping[str, Any]) -> list[str]:
    """
    Name the fields of *wanted* that mParticle has otherwise.

    :raises InvalidRequestError: The type of the sync mode differs.
    """
    changed = [name for name in wanted if name != "id" and not _same(wanted[name], getattr(have, name))]
    if "sync_mode" in changed and wanted["sync_mode"]["type"] != (have_type := (have.sync_mode or {}).get("type")):
        raise InvalidRequestError(
            f"Pipeline {have.id!r} syncs in mode {have_type!r} and cannot become {wanted['sync_mode']['type']!r}: "
            "mParticle does not allow to change sync_mode.type after creation. Delete the pipeline and create it "
            "anew, or give the new one another id. Nothing was sent.",
            pipeline_id=have.id,
        )
    return changed


def update_body(have: Pipeline, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a body for PUT that changes what is *wanted* and keeps the rest, whether PUT replaces or merges.

    A masked value is never written back.
    """
    kept = {name: value for name in WRITABLE if (value := getattr(have, name)) is not None and not _is_masked(value)}
    body = {**kept, **{name: value for name, value in wanted.items() if name != "id"}}
    for name in ("sync_mode", "schedule"):
        before = {key: value for key, value in (kept.get(name) or {}).items() if key not in UPPER_BOUNDS}
        body[name] = {**before, **wanted[name]}
    return body


def _check_sync_mode(given: Mapping[str, Any], mode: Mapping[str, Any]) -> None:
    _check_choice(given, "sync_mode.type", mode.get("type"), SYNC_MODES)
    if mode["type"] == "incremental":
        for name in ("iterator_field", "iterator_data_type"):
            if name not in mode:
                raise _wrong(given, f"sync_mode.{name}", "is missing; an incremental pipeline needs it")
    _check_bounds(given, "sync_mode", mode, "from", "until")


def _check_schedule(given: Mapping[str, Any], schedule: Mapping[str, Any]) -> None:
    _check_choice(given, "schedule.type", schedule.get("type"), SCHEDULE_TYPES)
    if schedule["type"] == "interval":
        _check_choice(given, "schedule.frequency", schedule.get("frequency"), FREQUENCIES)
    _check_bounds(given, "schedule", schedule, "start", "end")


def _check_bounds(given: Mapping[str, Any], name: str, of: Mapping[str, Any], lower: str, upper: str) -> None:
    read = {}
    for bound in (lower, upper):
        if bound in of and (at := instant(of[bound])):
            read[bound] = at
        elif bound in of:
            raise _wrong(given, f"{name}.{bound}", f"must be an ISO 8601 instant, not {of[bound]!r}")
    if len(read) == 2 and read[lower] >= read[upper]:
        raise _wrong(given, f"{name}.{lower}", f"must lie before {upper}: {of[lower]} is not before {of[upper]}")


def _check_choice(given: Mapping[str, Any], name: str, value: Any, choices: Collection[str]) -> None:
    if value not in choices:
        raise _wrong(given, name, f"must be one of {', '.join(choices)}, not {value!r}")


def _whole_number(given: Mapping[str, Any], name: str) -> int:
    try:
        return int(given[name])
    except (TypeError, ValueError):
        raise _wrong(given, name, f"must be a whole number, not {given[name]!r}") from None


def _wrong(given: Mapping[str, Any], name: str, why: str) -> ConfigError:
    return ConfigError(
        f"Pipeline {given.get('id')!r}: {name} {why}. Nothing was sent to mParticle.", pipeline_id=given.get("id")
    )


def _same(wanted: Any, have: Any) -> bool:
    if isinstance(wanted, Mapping):
        have = have or {}
        bounds = all(key in wanted or have.get(key) in (None, "") for key in UPPER_BOUNDS)
        return bounds and all(_same(value, have.get(key)) for key, value in wanted.items())
    if _is_masked(have):
        return _fits_mask(str(wanted), have)
    if str(wanted) == str(have):
        return True
    return instant(wanted) is not None and instant(wanted) == instant(have)


def _is_masked(value: object) -> bool:
    return isinstance(value, str) and "**" in value


def _fits_mask(wanted: str, masked: str) -> bool:
    """Tell whether a secret may be the masked one: the characters that the mask shows have to agree."""
    shown = re.split(r"\*+", masked)
    return wanted.startswith(shown[0]) and wanted.endswith(shown[-1])
