"""
Stores the four kinds of resources of a workspace, and shows them as mParticle does.

Source: Warehouse Sync API reference, "Connections", "Data models", "Field transformations", "Pipelines".

Assumed, the documentation does not say:
- PUT replaces the fields that are sent and keeps the others; a ``config`` is replaced as a whole, except for its
  secrets: they stay if they are not sent, because no answer shows them;
- fields that only mParticle sets (status, errors, audit fields) are ignored when sent, as are unknown ones;
- an ``id`` in the body of a PUT must be the one in the path;
- service account keys are left out of answers, as passwords are;
- a connection, data model or field transformation that a pipeline refers to cannot be deleted (422);
- a list is in the order of creation.
"""

from __future__ import annotations

import copy
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.simulator import validation
from airflow_provider_mparticle.simulator.http_messages import JsonObject, Refusal
from airflow_provider_mparticle.simulator.timestamps import iso

if TYPE_CHECKING:
    from collections.abc import Callable


class Kind(StrEnum):
    """A kind of resource, with its name in sentences."""

    CONNECTION = "connection"
    DATA_MODEL = "data model"
    FIELD_TRANSFORMATION = "field transformation"
    PIPELINE = "pipeline"


# The fields that a caller may set, with their defaults.
FIELDS: dict[Kind, JsonObject] = {
    Kind.CONNECTION: {"id": None, "name": None, "state": "active", "service_provider": None, "config": None},
    Kind.DATA_MODEL: {"id": None, "name": None, "state": "active", "type": None, "config": None},
    Kind.FIELD_TRANSFORMATION: {"id": None, "name": None, "destination_type": None, "mappings": None},
    Kind.PIPELINE: {
        "id": None,
        "name": None,
        "connection_id": None,
        "data_model_id": None,
        "field_transformation_id": None,
        "partner_feed_id": None,
        "partner_feed_key": None,
        "state": "active",
        "sync_mode": None,
        "schedule": None,
        "environment": "development",
        "data_plan_id": None,
        "data_plan_version": None,
    },
}

# The fields with which a pipeline refers to the other kinds.
REFERENCES = {
    "connection_id": Kind.CONNECTION,
    "data_model_id": Kind.DATA_MODEL,
    "field_transformation_id": Kind.FIELD_TRANSFORMATION,
}

_NEVER_SHOWN = ("password", "service_account_key")
_AUTHOR = "simulator@example.com"


class Resources:
    """Everything configured in a workspace. Not thread-safe: the caller holds the lock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._stored: dict[Kind, dict[str, JsonObject]] = {kind: {} for kind in Kind}

    def has(self, kind: Kind, resource_id: object) -> bool:
        """Return whether the resource exists. Ids are texts."""
        return isinstance(resource_id, str) and resource_id in self._stored[kind]

    def stored(self, kind: Kind, resource_id: str) -> JsonObject:
        """Return the resource itself with its secrets, or 404 if it is missing."""
        try:
            return self._stored[kind][resource_id]
        except KeyError:
            raise Refusal(404, f"This workspace has no {kind} {resource_id!r}.") from None

    def get(self, kind: Kind, resource_id: str) -> JsonObject:
        """Return the resource as an answer shows it."""
        return shown(self.stored(kind, resource_id))

    def list_all(self, kind: Kind, service_provider: str | None = None) -> list[JsonObject]:
        """Return all resources of a kind, oldest first. For connections, a kind of warehouse can be chosen."""
        everything = self._stored[kind].values()
        return [shown(one) for one in everything if service_provider in (None, one.get("service_provider"))]

    def create(self, kind: Kind, body: JsonObject) -> JsonObject:
        """Add a resource. Answer 422 if a rule is broken or the id is already used."""
        resource = {**FIELDS[kind], **_settable(kind, body)}
        problems = validation.problems(kind, resource) + self._reference_problems(kind, resource)
        if self.has(kind, resource["id"]):
            problems.append(f"A {kind} with the id {resource['id']!r} already exists.")
        _refuse(problems)
        resource |= {
            "status": "healthy",
            "errors": [],
            **self._audit("created"),
            **self._audit("last_modified"),
        }
        self._stored[kind][resource["id"]] = resource
        return shown(resource)

    def update(self, kind: Kind, resource_id: str, body: JsonObject) -> JsonObject:
        """Replace the fields that are sent. Answer 404 if the resource is missing, 422 if a rule is broken."""
        before = self.stored(kind, resource_id)
        after = {**before, **_settable(kind, body)}
        _keep_secrets(before, after)
        _refuse(
            validation.problems(kind, after) + self._reference_problems(kind, after) + _change_problems(before, after),
        )
        self._stored[kind][resource_id] = after | self._audit("last_modified")
        return self.get(kind, resource_id)

    def delete(self, kind: Kind, resource_id: str) -> None:
        """Remove a resource. Answer 422 while a pipeline refers to it."""
        self.stored(kind, resource_id)
        _refuse([f"The {kind} is used by the pipeline {user!r}." for user in self._users(kind, resource_id)])
        del self._stored[kind][resource_id]

    def _users(self, kind: Kind, resource_id: str) -> list[str]:
        fields = [field for field, referred in REFERENCES.items() if referred is kind]
        pipelines = self._stored[Kind.PIPELINE].values()
        return [one["id"] for one in pipelines if any(one[field] == resource_id for field in fields)]

    def _reference_problems(self, kind: Kind, resource: JsonObject) -> list[str]:
        if kind is not Kind.PIPELINE:
            return []
        return [
            f"{field}: the {referred} {resource[field]!r} does not exist."
            for field, referred in REFERENCES.items()
            if resource[field] not in (None, "") and not self.has(referred, resource[field])
        ]

    def _audit(self, what: str) -> JsonObject:
        return {f"{what}_on": iso(int(self._clock())), f"{what}_by": _AUTHOR}


def shown(resource: JsonObject) -> JsonObject:
    """Return a resource without secrets: passwords are left out, feed keys masked (API reference, "Connections")."""
    copied = copy.deepcopy(resource)
    for name in _NEVER_SHOWN:
        (copied.get("config") or {}).pop(name, None)
    if copied.get("partner_feed_key"):
        copied["partner_feed_key"] = "****"
    return copied


def _settable(kind: Kind, body: JsonObject) -> JsonObject:
    return {name: copy.deepcopy(value) for name, value in body.items() if name in FIELDS[kind]}


def _keep_secrets(before: JsonObject, after: JsonObject) -> None:
    old, new = before.get("config"), after.get("config")
    if isinstance(old, dict) and isinstance(new, dict):
        after["config"] = {**{name: old[name] for name in _NEVER_SHOWN if name in old}, **new}


def _change_problems(before: JsonObject, after: JsonObject) -> list[str]:
    found = [] if before["id"] == after["id"] else ["id cannot be changed."]
    if _sync_type(before) != _sync_type(after):
        found.append("sync_mode.type cannot be changed after creation.")
    return found


def _sync_type(resource: JsonObject) -> Any:
    mode = resource.get("sync_mode")
    return mode.get("type") if isinstance(mode, dict) else None


def _refuse(problems: list[str]) -> None:
    if problems:
        raise Refusal(422, *problems)
