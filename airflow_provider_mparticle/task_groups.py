"""The task group that syncs many pipelines, a few at a time."""

from __future__ import annotations

import inspect
from collections.abc import ItemsView, KeysView, Mapping, Sequence, Set
from typing import Any

from airflow.providers.common.compat.sdk import TaskGroup

from airflow_provider_mparticle.operators.trigger import MParticleTriggerPipelineOperator

# Airflow maps only the operator's own arguments. It would refuse any other when the task runs, and at every retry.
_MAPPABLE = inspect.signature(MParticleTriggerPipelineOperator.__init__).parameters.keys() - {"self", "kwargs"}


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
        and other arguments of :class:`~airflow_provider_mparticle.operators.MParticleTriggerPipelineOperator`, but not
        those of every Airflow operator. They take precedence over *arguments*.
    :param max_active: How many pipelines may be in progress at the same time. Default: 5.
    :param group_id: Id of the group. Default: ``"mparticle_sync"``.
    :param arguments: Other arguments of the operator, the same for all pipelines, for example *deferrable*,
        *if_running*, *min_records*, *retries*, *retry_policy* or *on_failure_callback*.
    :return: The group. Its only task is ``sync``. Tasks after the group start when all pipelines have succeeded.
    :raises ValueError: *pipelines* is not a list, is a set, is empty, names a pipeline twice or has an unknown
        argument, or *max_active* is not a positive whole number.
    """
    mapped = [_mapped(one) for one in _listed(pipelines)]
    _require_distinct([one["pipeline_id"].strip() for one in mapped])
    if isinstance(max_active, bool) or not isinstance(max_active, int) or max_active < 1:
        raise ValueError(f"max_active must be a whole number of at least 1, not {max_active!r}.")
    if "pipeline_id" in arguments:
        raise ValueError("Leave pipeline_id out: the argument pipelines names the pipelines.")
    # Airflow accepts an argument for all tasks or for each task, and not both.
    for_each = {name: value for name, value in arguments.items() if any(name in one for one in mapped)}
    with TaskGroup(group_id) as group:
        MParticleTriggerPipelineOperator.partial(
            **{
                "task_id": "sync",
                "max_active_tis_per_dag": max_active,
                "map_index_template": "{{ task.pipeline_id }}",
                **{name: value for name, value in arguments.items() if name not in for_each},
            }
        ).expand_kwargs([{**for_each, **one} for one in mapped])
    return group


def _listed(pipelines: Any) -> list[Any]:
    if isinstance(pipelines, Set) and not isinstance(pipelines, KeysView | ItemsView):
        raise ValueError(
            "pipelines must be a list, not a set, whose order differs in each process: a task would sync another "
            "pipeline than the one that Airflow planned for it. Pass sorted(...)."
        )
    try:
        if isinstance(pipelines, str | bytes | Mapping):
            raise TypeError
        return [*pipelines]
    except TypeError:
        raise ValueError(
            f"pipelines must be a list of slugs or mappings that is known while the DAG file is parsed, not "
            f"{pipelines!r}. If a task returns the list, use MParticleTriggerPipelineOperator.partial(...)"
            ".expand(pipeline_id=...)."
        ) from None


def _mapped(pipeline: Any) -> dict[str, Any]:
    """Return the arguments of the task for one pipeline."""
    one = {"pipeline_id": pipeline} if isinstance(pipeline, str) else pipeline
    if not isinstance(one, Mapping) or not isinstance(one.get("pipeline_id"), str) or not one["pipeline_id"].strip():
        raise ValueError(f"pipelines must have slugs, or mappings with a slug as pipeline_id, not {pipeline!r}.")
    if unknown := sorted(map(str, one.keys() - _MAPPABLE)):
        raise ValueError(
            f"The mapping for pipeline {one['pipeline_id']!r} has {', '.join(unknown)}. It can have "
            f"{', '.join(sorted(_MAPPABLE))}. Give other arguments to mparticle_sync_group, for all pipelines."
        )
    return {**one}


def _require_distinct(pipeline_ids: Sequence[str]) -> None:
    if not pipeline_ids:
        raise ValueError("pipelines must name at least one pipeline.")
    if twice := sorted({one for one in pipeline_ids if pipeline_ids.count(one) > 1}):
        raise ValueError(f"pipelines names {', '.join(map(repr, twice))} twice: two tasks would compete for one run.")
