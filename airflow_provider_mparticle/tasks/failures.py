"""How failures reach Airflow: what no retry can cure fails at once, the rest leaves retries to the user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_mparticle.client.errors import (
    AuthenticationError,
    ConfigError,
    DataGateError,
    DataModelChangedError,
    InvalidRequestError,
    MParticleError,
    NotFoundError,
    PermissionDeniedError,
    WarehouseUnreachableError,
)
from airflow_provider_mparticle.runs.quality_gates import Gates

NON_RETRYABLE: tuple[type[MParticleError], ...] = (
    AuthenticationError,
    ConfigError,
    DataGateError,
    DataModelChangedError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    WarehouseUnreachableError,
)


@contextmanager
def fail_without_retry() -> Iterator[None]:
    """
    Turn the errors that no retry can cure into ``AirflowFailException``, with the error as its cause.

    :raises AirflowFailException: Login, permission, arguments, a missing object, the warehouse's credentials, or
        data that the task does not accept.
    :raises MParticleError: Any other error, as it is.
    """
    try:
        yield
    except NON_RETRYABLE as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error


def pass_gates(gates: Gates, run: Mapping[str, Any]) -> None:
    """
    Let a run pass, or not.

    :raises AirflowSkipException: It read nothing, and such runs are skipped.
    :raises DataGateError: It does not pass.
    """
    if gates.skips(run):
        raise AirflowSkipException(
            f"Run {run['pipeline_run_id']} of pipeline {run['pipeline_id']!r} read nothing, and on_empty='skip'."
        )
    gates.check(run)
