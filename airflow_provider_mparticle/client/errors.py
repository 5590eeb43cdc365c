"""
The errors, by cause.

::

    MParticleError
    ├── ConfigError               bad input or a bad Airflow connection; nothing was sent
    ├── NoAnswerError             no answer arrived; ``may_have_acted`` tells whether the request left
    ├── UnreadableAnswerError     an answer arrived that is not what the documentation promises
    ├── TriggererError            the triggerer could not go on waiting; the run goes on
    ├── DataModelError            about the data model that the slices of one pipeline share
    │   ├── DataModelHeldError        another slice still needs it
    │   └── DataModelChangedError     it no longer holds the SQL of this slice
    ├── RefusedError              mParticle answered, and the answer is no
    │   ├── AuthenticationError       401, or a refused login
    │   ├── PermissionDeniedError     403
    │   ├── NotFoundError             404, 405
    │   ├── PipelineBusyError         a run is in progress
    │   ├── InvalidRequestError       400, 422 and any other 4xx
    │   ├── RateLimitedError          429
    │   ├── ServerError               5xx
    │   └── WarehouseUnreachableError 505: mParticle could not log in to the warehouse
    └── RunError                  about one pipeline run
        ├── RunFailedError            mParticle says that it failed
        ├── RunLostError              mParticle no longer knows it
        ├── DataGateError             it ended well, but its counts are not what the task accepts
        ├── RunTimeoutError           it was still under way at the deadline
        └── StartAmbiguousError       nobody can tell whether it was started

Standard library only.
"""

from __future__ import annotations

from typing import Any


class MParticleError(Exception):
    """
    What happened, to which object, what to do next.

    :param message: All of that in words; secrets never occur in it.
    :param status: HTTP status of mParticle's answer, or None where none arrived.
    :param reasons: mParticle's own words, as it sent them.
    :param pipeline_id: Slug of the pipeline concerned, or None.
    :param pipeline_run_id: Id of the run concerned, as mParticle gave it, or None.
    :param state: Last known state word of that run, or None.
    :param successful_records: Rows that mParticle counted as ingested, or None.
    :param failed_records: Rows that mParticle counted as rejected, or None.
    :param retry_after_s: Seconds that mParticle asked to wait for, or None.
    :param may_have_acted: Whether mParticle may have carried out the request all the same.
    """

    # Whether the same request may well succeed a little later.
    is_transient = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        reasons: tuple[str, ...] = (),
        pipeline_id: str | None = None,
        pipeline_run_id: int | str | None = None,
        state: str | None = None,
        successful_records: int | None = None,
        failed_records: int | None = None,
        retry_after_s: float | None = None,
        may_have_executed: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reasons = reasons
        self.pipeline_id = pipeline_id
        self.pipeline_run_id = pipeline_run_id
        self.state = state
        self.successful_records = successful_records
        self.failed_records = failed_records
        self.retry_after_s = retry_after_s
        self.may_have_executed = may_have_executed

    def facts(self) -> dict[str, Any]:
        """Everything but the message, as the keyword arguments that build the same error again."""
        known = {name: value for name, value in vars(self).items() if name != "__notes__"}
        return {**known, "reasons": tuple(self.reasons)}

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the facts: executors carry errors between processes."""
        return _rebuild, (type(self), str(self), self.facts())


def _rebuild(kind: type[MParticleError], message: str, facts: dict[str, Any]) -> MParticleError:
    return kind(message, **facts)


class ConfigError(MParticleError, ValueError):
    """An argument or a field of the Airflow connection is missing or malformed; nothing was sent."""


class NoAnswerError(MParticleError):
    """No answer arrived: no connection, a time-out, or a connection that broke half-way."""

    is_transient = True


class UnreadableAnswerError(MParticleError):
    """mParticle answered with success, but not with what its documentation promises."""

    is_transient = True


class TriggererError(MParticleError):
    """The triggerer could not go on waiting for a run, which goes on. A retry may find another triggerer."""


class DataModelError(MParticleError):
    """About the data model that the slices of one pipeline share."""


class DataModelHeldError(DataModelError):
    """The data model holds the SQL of another slice, whose task is not done with it."""


class DataModelChangedError(DataModelError):
    """The data model no longer holds the SQL of this slice, so a run may have read other rows."""


class RefusedError(MParticleError):
    """mParticle answered, and the answer is no."""


class AuthenticationError(RefusedError):
    """The credentials or the token were refused."""


class PermissionDeniedError(RefusedError):
    """The credentials are good, but may not do this."""


class NotFoundError(RefusedError):
    """The object is missing, or out of reach, or the route is a different one here."""


class PipelineBusyError(RefusedError):
    """The pipeline has a run in progress, so mParticle started no other."""


class InvalidRequestError(RefusedError):
    """mParticle understood the request and refused its content."""


class RateLimitedError(RefusedError):
    """Too many requests; ``retry_after_s`` says how long to wait, where mParticle says it."""

    is_transient = True


class ServerError(RefusedError):
    """mParticle failed to answer properly (5xx)."""

    is_transient = True


class WarehouseUnreachableError(RefusedError):
    """mParticle could not log in to the customer's warehouse (505)."""


class RunError(MParticleError):
    """About one pipeline run."""


class RunFailedError(RunError):
    """mParticle reports that the run failed; ``reasons`` are its words."""


class RunLostError(RunError):
    """mParticle no longer knows the run, so its outcome cannot be told."""


class DataGateError(RunError):
    """The run ended well, but the records that it counted are not what the task accepts."""


class RunTimeoutError(RunError):
    """The run was still under way at the deadline. It goes on in mParticle."""


class StartAmbiguousError(RunError):
    """It cannot be told whether mParticle started a run."""


def error_named(name: str) -> type[MParticleError]:
    """
    Return the error class of that name.

    :raises KeyError: There is no such error.
    """
    return _BY_NAME[name]


_BY_NAME = {
    kind.__name__: kind
    for kind in (
        ConfigError,
        NoAnswerError,
        UnreadableAnswerError,
        TriggererError,
        DataModelHeldError,
        DataModelChangedError,
        AuthenticationError,
        PermissionDeniedError,
        NotFoundError,
        PipelineBusyError,
        InvalidRequestError,
        RateLimitedError,
        ServerError,
        WarehouseUnreachableError,
        RunFailedError,
        RunLostError,
        DataGateError,
        RunTimeoutError,
        StartAmbiguousError,
    )
}
