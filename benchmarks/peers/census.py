"""Describes the provider for Census (Fivetran Activations), which Census maintains: reverse ETL, as ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.peers import Peer

CONN_ID = "census_default"


def _connection(url: str) -> Mapping[str, Any]:
    return {"conn_id": CONN_ID, "conn_type": "census", "host": url, "password": "workspace-token"}


def _arguments(run: int, poll_interval_s: float) -> Mapping[str, Any]:
    return {"sync_run_id": run, "census_conn_id": CONN_ID, "poll_interval": poll_interval_s}


PEER = Peer(
    title="census",
    requirement="airflow-provider-census",
    modules=("airflow_provider_census.operators.census", "airflow_provider_census.sensors.census"),
    trigger="airflow_provider_census.triggers.census.CensusTrigger",
    connection=_connection,
    arguments=_arguments,
    succeeded=lambda payload: payload["status"] == "completed",
)
