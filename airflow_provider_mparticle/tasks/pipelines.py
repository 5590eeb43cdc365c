"""Change a pipeline that is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.client.resource_kinds import PIPELINE
from airflow_provider_mparticle.configuration.ensure import merged, update, validated
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.tasks.failures import fail_without_retry
from airflow_provider_mparticle.tasks.resources import said_of

if TYPE_CHECKING:
    from airflow_provider_mparticle.tasks.declared import ChangePipelineOperator


def change_pipeline(operator: ChangePipelineOperator, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Read the pipeline, and change what differs with one request."""
    with fail_without_retry():
        hook = MParticleHook(operator.mparticle_conn_id)
        have = hook.get_pipeline(operator.pipeline_id)
        wanted = validated(PIPELINE, {"id": operator.pipeline_id, **merged(have, fields)}, is_whole=False)
        pipeline, changed = update(hook, PIPELINE, have, wanted)
    operator.log.info("Pipeline %r: %s.", pipeline.id, said_of(changed))
    return {"pipeline": pipeline.as_dict(), "changed": changed}
