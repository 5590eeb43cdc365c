"""The task group that syncs many pipelines, a few at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.providers.common.compat.sdk import TaskGroup

from airflow_provider_mparticle.operators.trigger import MParticleTriggerPipelineOperator


def mparticle_sync_group(
    pipelines: Sequence[str | Mapping[str, Any]],
    *,
    max_active: int = 5,
    group_id: str = "mparticle_sync",
    **arguments: Any,
) -> TaskGroup:
    """
    Sync many pipelines, each in its own mapped task, with a limit on how many run at the same time.

    If one pipeline fails, the others still run. You can retry or clear each pipeline separately. The limit counts the
    tasks of all runs of the DAG. Before Airflow 3.2.2 it does not count deferred tasks: pass a *pool* with
    ``include_deferred`` there.

    :param pipelines: Slugs of the pipelines. To give pipelines different arguments, pass mappings with ``pipeline_id``
        and other arguments of :class:`~airflow_provider_mparticle.operators.MParticleTriggerPipelineOperator`.
    :param max_active: How many pipelines may be in progress at the same time. Default: 5.
    :param group_id: Id of the group. Default: ``"mparticle_sync"``.
    :param arguments: Other arguments of the operator, the same for all pipelines, for example *deferrable*,
        *if_running*, *min_records*, *retries*, *retry_policy* or *on_failure_callback*.
    :return: The group. Its only task is ``sync``. Tasks after the group start when all pipelines have succeeded.
    :raises ValueError: *pipelines* is empty or names a pipeline twice, or *max_active* is not positive.
    """
    mapped = [{"pipeline_id": one} if isinstance(one, str) else dict(one) for one in pipelines]
    _require_distinct([one.get("pipeline_id") for one in mapped])
    if max_active < 1:
        raise ValueError(f"max_active must be at least 1, not {max_active!r}.")
    with TaskGroup(group_id) as group:
        MParticleTriggerPipelineOperator.partial(
            **{
                "task_id": "sync",
                "max_active_tis_per_dag": max_active,
                "map_index_template": "{{ task.pipeline_id }}",
                **arguments,
            }
        ).expand_kwargs(mapped)
    return group


def _require_distinct(pipeline_ids: Sequence[Any]) -> None:
    if not pipeline_ids or None in pipeline_ids:
        raise ValueError(f"pipelines must name at least one pipeline, and each a pipeline_id, not {pipeline_ids!r}.")
    if twice := sorted({one for one in pipeline_ids if pipeline_ids.count(one) > 1}):
        raise ValueError(f"pipelines names {', '.join(map(repr, twice))} twice: two tasks would compete for one run.")
