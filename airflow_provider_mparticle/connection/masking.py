"""
Provides Airflow's function that masks a secret in logs.

The common-compat provider has it since 1.22, but Airflow's published constraints pin older ones: 1.14.1 for Airflow
2.11.2, 1.19.0 for 3.3.2. So it is taken from Airflow itself.
"""

from __future__ import annotations

try:
    from airflow.sdk.log import mask_secret
except ImportError:  # Airflow 2
    from airflow.utils.log.secrets_masker import mask_secret  # type: ignore[import-not-found, no-redef, unused-ignore]  # as above

__all__ = ["mask_secret"]
