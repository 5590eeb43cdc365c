"""Make a call of the Platform API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.tasks.failures import fail_without_retry


def platform_request(mparticle_conn_id: str, method: str, path: str, params: Mapping[str, Any], json: Any) -> Any:
    """Make the call, and return the answer's ``data``."""
    with fail_without_retry():
        return MParticleHook(mparticle_conn_id).platform_request(method, path, params=params, json=json)
