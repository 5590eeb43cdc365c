"""Creates, changes and deletes single resources, for the resource operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.errors import ConfigError, NotFoundError
from airflow_provider_mparticle.client.resource_kinds import CONNECTION, KINDS, PIPELINE, Kind
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.configuration.ensure import ensure, merged, update, validated, write
from airflow_provider_mparticle.configuration.resource_rules import IF_EXISTS
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.tasks.arguments import (
    read_choice,
    read_id,
    read_ids,
    read_mapping,
    read_switch,
    refuse_nothing,
)
from airflow_provider_mparticle.tasks.failures import fail_without_retry
from airflow_provider_mparticle.tasks.kept_forms_variable import remembered_forms

if TYPE_CHECKING:
    from airflow_provider_mparticle.operators.pipelines import (
        MParticlePausePipelineOperator,
        MParticleUpdatePipelineOperator,
    )
    from airflow_provider_mparticle.operators.resources import (
        CreateResourceOperator,
        MParticleCreateConnectionOperator,
        MParticleDeleteResourceOperator,
    )


def ensure_resource(operator: CreateResourceOperator, description: Mapping[str, Any]) -> dict[str, Any]:
    """Check the arguments, then create the resource, or do with the existing one what *if_exists* says."""
    return _ensured(MParticleHook(operator.mparticle_conn_id), operator, description)


def ensure_connection(operator: MParticleCreateConnectionOperator, description: Mapping[str, Any]) -> dict[str, Any]:
    """Do the same for a connection, and write its secrets too if *write_secrets* is set and nothing else differs."""
    hook = MParticleHook(operator.mparticle_conn_id)
    with fail_without_retry():
        write_secrets = read_switch("write_secrets", operator.write_secrets)
    result = _ensured(hook, operator, description)
    if not write_secrets or operator.if_exists != "update" or result["changed"]:
        return result
    with fail_without_retry():
        have = hook.get_warehouse_connection(operator.connection_id)
        write(hook, CONNECTION, have, validated(CONNECTION, description))
    operator.log.info("Connection %r: secrets written.", operator.connection_id)
    return {**result, "changed": ["config"]}


def delete_resource(operator: MParticleDeleteResourceOperator) -> bool:
    """Delete the resource, and return whether it existed."""
    with fail_without_retry():
        kind, hook = _kind_named(operator.kind), MParticleHook(operator.mparticle_conn_id)
        resource_id = read_id("resource_id", operator.resource_id)
        missing_ok = read_switch("missing_ok", operator.missing_ok)
        try:
            hook.send(endpoints.delete_resource(kind, resource_id))
        except NotFoundError as error:
            if not missing_ok:
                raise
            operator.log.info("%s The task succeeds, because missing_ok is True.", error)
            return False
    return True


def change_pipeline(
    operator: MParticleUpdatePipelineOperator | MParticlePausePipelineOperator, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Read the pipeline, and change the fields that differ with one request."""
    with fail_without_retry():
        operator.pipeline_id = read_id("pipeline_id", operator.pipeline_id)
        key = {"partner_feed_key": operator.partner_feed_key} if operator.partner_feed_key else {}
        given = {**read_mapping("fields", fields), **key}
        refuse_nothing(given)
        if given.get("id", operator.pipeline_id) != operator.pipeline_id:
            raise ConfigError(
                f"fields has the id {shown(given['id'])}, but the id of pipeline {operator.pipeline_id!r} cannot be "
                "changed. Nothing was sent to mParticle."
            )
        hook = MParticleHook(operator.mparticle_conn_id)
        have = hook.get_pipeline(operator.pipeline_id)
        wanted = validated(PIPELINE, {"id": operator.pipeline_id, **merged(PIPELINE, have, given)}, is_whole=False)
        with remembered_forms() as kept:
            pipeline, changed = update(hook, PIPELINE, have, wanted, kept)
    operator.log.info("%s %s.", PIPELINE.named(pipeline.id), summary_of(changed))
    return {"pipeline": pipeline.as_dict(), "changed": changed}


def summary_of(changed: list[str]) -> str:
    """Return a text for the log, from the names of the fields that were set. Only a creation sets the id."""
    if not changed:
        return "exists, and was not changed"
    return f"was {'created' if 'id' in changed else 'updated'}: {', '.join(changed)}"


def _ensured(hook: MParticleHook, operator: CreateResourceOperator, description: Mapping[str, Any]) -> dict[str, Any]:
    with fail_without_retry():
        read_choice("if_exists", operator.if_exists, IF_EXISTS)
        kind = _kind_named(operator.kind)
        fields = read_ids(description)
        refuse_nothing(fields)
        wanted = validated(kind, fields)
        with remembered_forms() as kept:
            resource, changed = ensure(hook, kind, wanted, operator.if_exists, kept)
    operator.log.info("%s %s.", kind.named(resource.id), summary_of(changed))
    return {kind.name: resource.as_dict(), "changed": changed}


def _kind_named(name: str) -> Kind[Any]:
    kinds = {kind.name: kind for kind in KINDS}
    return kinds[read_choice("kind", name, tuple(kinds))]
