"""Makes a call of the Platform API, for ``MParticlePlatformOperator``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.tasks.failures import fail_without_retry


def platform_request(
    mparticle_conn_id: str,
    method: str,
    path: str,
    params: Mapping[str, Any],
    json: Any,
    response_filter: Callable[[Any], Any] | None = None,
) -> Any:
    """Make the call, and return the field ``data`` of the answer, or what *response_filter* returns for it."""
    with fail_without_retry():
        if response_filter is not None and not callable(response_filter):
            raise ConfigError(
                f"response_filter must be a function, not {shown(response_filter)}. Nothing was sent to mParticle."
            )
        data = MParticleHook(mparticle_conn_id).platform_request(method, path, params=params, json=json)
    return data if response_filter is None else response_filter(data)
