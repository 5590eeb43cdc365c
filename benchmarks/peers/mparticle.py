"""Describes our provider."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from benchmarks.peers import Peer

CONN_ID = "mparticle_default"


def connection(url: str) -> Mapping[str, Any]:
    """Return a connection with the fake API as the address of the API and of the login."""
    extra = {"workspace_id": 1, "token_url": f"{url}/oauth/token"}
    return {
        "conn_id": CONN_ID,
        "conn_type": "mparticle",
        "host": url,
        "login": "client",
        "password": "client-password",
        "extra": json.dumps(extra),
    }


def _arguments(run: int, poll_interval_s: float) -> Mapping[str, Any]:
    return {
        "mparticle_conn_id": CONN_ID,
        "pipeline_id": f"pipeline-{run}",
        "pipeline_run_id": run,
        "poll_interval": poll_interval_s,
        "deadline": time.time() + 3600,
        "run_durations": [],  # as the operator passes it if its lookup before the start finds no earlier run
    }


PEER = Peer(
    title="mparticle (ours)",
    requirement=".",
    modules=("airflow_provider_mparticle.operators", "airflow_provider_mparticle.sensors"),
    trigger="airflow_provider_mparticle.triggers.MParticlePipelineRunTrigger",
    connection=connection,
    arguments=_arguments,
    succeeded=lambda payload: payload["status"] == "success",
)
