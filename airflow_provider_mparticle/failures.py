"""How the client's errors reach Airflow: what no retry can cure fails at once, the rest leaves retries to the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_mparticle.client.errors import (
    AuthenticationError,
    ConfigError,
    InvalidRequestError,
    MParticleError,
    NotFoundError,
    PermissionDeniedError,
    WarehouseUnreachableError,
)

INCURABLE: tuple[type[MParticleError], ...] = (
    AuthenticationError,
    ConfigError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    WarehouseUnreachableError,
)


@contextmanager
def failing_by_cause() -> Iterator[None]:
    """
    Turn the errors that no retry can cure into ``AirflowFailException``, with the error as its cause.

    :raises AirflowFailException: Login, permission, arguments, a missing object, or the warehouse's credentials.
    :raises MParticleError: Any other error, as it is.
    """
    try:
        yield
    except INCURABLE as error:
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
