"""
Makes the body of a PUT that is correct whether mParticle replaces the whole resource or merges the body into it.

It refuses updates with which data would be lost, or that mParticle does not allow: a secret that only mParticle knows,
another type of sync mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_mparticle.client.models import Resource
from airflow_provider_mparticle.client.resource_kinds import CONNECTION, PIPELINE, Kind
from airflow_provider_mparticle.client.secrets import is_secret_place, secrets_in
from airflow_provider_mparticle.configuration.plain_values import plain
from airflow_provider_mparticle.configuration.resource_diff import (
    UPPER_BOUNDS,
    as_documents_say,
    has_no_range,
    is_masked,
    same_word,
)
from airflow_provider_mparticle.configuration.resource_rules import DICTS

# Providers to which mParticle logs in with a secret. API reference, "Create a connection"; BigQuery from v1.
LOG_IN_WITH = {"Snowflake": "password", "Redshift": "password", "BigQuery": "service_account_key"}


def refusals(kind: Kind[Any], have: Resource, wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each reason why *have* cannot be changed to what is *wanted*, or not without a loss."""
    if kind.name == PIPELINE.name:
        yield from _other_sync_mode(have, wanted)
    who = kind.named(have.id)
    for place in hidden_secrets(kind, have, wanted):
        yield (
            f"{who} would be written without its {place}: mParticle never shows it, and may delete a field that a "
            f"request leaves out. Add {place} to the description, from the Airflow connection or secrets backend that "
            "has it."
        )


def hidden_secrets(kind: Kind[Any], have: Resource, wanted: Mapping[str, Any]) -> list[str]:
    """Return the places of the secrets of a resource that mParticle masks, and that *wanted* does not give."""
    known = {name: getattr(have, name, None) for name in kind.writable}
    given = {place for place, _ in secrets_in(wanted)}
    hidden = [
        place
        for place in _masked_secrets(known)
        if not any(one == place or one.startswith(f"{place}.") for one in given)
    ]
    provider = wanted.get("service_provider", known.get("service_provider"))
    needed = next((secret for name, secret in LOG_IN_WITH.items() if same_word(name, provider)), None)
    if kind.name == CONNECTION.name and needed and not given and not hidden:
        return [f"config.{needed}"]
    return hidden


def update_body(kind: Kind[Any], have: Resource, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a body for PUT that changes what is *wanted* and keeps all other fields, whether PUT replaces or merges.

    A masked value is never written back. :func:`refusals` refuses an update that does not give the secret.
    """
    body = {name: value for name, value in wanted.items() if name != "id"}
    known = {name: getattr(have, name) for name in kind.writable}
    kept = as_documents_say(kind.name, _visible(plain(known), ""))
    for name in DICTS:
        if isinstance(body.get(name), Mapping) and isinstance(kept.get(name), Mapping):
            body[name] = _bounded(kept[name], body[name])
    return {**kept, **body}


def completed(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the wanted fields and those that stay. If the type changes, no other fields stay."""
    keeps = same_word(before.get("type"), wanted.get("type", before.get("type")))
    return {**(before if keeps else {}), **wanted}


def _masked_secrets(value: Any, place: str = "") -> Iterator[str]:
    """Yield the place of every secret that mParticle masks."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _masked_secrets(part, f"{place}.{name}" if place else str(name))
    elif is_secret_place(place) and is_masked(place, value):
        yield place


def _bounded(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the wanted fields and those that stay. An upper bound that is not wanted is sent as null: unbounded.

    A PUT that merges keeps the bound of the former type too, so it is also sent as null if the type changes.
    """
    kept = completed(before, wanted)
    bounded = kept if has_no_range(wanted) else before
    return {**kept, **{name: None for name in UPPER_BOUNDS if name not in wanted and bounded.get(name) is not None}}


def _visible(value: Any, place: str) -> Any:
    """Return a value without the fields in it that are null or masked."""
    if not isinstance(value, Mapping):
        return value
    inside = {name: (f"{place}.{name}" if place else name, part) for name, part in value.items()}
    return {
        name: _visible(part, where)
        for name, (where, part) in inside.items()
        if part is not None and not is_masked(where, part)
    }


def _other_sync_mode(have: Resource, wanted: Mapping[str, Any]) -> Iterator[str]:
    mode = (getattr(have, "sync_mode", None) or {}).get("type")
    wanted_mode = (wanted.get("sync_mode") or {}).get("type", mode)
    if mode is not None and not same_word(mode, wanted_mode):
        yield (
            f"Pipeline {have.id!r} has a sync_mode of type {mode!r}, which cannot become {wanted_mode!r}: mParticle "
            "does not allow to change sync_mode.type after creation. Delete the pipeline and create it again, or give "
            "the new pipeline another id."
        )
