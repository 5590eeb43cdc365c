"""Describes what a user writes without a provider: the deferrable ``HttpSensor`` of the http provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.peers import Peer

CONN_ID = "http_default"


def _connection(url: str) -> Mapping[str, Any]:
    return {"conn_id": CONN_ID, "conn_type": "http", "host": url}


def _arguments(run: int, poll_interval_s: float) -> Mapping[str, Any]:
    return {"endpoint": f"plain/runs/{run}", "http_conn_id": CONN_ID, "poke_interval": poll_interval_s}


PEER = Peer(
    title="HttpSensor",
    requirement="apache-airflow-providers-http",
    modules=("airflow.providers.http.operators.http", "airflow.providers.http.sensors.http"),
    trigger="airflow.providers.http.triggers.http.HttpSensorTrigger",
    connection=_connection,
    arguments=_arguments,
    succeeded=lambda payload: payload is True,
    note="cannot read an answer while deferred: it waits until 404 becomes 200, and does not log in",
)
