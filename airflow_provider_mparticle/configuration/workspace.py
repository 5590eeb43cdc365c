"""Holds the resources of a workspace, and describes them as a document that can be applied again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_mparticle.client.models import Resource
from airflow_provider_mparticle.client.resource_kinds import KINDS, Kind
from airflow_provider_mparticle.client.secrets import without_hidden
from airflow_provider_mparticle.configuration import schema
from airflow_provider_mparticle.configuration.plain_values import plain
from airflow_provider_mparticle.configuration.resource_diff import (
    UPPER_BOUNDS,
    as_documents_say,
    has_no_range,
    is_masked,
)
from airflow_provider_mparticle.configuration.resource_rules import IDLE_FIELDS, without_blanks

# The fields of a sync mode and of a schedule that bound what is read.
BOUNDS = ("from", "start", *UPPER_BOUNDS)


@dataclass(frozen=True)
class Workspace:
    """
    The resources that mParticle has.

    :param resources: Name of a kind -> id -> resource.
    """

    resources: Mapping[str, Mapping[str, Resource]] = field(default_factory=dict)

    def of(self, kind: Kind[Any]) -> Mapping[str, Resource]:
        """Return the resources of a kind by their ids."""
        return self.resources.get(kind.name, {})

    def as_document(self) -> dict[str, Any]:
        """Return the workspace as a document: the fields that can be written, without secrets or empty sections."""
        return {
            kind.plural: [described(kind, found[resource_id]) for resource_id in sorted(found)]
            for kind in KINDS
            if (found := self.of(kind))
        }


def described(kind: Kind[Any], resource: Resource) -> dict[str, Any]:
    """Return the description of a resource: the fields that can be written, without secrets and blank fields."""
    known = plain({name: getattr(resource, name) for name in ("id", *kind.writable)})
    shown = _with_known_mappings(as_documents_say(kind.name, without_blanks(_without_masks(without_hidden(known)))))
    for problem in schema.problems(shown, kind.name):
        if not _is_bound(shown, problem.place):
            _take_out(shown, problem.place)  # a document cannot have it, and an update does not change it
    schedule = shown.get("schedule") or {}
    for name in IDLE_FIELDS.get(str(schedule.get("type")), ()):
        schedule.pop(name, None)
    return shown


def _with_known_mappings(shown: dict[str, Any]) -> dict[str, Any]:
    """Return a description without the fields that mParticle adds to mappings, as in a comparison."""
    known = schema.definition("mapping")["properties"]
    if isinstance(mappings := shown.get("mappings"), list):
        shown["mappings"] = [
            {name: part for name, part in one.items() if name in known} if isinstance(one, Mapping) else one
            for one in mappings
        ]
    return shown


def _without_masks(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_masks(part) for name, part in value.items() if not is_masked(name, part)}
    return [_without_masks(part) for part in value] if isinstance(value, list) else value


def _is_bound(shown: Mapping[str, Any], place: str) -> bool:
    """Return whether a place bounds what is read. Without it more would be read, so an apply must refuse it."""
    part, _, name = place.partition(".")
    return name in BOUNDS and not has_no_range(shown.get(part) or {})


def _take_out(value: dict[str, Any], place: str) -> None:
    """Remove a field from a description, but not from an item of a list, which would lose its meaning."""
    *parents, name = place.split(".")
    for parent in parents:
        value = value.get(parent, {})
    if isinstance(value, dict):
        value.pop(name, None)
