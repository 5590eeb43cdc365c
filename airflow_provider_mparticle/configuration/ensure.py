"""Make sure that a resource is there, as described: create it, take it as it is, or change what differs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, TypeVar

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.endpoints import Sender
from airflow_provider_mparticle.client.errors import (
    ConfigError,
    InvalidRequestError,
    MParticleError,
    NotFoundError,
)
from airflow_provider_mparticle.client.models import Resource
from airflow_provider_mparticle.client.resource_kinds import PIPELINE, Kind
from airflow_provider_mparticle.configuration.resource_rules import (
    IfExists,
    changed_fields,
    differences,
    problems,
    refusal,
    update_body,
    with_defaults,
)

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Resource)


def validated(kind: Kind[Any], given: Mapping[str, Any], *, is_whole: bool = True) -> dict[str, Any]:
    """
    Return the description to send; what may work all the same is said in the log.

    :param is_whole: Whether it describes a whole resource, or only some fields of one.
    :raises ConfigError: The description is wrong; the message names everything that is. Nothing was sent.
    """
    wanted = with_defaults(kind, given) if is_whole else dict(given)
    found = problems(kind, wanted, is_whole=is_whole)
    what = f"{kind.title.capitalize()} {given.get('id')!r}"
    for problem in found:
        if problem.is_warning:
            log.warning("%s: %s.", what, problem)
    if errors := [str(problem) for problem in found if not problem.is_warning]:
        raise ConfigError(
            f"{what}: {'; '.join(errors)}. Nothing was sent to mParticle.", **_about(kind, given.get("id"))
        )
    return wanted


def ensure(sender: Sender, kind: Kind[R], wanted: Mapping[str, Any], if_exists: IfExists) -> tuple[R, list[str]]:
    """
    Make sure that the resource is there.

    :return: The resource, and the names of the fields that were set: all of them if it was created.
    :raises InvalidRequestError: It exists and may not, or mParticle cannot change it so.
    """
    have = get_or_none(sender, kind, wanted["id"])
    if have is None:
        return create(sender, kind, wanted), list(wanted)
    if if_exists == "fail":
        raise InvalidRequestError(
            f"{kind.title.capitalize()} {have.id!r} exists already, and if_exists='fail'. Nothing was changed. Pass "
            "if_exists='reuse' to take it as it is, or 'update' to change what differs.",
            **_about(kind, have.id),
        )
    return update(sender, kind, have, wanted) if if_exists == "update" else (have, [])


def merged(have: Resource, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return *fields*, each dict among them completed with what mParticle has."""
    return {
        name: {**(getattr(have, name, None) or {}), **value} if isinstance(value, Mapping) else value
        for name, value in fields.items()
    }


def get_or_none(sender: Sender, kind: Kind[R], resource_id: str) -> R | None:
    """Read a resource, or return None where there is none."""
    try:
        return sender.send(endpoints.get_resource(kind, resource_id))
    except NotFoundError:
        return None


def create(sender: Sender, kind: Kind[R], wanted: Mapping[str, Any]) -> R:
    """Create a resource; if the answer is lost, look whether it is there."""
    try:
        return sender.send(endpoints.create_resource(kind, wanted))
    except MParticleError as error:
        if error.may_have_executed and (created := get_or_none(sender, kind, wanted["id"])):
            log.info("%s The %s is there all the same.", error, kind.title)
            return created
        raise


def update(sender: Sender, kind: Kind[R], have: R, wanted: Mapping[str, Any]) -> tuple[R, list[str]]:
    """
    Change what differs, with one request, or with none if nothing does.

    :raises InvalidRequestError: mParticle cannot change it so. Nothing was sent.
    """
    if reason := refusal(kind, have, wanted):
        raise InvalidRequestError(f"{reason} Nothing was changed.", **_about(kind, have.id))
    changed = changed_fields(differences(have, wanted))
    if not changed:
        return have, []
    return sender.send(endpoints.update_resource(kind, have.id, update_body(kind, have, wanted))), changed


def _about(kind: Kind[Any], resource_id: Any) -> dict[str, Any]:
    """Return the fact that an error about this resource carries: it is kept for pipelines, what users act on."""
    return {"pipeline_id": resource_id} if kind.name == PIPELINE.name else {}
