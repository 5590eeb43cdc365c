"""Translates our errors for Airflow: an error that a retry cannot cure fails the task at once, others are retried."""

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
    # The user must correct the DAG, the Airflow connection, or the configuration in mParticle.
    AuthenticationError,
    ConfigError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    WarehouseUnreachableError,
    # The run has ended, so another try would get the same result.
    DataGateError,
    DataModelChangedError,
)


@contextmanager
def fail_without_retry() -> Iterator[None]:
    """
    Convert errors that a retry cannot cure to ``AirflowFailException``.

    The error becomes the ``__context__`` of that, so that the log shows its reason once, and not the code that found
    it. The frames from Airflow's task runner to this function stay: Python adds them while the error is raised, and
    the task runner logs them with every error.

    :raises AirflowFailException: The login failed, a permission is missing, an argument is malformed, an object does
        not exist, mParticle cannot log in to the warehouse, or the task does not accept the data of the run.
    :raises MParticleError: Any other error, unchanged.
    """
    try:
        yield
    except NON_RETRYABLE as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from None


def pass_gates(gates: Gates, run: Mapping[str, Any]) -> None:
    """
    Check the counts of a run.

    :param gates: The conditions of the DAG.
    :param run: The run, in the form that a task returns.
    :raises AirflowSkipException: The run did not read any records, and *on_empty* is ``"skip"``.
    :raises DataGateError: The run does not pass the conditions.
    """
    if gates.skips(run):
        raise AirflowSkipException(
            f"Run {run['pipeline_run_id']} of pipeline {run['pipeline_id']!r} read nothing, and on_empty='skip'."
        )
    gates.check(run)
