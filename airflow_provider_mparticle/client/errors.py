"""
The errors, by cause.

::

    MParticleError
    ├── ConfigError               bad input or a bad Airflow connection; nothing was sent
    ├── CallError                 about one call to mParticle
    │   ├── NoAnswerError             no answer arrived; ``may_have_executed`` says whether the request left
    │   ├── UnreadableAnswerError     a success whose body is not what mParticle documents
    │   └── RefusedError              an answer other than a success
    │       ├── AuthenticationError       401, or a refused login
    │       ├── PermissionDeniedError     403
    │       ├── NotFoundError             404, 405, 410
    │       ├── PipelineBusyError         a run is in progress
    │       ├── InvalidRequestError       400, 422 and other faults of the request
    │       ├── RateLimitedError          429
    │       ├── ServerError               5xx, a redirect or a status without a meaning: a later answer may differ
    │       └── WarehouseUnreachableError 505: mParticle could not log in to the warehouse
    ├── DataModelError            about the data model that the slices of one pipeline share
    │   ├── DataModelHeldError        another slice still needs it
    │   └── DataModelChangedError     it no longer holds the SQL of this slice
    └── RunError                  about one pipeline run
        ├── RunFailedError            mParticle says that it failed
        ├── RunLostError              mParticle no longer knows it
        ├── DataGateError             it succeeded, but its counts are not what the task accepts
        ├── RunTimeoutError           it was still in progress at the deadline
        ├── StartAmbiguousError       it is not known whether it was started
        └── TriggererError            the triggerer could not go on waiting for it; it goes on

Each class carries the facts of its cause. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from airflow_provider_mparticle.client.storable import storable_text


class MParticleError(Exception):
    """
    What happened, to which object, what to do next.

    :param message: All of that in words, without secrets.
    :param pipeline_id: Slug of the pipeline concerned, or None.
    """

    # Whether the same request may succeed a little later.
    is_transient = False
    # HTTP status of mParticle's answer, or None where none arrived or none was asked for.
    status: int | None = None
    # mParticle's own words.
    reasons: tuple[str, ...] = ()
    # Seconds that mParticle asked to wait for, or None.
    retry_after_s: float | None = None
    # Whether mParticle may have carried out the request in spite of the error.
    may_have_executed = False

    def __init__(self, message: str, *, pipeline_id: str | None = None) -> None:
        super().__init__(storable_text(message))
        self.pipeline_id = pipeline_id

    def facts(self) -> dict[str, Any]:
        """Return everything but the message, as the keyword arguments that build the same error again."""
        return {name: value for name, value in vars(self).items() if name != "__notes__"}

    @classmethod
    def from_facts(cls, message: str, facts: Mapping[str, Any]) -> Self:
        """
        Build an error again from what was stored of it.

        :param facts: What `facts` returned, maybe in an earlier version, in which every error had all of the facts.
        :raises TypeError: There is no fact of such a name in any class.
        """
        error = cls(message)
        for name, value in facts.items():
            name = _RENAMED.get(name, name)
            if name in vars(error):
                setattr(error, name, value)
            elif name not in _FACTS:
                raise TypeError(f"no error has a fact {name!r}")
        return error

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the facts: executors carry errors between processes."""
        return type(self).from_facts, (str(self), self.facts())


_FACTS = {
    *("status", "reasons", "pipeline_id", "pipeline_run_id", "state", "successful_records", "failed_records"),
    *("retry_after_s", "may_have_executed"),
}
# Facts that earlier versions stored under other names.
_RENAMED = {"may_have_acted": "may_have_executed"}


class ConfigError(MParticleError, ValueError):
    """An argument or a field of the Airflow connection is missing or malformed; nothing was sent."""


