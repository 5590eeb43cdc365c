"""Makes sure that one resource exists as described: creates it, reuses it, or updates the fields that differ."""

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
from airflow_provider_mparticle.configuration.kept_forms import KeptForms
from airflow_provider_mparticle.configuration.plain_values import plain
from airflow_provider_mparticle.configuration.resource_diff import changed_fields, differences
from airflow_provider_mparticle.configuration.resource_rules import IfExists, problems, with_defaults
from airflow_provider_mparticle.configuration.resource_update import completed, refusals, update_body
from airflow_provider_mparticle.configuration.workspace import described

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Resource)


def validated(kind: Kind[Any], given: Mapping[str, Any], *, is_whole: bool = True) -> dict[str, Any]:
    """
    Return the description to send, after checking it. Warnings are logged.

    :param is_whole: Whether it describes a whole resource, or only some of its fields. Default: a whole resource.
    :raises ConfigError: The description is invalid; the message has all its problems. Nothing was sent to mParticle.
    """
    what = kind.named(given.get("id"))
    try:
        wanted = with_defaults(kind, given) if is_whole else plain(given)
    except ValueError as error:
        raise ConfigError(f"{what}: {error}. Nothing was sent to mParticle.") from None
    found = problems(kind, wanted, is_whole=is_whole)
    for problem in found:
        if problem.is_warning:
            log.warning("%s: %s.", what, problem)
    if errors := [str(problem) for problem in found if not problem.is_warning]:
        raise ConfigError(
            f"{what}: {'; '.join(errors)}. Nothing was sent to mParticle.", **_about(kind, given.get("id"))
        )
    return wanted


def ensure(
    sender: Sender, kind: Kind[R], wanted: Mapping[str, Any], if_exists: IfExists, kept: KeptForms
) -> tuple[R, list[str]]:
    """
    Make sure that a resource exists.

    :param wanted: The description of the resource.
    :param if_exists: What to do if it exists: fail, reuse it as it is, or update the fields that differ.
    :param kept: Learns in which form mParticle keeps values.
    :return: The resource, and the names of the fields that were set: all of them if it was created.
    :raises InvalidRequestError: It exists and *if_exists* is ``"fail"``, or mParticle cannot make this change.
    """
    have = get_or_none(sender, kind, wanted["id"])
    if have is None:
        try:
            return _settled(sender, kind, wanted, None, create(sender, kind, wanted, kept), kept), list(wanted)
        except InvalidRequestError as error:
            if if_exists == "fail" or (have := get_or_none(sender, kind, wanted["id"])) is None:
                raise
            log.info("%s Another writer has created it meanwhile.", error)
    if if_exists == "fail":
        raise InvalidRequestError(
            f"{kind.named(have.id)} already exists, and if_exists='fail'. Nothing was changed. Pass "
            "if_exists='reuse' to use it as it is, or 'update' to change the fields that differ.",
            **_about(kind, have.id),
        )
    return update(sender, kind, have, wanted, kept) if if_exists == "update" else (have, [])


def merged(kind: Kind[Any], have: Resource, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return *fields*, with each dict completed by mParticle's fields, unless its type changes."""
    known = described(kind, have)
    return {
        name: completed(known.get(name) or {}, value) if isinstance(value, Mapping) else value
        for name, value in fields.items()
    }


def get_or_none(sender: Sender, kind: Kind[R], resource_id: str) -> R | None:
    """Return a resource, or None if mParticle does not have it."""
    try:
        return sender.send(endpoints.get_resource(kind, resource_id))
    except NotFoundError:
        return None


def create(
    sender: Sender, kind: Kind[R], wanted: Mapping[str, Any], kept: KeptForms, *, by_any_writer: bool = False
) -> R:
    """
    Create a resource. If the answer is lost, read it to find out whether it was created.

    If mParticle has a different resource, another writer may have created it, so the error is raised.

    :param by_any_writer: Whether it is enough that another writer has just created the same resource, so that
        mParticle refuses the request. Default: the refusal is raised.
    """
    try:
        return sender.send(endpoints.create_resource(kind, wanted))
    except MParticleError as error:
        may_exist = error.may_have_executed or (by_any_writer and isinstance(error, InvalidRequestError))
        created = get_or_none(sender, kind, wanted["id"]) if may_exist else None
        if created is None or kept.changes(kind, differences(created, wanted)):
            raise
        log.info("%s But the %s was created.", error, kind.title)
        return created


def update(sender: Sender, kind: Kind[R], have: R, wanted: Mapping[str, Any], kept: KeptForms) -> tuple[R, list[str]]:
    """
    Update the fields that differ, with one request, or none if nothing differs.

    :param have: The resource as mParticle has it.
    :param wanted: The description.
    :param kept: Learns in which form mParticle keeps values.
    :return: The resource, and the names of the fields that were changed.
    :raises InvalidRequestError: mParticle cannot make this change, or would lose a secret.
        Nothing was sent to mParticle.
    """
    changed = changed_fields(kept.changes(kind, differences(have, wanted)))
    if not changed:
        return have, []
    return _settled(sender, kind, wanted, have, write(sender, kind, have, wanted), kept), changed


def write(sender: Sender, kind: Kind[R], have: R, wanted: Mapping[str, Any]) -> R:
    """
    Send a PUT that changes *have* to what is *wanted* and keeps all other fields.

    :raises InvalidRequestError: mParticle cannot make this change, or would lose a secret.
        Nothing was sent to mParticle.
    """
    if reasons := [*refusals(kind, have, wanted)]:
        raise InvalidRequestError(f"{' '.join(reasons)} Nothing was changed.", **_about(kind, have.id))
    return sender.send(endpoints.update_resource(kind, have.id, update_body(kind, have, wanted)))


def _settled(
    sender: Sender, kind: Kind[R], wanted: Mapping[str, Any], before: R | None, answer: R, kept: KeptForms
) -> R:
    """Read a resource again after a write, to learn in which form mParticle keeps its values, and return it."""
    try:
        after = get_or_none(sender, kind, answer.id) or answer
    except MParticleError as error:
        log.info("The %s %r was written, but could not be read again: %s", kind.title, answer.id, error)
        return answer
    for sentence in kept.learn(kind, differences(after, wanted), before, after):
        log.warning("%s.", sentence)
    return after


def _about(kind: Kind[Any], resource_id: Any) -> dict[str, Any]:
    """Return the facts for an error about this resource: the id of a pipeline, for which errors have a field."""
    return {"pipeline_id": resource_id} if kind.name == PIPELINE.name else {}
