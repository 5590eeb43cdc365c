"""Adds the run to the asset events of a task: its range and counts become the extra of the event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.assets import pipeline_asset

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context


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
