"""The operator that calls the Platform API, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.operators import MParticlePlatformOperator
from airflow_provider_mparticle.simulator import Simulator

Execute = Callable[[Any], Any]


@pytest.mark.sends_anything(reason="a query parameter of no known call")
def test_any_platform_call_can_be_made(execute: Execute, simulator: Simulator) -> None:
    """The call adds the account id, removes the envelope, and filters the answer."""
    names = execute(
        MParticlePlatformOperator(
            task_id="apps",
            method="GET",
            path="/apps",
            params={"page": 1},
            response_filter=lambda apps: [app["name"] for app in apps],
        )
    )

    assert ["Shop", "Shop web"] == names
    assert {"accountId": str(simulator.account_id), "page": "1"} == simulator.requests[-1]["query"]


@pytest.mark.sends_anything(reason="a query parameter of no known call")
def test_the_params_of_a_dag_are_not_sent_as_query_parameters(execute: Execute, simulator: Simulator) -> None:
    """Airflow merges the params of a DAG into an operator's argument *params*."""
    with DAG("with_params", schedule=None, start_date=datetime(2026, 1, 1), params={"region": "eu"}):
        operator = MParticlePlatformOperator(task_id="apps", path="/apps", params={"page": 1})

    execute(operator)

    assert {"accountId": str(simulator.account_id), "page": "1"} == simulator.requests[-1]["query"]
