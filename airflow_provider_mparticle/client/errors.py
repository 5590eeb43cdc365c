"""
Defines the errors of this package, one class per cause.

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
    │       ├── ServerError               5xx, a redirect or an unknown status: a later answer may differ
    │       └── WarehouseUnreachableError 505: mParticle could not log in to the warehouse
    ├── DataModelError            about the data model that the slices of one pipeline share
    │   ├── DataModelHeldError        another slice still needs it
    │   └── DataModelChangedError     it no longer has the SQL of this slice
    └── RunError                  about one pipeline run
        ├── RunFailedError            mParticle reports that it failed
        ├── RunLostError              mParticle no longer knows it
        ├── DataGateError             it succeeded, but its counts do not pass the gates of the task
        ├── RunTimeoutError           it was still in progress at the deadline
        ├── StartAmbiguousError       it is not known whether it was started
        └── TriggererError            the triggerer stopped waiting for it; the run continues

Each class has attributes for the facts of its cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from airflow_provider_mparticle.client.storable import readable_text


class MParticleError(Exception):
    """
    An error of this package.

    :param message: What happened, to which object, and what to do next; without secrets.
    :param pipeline_id: Id of the pipeline that the error is about, or None.
    """

    # Whether the same request may succeed later.
    is_transient = False
    # HTTP status of mParticle's answer, or None without an answer.
    status: int | None = None
    # mParticle's own words.
    reasons: tuple[str, ...] = ()
    # Seconds that mParticle asked us to wait, or None.
    retry_after_s: float | None = None
    # Whether mParticle may have executed the request in spite of the error.
    may_have_executed = False

    def __init__(self, message: str, *, pipeline_id: str | None = None) -> None:
        super().__init__(readable_text(message))
        self.pipeline_id = pipeline_id

    def facts(self) -> dict[str, Any]:
        """Return everything but the message, as the keyword arguments that make the same error again."""
        return {name: value for name, value in vars(self).items() if name != "__notes__"}

    @classmethod
    def from_facts(cls, message: str, facts: Mapping[str, Any]) -> Self:
        """
        Make an error again from its stored message and facts.

        :param facts: What `facts` returned, maybe in an earlier version, in which every error had all facts.
        :raises TypeError: No class has a fact of this name.
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
        """Pickle the error with its facts, since executors send errors between processes."""
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
    An error of one call to mParticle.

    :param message: See `MParticleError`.
    :param status: HTTP status of mParticle's answer, or None without an answer.
    :param reasons: mParticle's own words.
    :param pipeline_id: Id of the pipeline that the call is about, or None.
    :param pipeline_run_id: Id of the run that the call is about, as mParticle gave it, or None.
    :param retry_after_s: Seconds that mParticle asked us to wait, or None.
    :param may_have_executed: Whether mParticle may have executed the request in spite of the error.
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
    """No answer arrived: the connection failed or broke, or the answer took too long."""

    is_transient = True


class UnreadableAnswerError(CallError):
    """mParticle answered with a success, but its body is not what the documentation promises."""

    is_transient = True


class DataModelError(MParticleError):
    """
    An error about the data model that the slices of one pipeline share.

    :param message: See `MParticleError`.
    :param pipeline_id: Id of the pipeline, or None.
    :param pipeline_run_id: Id of the run that read the data model, as mParticle gave it, or None.
    """

    def __init__(
        self, message: str, *, pipeline_id: str | None = None, pipeline_run_id: int | str | None = None
    ) -> None:
        super().__init__(message, pipeline_id=pipeline_id)
        self.pipeline_run_id = pipeline_run_id


class DataModelHeldError(DataModelError):
    """The data model has the SQL of another slice, whose task still needs it."""


class DataModelChangedError(DataModelError):
    """The data model no longer has the SQL of this slice, so a run may have read other rows."""


class RefusedError(CallError):
    """mParticle, or a proxy in between, answered, but not with a success."""


class AuthenticationError(RefusedError):
    """The credentials or the token were refused."""


class PermissionDeniedError(RefusedError):
    """The credentials are valid, but do not permit this call."""


class NotFoundError(RefusedError):
    """The object does not exist, or the credentials have no access to it, or the route is different here."""


class PipelineBusyError(RefusedError):
    """The pipeline has a run in progress, so mParticle did not start another one."""


class InvalidRequestError(RefusedError):
    """mParticle refused the content of the request."""


class RateLimitedError(RefusedError):
    """Too many requests; ``retry_after_s`` says how long to wait, if mParticle says it."""

    is_transient = True


class ServerError(RefusedError):
    """mParticle, or a proxy in between, failed: a later answer may differ, and the request may have been executed."""

    is_transient = True


class WarehouseUnreachableError(RefusedError):
    """mParticle could not log in to the customer's warehouse (505)."""


class RunError(MParticleError):
    """
    An error about one run.

    :param message: See `MParticleError`.
    :param status: HTTP status of mParticle's last answer, or None.
    :param reasons: mParticle's own words.
    :param pipeline_id: Id of the pipeline, or None.
    :param pipeline_run_id: Id of the run, as mParticle gave it, or None.
    :param state: Last known state of the run, or None.
    :param successful_records: Number of records that were ingested, or None.
    :param failed_records: Number of records that were rejected, or None.
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
    """mParticle reports that the run failed; ``reasons`` has its own words."""


class RunLostError(RunError):
    """mParticle no longer knows the run, so its outcome is unknown."""


class DataGateError(RunError):
    """The run succeeded, but its record counts do not pass the gates of the task."""


class RunTimeoutError(RunError):
    """The run was still in progress at the deadline. It continues in mParticle."""


class StartAmbiguousError(RunError):
    """It is not known whether mParticle started a run."""

    may_have_executed = True


class TriggererError(RunError):
    """The triggerer stopped waiting for a run, which continues in mParticle. A retry may use another triggerer."""


def error_named(name: str) -> type[MParticleError]:
    """
    Return the error class of this name.

    :raises KeyError: No class that is raised has this name.
    """
    return _BY_NAME[name]


# The classes above that are raised: those without subclasses.
_BY_NAME = {
    name: kind
    for name, kind in [*globals().items()]
    if isinstance(kind, type) and issubclass(kind, MParticleError) and not kind.__subclasses__()
}
