"""The typed helpers are plain dicts in the form that mParticle expects."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_mparticle.client.resource_kinds import PIPELINE
from airflow_provider_mparticle.configuration.resource_rules import problems
from airflow_provider_mparticle.operators import MParticleCreatePipelineOperator
from airflow_provider_mparticle.pipeline_settings import Every, FullSync, IncrementalSync, Once, OnDemand
from airflow_provider_mparticle.simulator import Simulator

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = [
    ("sync_mode", FullSync(), {"type": "full"}),
    (
        "sync_mode",
        IncrementalSync("updated_at", "timestamp", from_=NEW_YEAR, time_zone="UTC"),
        {
            "type": "incremental",
            "iterator_field": "updated_at",
            "iterator_data_type": "timestamp",
            "from": "2026-01-01T00:00:00+00:00",
            "time_zone": "UTC",
        },
    ),
    ("schedule", OnDemand(), {"type": "on_demand"}),
    (
        "schedule",
        Every("daily", start=NEW_YEAR, end="2027-01-01T00:00:00Z", delay="1d"),
        {
            "type": "interval",
            "frequency": "daily",
            "start": "2026-01-01T00:00:00+00:00",
            "end": "2027-01-01T00:00:00Z",
            "delay": "1d",
        },
    ),
    ("schedule", Once(start=NEW_YEAR), {"type": "once", "start": "2026-01-01T00:00:00+00:00"}),
]


@pytest.mark.parametrize(("field", "setting", "plain"), SETTINGS, ids=lambda value: type(value).__name__)
def test_a_helper_is_the_dict_that_mparticle_takes(field: str, setting: Any, plain: dict[str, Any]) -> None:
    """Templates, XComs and JSON need dicts. A missing argument is not sent."""
    assert plain == setting
    assert plain == json.loads(json.dumps(setting))
    assert [] == problems(PIPELINE, {field: setting}, is_whole=False)


def test_a_pipeline_is_created_with_helpers(execute: Callable[[Any], Any], simulator: Simulator) -> None:
    """A helper can be used instead of a dict."""
    result = execute(
        MParticleCreatePipelineOperator(
            task_id="create",
            pipeline_id="hourly",
            name="Hourly",
            connection_id="warehouse",
            data_model_id="orders-model",
            sync_mode=IncrementalSync("updated_at", "timestamp", from_="{{ '2026-01-01T00:00:00Z' }}"),
            schedule=Every("hourly"),
        )
    )

    assert "2026-01-01T00:00:00Z" == result["pipeline"]["sync_mode"]["from"]
    assert {"type": "interval", "frequency": "hourly"} == result["pipeline"]["schedule"]
