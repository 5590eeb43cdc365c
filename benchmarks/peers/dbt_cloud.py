"""Describes the provider for dbt Cloud, which the Airflow project maintains."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from benchmarks.peers import Peer

CONN_ID = "dbt_cloud_default"


def _connection(url: str) -> Mapping[str, Any]:
    host = urlsplit(url).netloc
    return {"conn_id": CONN_ID, "conn_type": "dbt_cloud", "host": host, "login": "1", "password": "account-token"}


def _arguments(run: int, poll_interval_s: float) -> Mapping[str, Any]:
    return {
        "conn_id": CONN_ID,
        "run_id": run,
        "end_time": time.time() + 3600,
        "poll_interval": poll_interval_s,
        "account_id": None,  # as its operator passes it by default: the login of the connection is used
    }


def _lead(url: str) -> None:
    """Let it use plain HTTP like all others: it writes "https" into every URL."""
    from airflow.providers.dbt.cloud.hooks.dbt import DbtCloudHook

    secure = DbtCloudHook.get_request_url_params

    def plain(*args: Any, **kwargs: Any) -> tuple[str, dict[str, Any]]:
        address, params = secure(*args, **kwargs)
        return address.replace("https://", "http://", 1), params

    DbtCloudHook.get_request_url_params = staticmethod(plain)


PEER = Peer(
    title="dbt-cloud",
    requirement="apache-airflow-providers-dbt-cloud",
    modules=("airflow.providers.dbt.cloud.operators.dbt", "airflow.providers.dbt.cloud.sensors.dbt"),
    trigger="airflow.providers.dbt.cloud.triggers.dbt.DbtCloudRunJobTrigger",
    connection=_connection,
    arguments=_arguments,
    succeeded=lambda payload: payload["status"] == "success",
    lead=_lead,
    note="writes https into every URL, which is replaced by http",
)
