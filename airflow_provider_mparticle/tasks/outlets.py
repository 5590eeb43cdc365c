"""Adds the run to the asset events of a task: its range and counts become the extra of the event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.assets import pipeline_asset, pipeline_uri
from airflow_provider_mparticle.client.errors import ConfigError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context


def check_outlets(operator: BaseOperator, pipeline_id: str) -> None:
    """
    Refuse an asset alias for a pipeline that cannot have an asset. It would fail the task after its run.

    :raises ConfigError: The id of the pipeline is not a slug.
    """
    if not operator.outlets:
        return
    from airflow.providers.common.compat.sdk import AssetAlias

    if any(isinstance(outlet, AssetAlias) for outlet in operator.outlets):
        try:
            pipeline_uri(1, pipeline_id)
        except ValueError:
            raise ConfigError(
                f"The task has an asset alias as outlet, but pipeline {pipeline_id!r} cannot have an asset: its id has "
                "other characters than letters, digits, '_' and '-'. Nothing was sent to mParticle."
            ) from None


def describe_outlets(
    operator: BaseOperator, context: Context, run: Mapping[str, Any], workspace_id: Callable[[], int]
) -> None:
    """
    Add a run to the events of the task's outlets. Airflow sends these events if the task succeeds.

    The event of an asset gets the run as its extra. An asset alias gets an event for the pipeline of the run, so that
    each mapped task can name its own pipeline.

    :param run: What the task returns.
    :param workspace_id: Returns the id of the workspace. It is called only if an alias needs it.
    """
    events = context.get("outlet_events")
    if not operator.outlets or events is None:
        return
    from airflow.providers.common.compat.sdk import Asset, AssetAlias

    for outlet in operator.outlets:
        if isinstance(outlet, AssetAlias):
            events[outlet].add(pipeline_asset(workspace_id(), run["pipeline_id"]), extra=dict(run))
        elif isinstance(outlet, Asset):
            events[outlet].extra.update(run)
