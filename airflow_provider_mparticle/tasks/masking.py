"""Masks the secrets in the arguments of a task, before Airflow stores and shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import airflow

from airflow_provider_mparticle.client.secrets import secrets_in
from airflow_provider_mparticle.connection.masking import mask_secret

if TYPE_CHECKING:
    from airflow_provider_mparticle.operators.masking_operator import MaskingOperator

# These versions send the rendered fields to the API server as they are, and the server does not know what a task masks.
# Read in airflow.sdk.execution_time.task_runner, _serialize_rendered_fields, of 3.0.6 and 3.1.0 to 3.1.4.
_STORES_UNMASKED = re.match(r"3\.(0|1\.[0-3])\b", airflow.__version__) is not None


def mask_secrets(value: Any) -> bool:
    """Let Airflow mask every secret in *value*, a dict or list of any depth, and return whether there is one."""
    secrets = [str(secret) for _, secret in secrets_in(value)]
    for secret in secrets:
        mask_secret(secret)
    return bool(secrets)


def mask_rendered_fields(operator: MaskingOperator, fields: Mapping[str, Any]) -> None:
    """
    Let Airflow mask every secret in the rendered fields of a task.

    If Airflow would store the fields unmasked, those with a secret are not stored.
    """
    secret = {name for name, value in fields.items() if mask_secrets({name: value})}
    if _STORES_UNMASKED:
        operator.template_fields = [name for name in operator.template_fields if name not in secret]
