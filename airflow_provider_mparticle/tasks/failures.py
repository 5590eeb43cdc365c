"""How failures reach Airflow: what no retry can cure fails the task at once, the rest leaves retries to the user."""

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

# A person has to correct the DAG, the Airflow connection, or what mParticle is configured with.
CONFIGURATION: tuple[type[MParticleError], ...] = (
    AuthenticationError,
    ConfigError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    WarehouseUnreachableError,
)
# The run has ended, and another try would find the same.
DATA: tuple[type[MParticleError], ...] = (DataGateError, DataModelChangedError)


@contextmanager
def fail_without_retry() -> Iterator[None]:
    """
    Turn the errors that no retry can cure into ``AirflowFailException``.

    A configuration error becomes its ``__context__``, so that the log shows the reason once and none of our frames;
    an error about the data of a run becomes its ``__cause__``.

    :raises AirflowFailException: Login, permission, arguments, a missing object, the warehouse's credentials, or
        data that the task does not accept.
    :raises MParticleError: Any other error, as it is.
    """
    try:
        yield
    except CONFIGURATION as error:
        raise AirflowFailException(_reason(error)) from None
    except DATA as error:
        raise AirflowFailException(_reason(error)) from error


def _reason(error: MParticleError) -> str:
    return f"{type(error).__name__}: {error}"


def pass_gates(gates: Gates, run: Mapping[str, Any]) -> None:
    """
    Let a run pass, or refuse it.

    :param gates: What the DAG asks of the run.
    :param run: What a task returns for its run.
    :raises AirflowSkipException: The run read nothing, and the DAG skips the task for such runs.
    :raises DataGateError: The run does not pass.
    """
    if gates.skips(run):
        raise AirflowSkipException(
            f"Run {run['pipeline_run_id']} of pipeline {run['pipeline_id']!r} read nothing, and on_empty='skip'."
        )
    gates.check(run)
