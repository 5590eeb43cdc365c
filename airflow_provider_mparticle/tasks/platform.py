"""Makes a call of the Platform API, for ``MParticlePlatformOperator``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.tasks.failures import fail_without_retry

if TYPE_CHECKING:
    from airflow_provider_mparticle.operators.platform import MParticlePlatformOperator


def platform_request(operator: MParticlePlatformOperator) -> Any:
    """Make the call, and return the field ``data`` of the answer, or what *response_filter* returns for it."""
    response_filter = operator.response_filter
    with fail_without_retry():
        if response_filter is not None and not callable(response_filter):
            raise ConfigError(
                f"response_filter must be a function, not {shown(response_filter)}. Nothing was sent to mParticle."
            )
        hook = MParticleHook(operator.mparticle_conn_id)
        data = hook.platform_request(operator.method, operator.path, params=operator.query, json=operator.json)
    return data if response_filter is None else response_filter(data)
