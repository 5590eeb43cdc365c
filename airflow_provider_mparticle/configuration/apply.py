"""Carry out a plan, and read a workspace as a document."""

from __future__ import annotations

import logging
from typing import Any

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.endpoints import Sender
from airflow_provider_mparticle.client.errors import InvalidRequestError, MParticleError, NotFoundError
from airflow_provider_mparticle.client.resource_kinds import KINDS
from airflow_provider_mparticle.configuration import ensure
from airflow_provider_mparticle.configuration.plan import Action, Plan, Step, Workspace

log = logging.getLogger(__name__)


def read_workspace(sender: Sender) -> Workspace:
    """
    Read what mParticle has, with four requests.

    Assumed: a list shows each resource with all the fields that the answer for one resource has. If it leaves some
    out, a plan shows them as differences, but applying it changes nothing: each resource is read before it is changed.

    :raises MParticleError: A list cannot be read.
    """
    lists = {kind.name: sender.send(endpoints.list_resources(kind)) for kind in KINDS}
    return Workspace({name: {resource.id: resource for resource in found} for name, found in lists.items()})


def export_document(sender: Sender) -> dict[str, Any]:
    """
    Return the workspace as a document: what can be written, ordered by id, without secrets.

    Planning it against the same workspace gives no change. To change a connection with it, add its secret first.

    :raises MParticleError: A list cannot be read.
    """
    return read_workspace(sender).as_document()


def require_applicable(plan: Plan) -> None:
    """
    Make sure that mParticle can do what the plan asks for.

    :raises InvalidRequestError: It cannot; the message names everything that it cannot do. Nothing was sent.
    """
    if plan.refusals:
        raise InvalidRequestError(f"{' '.join(plan.refusals)} Nothing was changed.")


def apply_plan(sender: Sender, plan: Plan) -> dict[str, Any]:
    """
    Carry out a plan, step by step.

    After a failure half-way, make the plan anew and apply it: what is done already is then unchanged.

    :param plan: From :func:`~airflow_provider_mparticle.configuration.plan.plan`, made for the same workspace.
    :return: ``{"changed": bool, "steps": [...]}``, as JSON without secrets.
    :raises InvalidRequestError: mParticle cannot do what the plan asks for. Nothing was changed.
    :raises MParticleError: A step failed; the message also says which steps were done and which were not.
    """
    require_applicable(plan)
    steps = [step for step in plan.steps if step.is_change]
    for number, step in enumerate(steps):
        try:
            _DO[step.action](sender, step)
        except MParticleError as error:
            raise _interrupted(error, steps[:number], steps[number:]) from error
        log.info("Done: %s.", step)
    return {"changed": bool(steps), "steps": plan.as_dict()["steps"]}


def _create(sender: Sender, step: Step) -> None:
    ensure.create(sender, step.kind, step.wanted)


def _update(sender: Sender, step: Step) -> None:
    """Read it once more: what the list has left out must not get lost if mParticle replaces the whole."""
    have = sender.send(endpoints.get_resource(step.kind, step.resource_id))
    ensure.update(sender, step.kind, have, step.wanted)


def _delete(sender: Sender, step: Step) -> None:
    try:
        sender.send(endpoints.delete_resource(step.kind, step.resource_id))
    except NotFoundError:
        log.info("The %s %r is gone already.", step.kind.title, step.resource_id)


_DO = {Action.CREATE: _create, Action.UPDATE: _update, Action.DELETE: _delete}


def _interrupted(error: MParticleError, done: list[Step], left: list[Step]) -> MParticleError:
    """Return the same error, its message completed."""
    return type(error)(
        f"{error} Done before: {', '.join(map(str, done)) or 'nothing'}. Not done: {', '.join(map(str, left))}. "
        "What is done stays; apply the document again to do the rest.",
        **error.facts(),
    )
