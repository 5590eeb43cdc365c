"""Decides from a run's state, or from an error, whether a wait is over and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_mparticle.client.errors import (
    AuthenticationError,
    MParticleError,
    NotFoundError,
    RefusedError,
    RunFailedError,
    RunLostError,
    RunTimeoutError,
    error_named,
)
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.client.timestamps import parse_timestamp

# A pipeline's status answers 404 for about a minute after the pipeline was created (v1 reference). A run that is
# missing for longer than this is lost.
MISSING_GRACE_S = 90.0
# With these statuses the address is missing, maybe for a moment.
MISSING = (404, 405, 410)

# Makes the error for a wait that has reached its deadline, from the run as last seen and the error of the last poll.
MakeTimeoutError = Callable[[PipelineRun, MParticleError | None], RunTimeoutError]


@dataclass(frozen=True)
class Outcome:
    """
    How a wait ended: *error* is None for a run that succeeded.

    The triggerer sends it to the task as an event. Airflow stores and logs events, so it holds no secret.
    """

    run: Mapping[str, Any]
    error: MParticleError | None = None

    @property
    def duration_s(self) -> float | None:
        """How long the run took, in seconds; None if mParticle does not give its start and its end, in this order."""
        began, ended = (parse_timestamp(self.run.get(name)) for name in ("started_on", "ended_on"))
        return (ended - began).total_seconds() if began and ended and ended >= began else None

    def result(self) -> dict[str, Any]:
        """
        Return the run as a task returns it.

        :raises MParticleError: The wait did not end with a run that succeeded.
        """
        if self.error:
            raise self.error
        return dict(self.run)

    def as_event(self) -> dict[str, Any]:
        """Return the outcome as JSON, for the event that resumes the task."""
        if self.error is None:
            return {"status": "success", "run": dict(self.run)}
        facts = {**self.error.facts(), "reasons": list(self.error.reasons)}
        return {
            "status": "error",
            "run": dict(self.run),
            "error": {"kind": type(self.error).__name__, "message": str(self.error), "facts": facts},
        }

    @classmethod
    def from_event(cls, event: Any) -> Outcome:
        """
        Return the outcome that an event holds.

        :raises MParticleError: The event does not come from this provider, so nothing is known about the run.
        """
        try:
            if event["status"] == "success":
                return cls(run=_success(event["run"]))
            if event["status"] == "error":
                error = event["error"]
                facts = {**error["facts"], "reasons": tuple(error["facts"]["reasons"])}
                return cls({**event["run"]}, error_named(error["kind"]).from_facts(error["message"], facts))
        except (KeyError, TypeError, AttributeError) as cause:
            raise _unknown_event(event) from cause
        raise _unknown_event(event)


def _success(run: Mapping[str, Any]) -> Mapping[str, Any]:
    missing = {"pipeline_id", "pipeline_run_id", "state"} - run.keys()
    if missing:
        raise KeyError(*missing)
    return run


def _unknown_event(event: Any) -> MParticleError:
    return MParticleError(
        f"The trigger sent an event that does not say how the run ended: {event!r}. This does not affect the run "
        "itself. Check it in mParticle, then retry the task: the retry reattaches to the run and starts no other."
    )


def run_timeout_error(run: PipelineRun, error: MParticleError | None) -> RunTimeoutError:
    """Return the error for a run that is in progress at the deadline; *error* is what the last poll raised."""
    last = f"its last known state is {run.state}" if run.state else "its state was never seen"
    trouble = f" The last poll failed: {error}" if error else ""
    is_known = run.pipeline_run_id is not None
    which, ended = (f"Run {run.pipeline_run_id}", "had not ended") if is_known else ("No run", "had ended")
    return RunTimeoutError(
        f"{which} of pipeline {run.pipeline_id!r} {ended} at the deadline; {last}.{trouble} "
        "The run continues in mParticle, which documents no way to cancel it. To wait longer, use "
        "MParticlePipelineRunSensor with this pipeline_run_id, or trigger with if_running='attach'.",
        status=error.status if error else None,
        **_about(run),
    )


def evaluate_run(
    run: PipelineRun, now: float, deadline: float, timeout_error: MakeTimeoutError = run_timeout_error
) -> Outcome | None:
    """
    Return how *run* ends the wait, or None if the wait continues. Only the state decides, never the end instant.

    :param now: The time, in seconds since the epoch.
    :param deadline: When the wait ends in any case, in seconds since the epoch.
    :param timeout_error: Makes the error for a wait that has reached its deadline. Default: `run_timeout_error`.
    """
    if run.progress is Progress.SUCCEEDED:
        return Outcome(run.as_dict())
    if run.progress is Progress.FAILED:
        return Outcome(run.as_dict(), _failed(run))
    if now >= deadline:
        return Outcome(run.as_dict(), timeout_error(run, None))
    return None


def evaluate_error(
    error: MParticleError,
    last: PipelineRun,
    refused_for_s: float,
    now: float,
    deadline: float,
    timeout_error: MakeTimeoutError = run_timeout_error,
    *,
    is_answered: bool = False,
) -> Outcome | None:
    """
    Return how the *error* of a poll ends the wait, or None if the wait continues.

    :param last: The run as it was last seen.
    :param refused_for_s: For how long every poll has been refused, in seconds.
    :param now: The time, in seconds since the epoch.
    :param deadline: When the wait ends in any case, in seconds since the epoch.
    :param timeout_error: Makes the error for a wait that has reached its deadline. Default: `run_timeout_error`.
    :param is_answered: Whether mParticle has answered an earlier poll. A firewall may then refuse one by mistake.
    """
    if isinstance(error, NotFoundError):
        if refused_for_s > MISSING_GRACE_S:
            return Outcome(last.as_dict(), error if last.pipeline_run_id is None else _lost(last, error))
    elif not error.is_transient and not (is_answered and _may_pass(error) and refused_for_s <= MISSING_GRACE_S):
        return Outcome(last.as_dict(), error)
    return Outcome(last.as_dict(), timeout_error(last, error)) if now >= deadline else None


def _may_pass(error: MParticleError) -> bool:
    """
    Return whether a later poll may be answered.

    Credentials that were refused are not tried again: that might lock the account. A login that is missing says nothing
    about them.
    """
    is_of_credentials = isinstance(error, AuthenticationError) and error.status not in MISSING
    return isinstance(error, RefusedError) and not is_of_credentials


def _failed(run: PipelineRun) -> RunFailedError:
    reason = "; ".join(run.errors) or "mParticle gives no reason"
    return RunFailedError(
        f"Run {run.pipeline_run_id} of pipeline {run.pipeline_id!r} failed: {reason.rstrip('.')}. "
        f"Its state is {run.state!r}, {counts(run.as_dict())}. Correct the cause in mParticle or the warehouse, "
        "then clear or retry the task: it starts a new run.",
        reasons=run.errors,
        **_about(run),
    )


def _lost(run: PipelineRun, error: NotFoundError) -> RunLostError:
    return RunLostError(
        f"mParticle has not known run {run.pipeline_run_id} of pipeline {run.pipeline_id!r} for more than "
        f"{MISSING_GRACE_S:.0f} s, so its outcome is not known. {error} "
        "Check the pipeline in mParticle; clear the task to start a new run.",
        status=error.status,
        reasons=error.reasons,
        **_about(run),
    )


def _about(run: PipelineRun) -> dict[str, Any]:
    return {
        "pipeline_id": run.pipeline_id,
        "pipeline_run_id": run.pipeline_run_id,
        "state": run.state,
        "successful_records": run.successful_records,
        "failed_records": run.failed_records,
    }


def counts(run: Mapping[str, Any]) -> str:
    """Return how many records a run has ingested and rejected, for a log line or a message."""
    ingested, rejected = (
        "unknown" if (count := run.get(name)) is None else count for name in ("successful_records", "failed_records")
    )
    return f"{ingested} records ingested, {rejected} rejected"
