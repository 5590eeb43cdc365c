"""Applies a plan, and reads a workspace as a document."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.endpoints import Call, Sender
from airflow_provider_mparticle.client.errors import InvalidRequestError, MParticleError, NotFoundError
from airflow_provider_mparticle.client.models import Resource
from airflow_provider_mparticle.client.resource_kinds import KINDS, Kind
from airflow_provider_mparticle.configuration import ensure, schema
from airflow_provider_mparticle.configuration.kept_forms import KNOWN, KeptForms
from airflow_provider_mparticle.configuration.plan import Plan
from airflow_provider_mparticle.configuration.plan_step import Action, PlanStep
from airflow_provider_mparticle.configuration.resource_diff import differences
from airflow_provider_mparticle.configuration.workspace import Workspace

log = logging.getLogger(__name__)

T = TypeVar("T")

# How many reads are sent at the same time. Writes are sent one by one, in the order of the plan.
READS_AT_ONCE = 4


def read_workspace(sender: Sender) -> Workspace:
    """
    Read all resources, with one request for each kind, three of them at the same time.

    It is assumed that a list has the same fields of a resource as the answer for that resource. A resource without a
    required field is read again by itself.

    :raises MParticleError: A list or a resource cannot be read.
    """
    lists = _read(sender, [endpoints.list_resources(kind) for kind in KINDS])
    return Workspace(
        {
            kind.name: {resource.id: resource for resource in _completed(sender, kind, found)}
            for kind, found in zip(KINDS, lists, strict=True)
        }
    )


def export_document(sender: Sender) -> dict[str, Any]:
    """
    Return the workspace as a document: the fields that can be written, without secrets, ordered by id.

    A plan of this document for the same workspace has no changes. To change a connection with it, first add its secret.

    :raises MParticleError: A list cannot be read.
    """
    return read_workspace(sender).as_document()


def require_applicable(plan: Plan) -> None:
    """
    Refuse a plan that mParticle cannot apply.

    :raises InvalidRequestError: The plan has refusals; the message has all of them. Nothing was sent to mParticle.
    """
    if plan.refusals:
        raise InvalidRequestError(f"{' '.join(plan.refusals)} Nothing was changed.")


def apply_plan(
    sender: Sender, plan: Plan, on_step: Callable[[PlanStep], object] = lambda _: None, kept: KeptForms = KNOWN
) -> dict[str, Any]:
    """
    Apply a plan step by step.

    After a failure, make the plan again and apply it: the steps that were done are then unchanged.

    :param plan: From :func:`~airflow_provider_mparticle.configuration.plan.plan`, for the same workspace.
    :param on_step: Called after each step. Default: nothing is called.
    :param kept: Learns in which form mParticle keeps values. Default: the forms that this process has learned.
    :return: ``{"changed": bool, "steps": [...]}``, as JSON without secrets.
    :raises InvalidRequestError: The plan has refusals. Nothing was changed.
    :raises MParticleError: A step failed; the message also says which steps were done and which were not.
    """
    require_applicable(plan)
    steps = [step for step in plan.steps if step.is_change]
    before: dict[tuple[str, str], Resource] = {}
    for number, (step, have) in enumerate(_with_resources(sender, steps)):
        try:
            if isinstance(have, MParticleError):
                raise have
            _do(sender, step, have, kept)
        except MParticleError as error:
            raise _interrupted(error, steps[:number], steps[number:]) from error
        if have:
            before[step.kind.name, step.resource_id] = have
        log.info("Done: %s.", step)
        on_step(step)
    if steps:
        _learn(sender, steps, before, kept)
    return {"changed": bool(steps), "steps": plan.as_dict()["steps"]}


def _read(sender: Sender, calls: Sequence[Call[T]]) -> list[T]:
    """Return the answers. The first call reads the Airflow connection and logs in, which the task's thread must do."""
    first = sender.send(calls[0])
    with ThreadPoolExecutor(READS_AT_ONCE, "mparticle-read") as pool:
        return [first, *pool.map(sender.send, calls[1:])]


def _completed(sender: Sender, kind: Kind[Resource], listed: Sequence[Resource]) -> Iterator[Resource]:
    """Yield the resources of a list. Those without a required field are read again, a few at the same time."""
    needed = schema.definition(kind.name)["required"]
    partial = [one for one in listed if any(getattr(one, name) is None for name in needed)]
    with ThreadPoolExecutor(READS_AT_ONCE, "mparticle-read") as pool:
        found = pool.map(lambda one: ensure.get_or_none(sender, kind, one.id), partial)
        whole = {one.id: one for one in found if one is not None}
    yield from (whole.get(one.id, one) for one in listed)


def _with_resources(
    sender: Sender, steps: list[PlanStep]
) -> Iterator[tuple[PlanStep, Resource | MParticleError | None]]:
    """
    Yield each step with the resource that it updates, which is read shortly before.

    If mParticle replaces the whole resource, a field that the list has left out must not be lost. The resources of a
    few steps are read at the same time.
    """
    with ThreadPoolExecutor(READS_AT_ONCE, "mparticle-read") as pool:
        for first in range(0, len(steps), READS_AT_ONCE):
            some = steps[first : first + READS_AT_ONCE]
            updates = [step for step in some if step.action is Action.UPDATE]
            found = iter([*pool.map(lambda step: _current(sender, step), updates)])
            yield from ((step, next(found) if step.action is Action.UPDATE else None) for step in some)


def _current(sender: Sender, step: PlanStep) -> Resource | MParticleError:
    try:
        found: Resource = sender.send(endpoints.get_resource(step.kind, step.resource_id))
        return found
    except MParticleError as error:
        return error


def _do(sender: Sender, step: PlanStep, have: Resource | None, kept: KeptForms) -> None:
    if step.action is Action.CREATE:
        ensure.create(sender, step.kind, step.wanted, kept, by_any_writer=True)
    elif step.action is Action.DELETE:
        _delete(sender, step)
    elif have:
        ensure.write(sender, step.kind, have, step.wanted)


def _delete(sender: Sender, step: PlanStep) -> None:
    try:
        sender.send(endpoints.delete_resource(step.kind, step.resource_id))
    except NotFoundError:
        log.info("The %s %r has already been deleted.", step.kind.title, step.resource_id)


def _learn(sender: Sender, steps: list[PlanStep], before: dict[tuple[str, str], Resource], kept: KeptForms) -> None:
    """Read the workspace again, and learn in which form mParticle keeps the values that were written."""
    try:
        workspace = read_workspace(sender)
    except MParticleError as error:
        log.info("The workspace could not be read again after the changes: %s", error)
        return
    for step in steps:
        after = workspace.of(step.kind).get(step.resource_id)
        if after and step.wanted:
            found = differences(after, step.wanted)
            had = before.get((step.kind.name, step.resource_id))
            for sentence in kept.learn(step.kind, found, had, after):
                log.warning("%s.", sentence)


def _interrupted(error: MParticleError, done: list[PlanStep], left: list[PlanStep]) -> MParticleError:
    """Return the same error with the steps in its message."""
    return type(error)(
        f"{error} Done before: {', '.join(map(str, done)) or 'nothing'}. Not done: {', '.join(map(str, left))}. "
        "The steps that were done stay; apply the document again to do the rest.",
        **error.facts(),
    )
