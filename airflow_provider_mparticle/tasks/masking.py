"""Mask the secrets of a description, wherever in it they stand, before Airflow stores or logs it."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import mask_secret

from airflow_provider_mparticle.configuration.plan import secrets_in


def mask_secrets(value: Any) -> None:
    """Tell Airflow every secret in *value*, a dict or list of any depth."""
    for _, secret in secrets_in(value):
        mask_secret(str(secret))