class CallError(MParticleError):
    """
    About one call to mParticle.

    :param message: See `MParticleError`.
    :param status: HTTP status of mParticle's answer, or None where none arrived.
    :param reasons: mParticle's own words.
    :param pipeline_id: Slug of the pipeline concerned, or None.
    :param pipeline_run_id: Id of the run concerned, as mParticle gave it, or None.
    :param retry_after_s: Seconds that mParticle asked to wait for, or None.
    :param may_have_executed: Whether mParticle may have carried out the request in spite of the error.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        reasons: tuple[str, ...] = (),
        pipeline_id: str | None = None,
        pipeline_run_id: int | str | None = None,
        retry_after_s: float | None = None,
        may_have_executed: bool = False,
    ) -> None:
        super().__init__(message, pipeline_id=pipeline_id)
        self.status = status
        self.reasons = reasons
        self.pipeline_run_id = pipeline_run_id
        self.retry_after_s = retry_after_s
        self.may_have_executed = may_have_executed


class NoAnswerError(CallError):
    """No answer arrived: there was no connection, it took too long, or the connection broke."""

    is_transient = True


class UnreadableAnswerError(CallError):
    """mParticle answered with a success, but not with what its documentation promises."""

    is_transient = True


class DataModelError(MParticleError):
    """
    About the data model that the slices of one pipeline share.

    :param message: See `MParticleError`.
    :param pipeline_id: Slug of the pipeline, or None.
    :param pipeline_run_id: Id of the run that read it, as mParticle gave it, or None.
    """

    def __init__(
        self, message: str, *, pipeline_id: str | None = None, pipeline_run_id: int | str | None = None
    ) -> None:
        super().__init__(message, pipeline_id=pipeline_id)
        self.pipeline_run_id = pipeline_run_id


class DataModelHeldError(DataModelError):
    """The data model holds the SQL of another slice, whose task has not finished with it."""


class DataModelChangedError(DataModelError):
    """The data model no longer holds the SQL of this slice, so a run may have read other rows."""


class RefusedError(CallError):
    """mParticle, or a proxy in between, gave an answer other than a success."""


class AuthenticationError(RefusedError):
    """The credentials or the token were refused."""


class PermissionDeniedError(RefusedError):
    """The credentials are valid, but do not permit this."""


class NotFoundError(RefusedError):
    """The object does not exist, or the credentials have no access to it, or the route is different here."""


class PipelineBusyError(RefusedError):
    """The pipeline has a run in progress, so mParticle did not start another one."""


class InvalidRequestError(RefusedError):
    """mParticle understood the request and refused its content."""


class RateLimitedError(RefusedError):
    """Too many requests; ``retry_after_s`` says how long to wait, where mParticle says it."""

    is_transient = True


class ServerError(RefusedError):
    """mParticle, or a proxy in between, did not decide: a later answer may differ, the request may be executed."""

    is_transient = True


class WarehouseUnreachableError(RefusedError):
    """mParticle could not log in to the customer's warehouse (505)."""


class RunError(MParticleError):
    """
    About one pipeline run.

    :param message: See `MParticleError`.
    :param status: HTTP status of mParticle's last answer, or None.
    :param reasons: mParticle's own words.
    :param pipeline_id: Slug of the pipeline, or None.
    :param pipeline_run_id: Id of the run, as mParticle gave it, or None.
    :param state: Last known state word of the run, or None.
    :param successful_records: Rows that mParticle counted as ingested, or None.
    :param failed_records: Rows that mParticle counted as rejected, or None.
    """

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
    ) -> None:
        super().__init__(message, pipeline_id=pipeline_id)
        self.status = status
        self.reasons = reasons
        self.pipeline_run_id = pipeline_run_id
        self.state = state
        self.successful_records = successful_records
        self.failed_records = failed_records


class RunFailedError(RunError):
    """mParticle reports that the run failed; ``reasons`` are its words."""


class RunLostError(RunError):
    """mParticle no longer knows the run, so its outcome is unknown."""


class DataGateError(RunError):
    """The run succeeded, but the records that it counted are not what the task accepts."""


class RunTimeoutError(RunError):
    """The run was still in progress at the deadline. It goes on in mParticle."""


class StartAmbiguousError(RunError):
    """It is not known whether mParticle started a run."""

    may_have_executed = True


class TriggererError(RunError):
    """The triggerer could not go on waiting for a run, which goes on. A retry may find another triggerer."""


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
