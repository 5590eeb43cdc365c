"""Describes the provider for Airbyte, which the Airflow project maintains."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from benchmarks.peers import Peer

CONN_ID = "airbyte_default"


def _connection(url: str) -> Mapping[str, Any]:
    host = f"{url}/api/public/v1"
    return {"conn_id": CONN_ID, "conn_type": "airbyte", "host": host, "login": "client", "password": "client-password"}


def _arguments(run: int, poll_interval_s: float) -> Mapping[str, Any]:
    return {"job_id": run, "conn_id": CONN_ID, "end_time": time.time() + 3600, "poll_interval": poll_interval_s}


PEER = Peer(
    title="airbyte",
    requirement="apache-airflow-providers-airbyte",
    modules=("airflow.providers.airbyte.operators.airbyte", "airflow.providers.airbyte.sensors.airbyte"),
    trigger="airflow.providers.airbyte.triggers.airbyte.AirbyteSyncTrigger",
    connection=_connection,
    arguments=_arguments,
    succeeded=lambda payload: payload["status"] == "success",
    note="has an operator with a fixed poll interval of 60 s; its trigger gets the interval of the others",
    most_waiting=300,
)
