"""Describes the provider for Fivetran, which Fivetran maintains."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from benchmarks.peers import Peer

CONN_ID = "fivetran_default"


def _connection(url: str) -> Mapping[str, Any]:
    return {"conn_id": CONN_ID, "conn_type": "fivetran", "login": "key", "password": "key-password"}


def _arguments(run: int, poll_interval_s: float) -> Mapping[str, Any]:
    return {
        "task_id": f"task-{run}",
        "connector_id": f"connector-{run}",
        "fivetran_conn_id": CONN_ID,
        "previous_completed_at": datetime(2020, 1, 1, tzinfo=UTC),
        "poke_interval": poll_interval_s,
    }


def _lead(url: str) -> None:
    from fivetran_provider_async.hooks import FivetranHook

    FivetranHook.api_protocol, FivetranHook.api_host = urlsplit(url)[:2]


PEER = Peer(
    title="fivetran-async",
    requirement="airflow-provider-fivetran-async",
    modules=("fivetran_provider_async.operators", "fivetran_provider_async.sensors"),
    trigger="fivetran_provider_async.triggers.FivetranTrigger",
    connection=_connection,
    arguments=_arguments,
    succeeded=lambda payload: payload["status"] == "success",
    lead=_lead,
    note="sends one more request after a success, for its instant; the API address in its code is replaced",
)
