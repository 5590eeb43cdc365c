"""
The trigger that waits for a pipeline run in the triggerer.

A triggerer imports this module in its event loop, so it must not import anything slow at its top. The rest is imported
in a thread when a trigger runs.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeGuard

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_mparticle.triggerer.loading import load

if TYPE_CHECKING:
    from airflow_provider_mparticle.client.models import RunId
    from airflow_provider_mparticle.runs.wait import RunMonitor

# A deferred task is resumed in a new process. If the executor reports the exit of the old process only after the task
# was queued again, Airflow 3's scheduler fails the task (scheduler_job_runner.py, process_executor_events). The
# supervisor may notice the exit one [workers] min_heartbeat_interval late, by default 5 s (supervisor.py,
# _monitor_subprocess). The margin covers the remaining steps: the process ends, its log is uploaded, and the scheduler
# reads the report. The executors of Airflow 2 delay such a task themselves.
MIN_HEARTBEAT_INTERVAL_S = 5.0
EXIT_REPORT_MARGIN_S = 5.0


class TriggerArgumentError(ValueError, TypeError):
    """
    An argument of a trigger is malformed.

    A triggerer creates its triggers from stored arguments. If a constructor raises anything else than a TypeError, the
    whole process ends, and with it the waits of all other tasks (triggerer_job_runner.py, create_triggers).
    """


def resume_delay_s() -> float:
    """Return after how many seconds a deferred task can be resumed safely; by default 10."""
    from airflow.providers.common.compat.sdk import conf

    interval_s = conf.getfloat("workers", "min_heartbeat_interval", fallback=MIN_HEARTBEAT_INTERVAL_S)
    return float(interval_s) + EXIT_REPORT_MARGIN_S


class MParticlePipelineRunTrigger(BaseTrigger):
    """
    Wait for the end of a pipeline run or for the deadline, and report the outcome.

    The trigger does not send the event earlier than :func:`resume_delay_s` after its start. Airflow stores the
    arguments in plain text, so none of them is a secret. The payload of the event is
    :meth:`~airflow_provider_mparticle.runs.outcome.Outcome.as_event`.

    :param mparticle_conn_id: Id of the Airflow connection.
    :param pipeline_id: Slug of the pipeline.
    :param pipeline_run_id: Id of the run. None means the latest run at the first poll.
    :param poll_interval: Longest pause between two polls, in seconds. Pauses are shorter when a run is likely to end.
    :param deadline: When the wait ends at the latest: a datetime, or seconds since the epoch.
    :param retry_after_s: How long mParticle asked the worker to wait after its last poll, in seconds. Default: 0.
    :param covers: Wait for any run that covers this instant: a datetime, or seconds since the epoch. Default: None,
        wait for one run.
    :param began: When the run began, or the wait if that is unknown: a datetime, or seconds since the epoch. Default:
        now.
    :param run_durations: How long the last runs of the pipeline took, in seconds. Default: None, not read yet.
    :raises TriggerArgumentError: An id has another type, *poll_interval* is not a positive number of seconds, or an
        instant is neither a datetime nor a finite number. A wait with such a value would poll without a pause, or end
        with an event that Airflow cannot store. Airflow stores infinity as null.
    """

    def __init__(
        self,
        mparticle_conn_id: str,
        pipeline_id: str,
        pipeline_run_id: RunId | None,
        poll_interval: float,
        deadline: datetime | float,
        retry_after_s: float = 0.0,
        covers: datetime | float | None = None,
        began: datetime | float | None = None,
        run_durations: Sequence[float] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow leaves it unannotated
        _check_id("mparticle_conn_id", mparticle_conn_id)
        _check_id("pipeline_id", pipeline_id)
        if type(pipeline_run_id) is not int and pipeline_run_id is not None:
            _check_id("pipeline_run_id", pipeline_run_id)
        check_poll_interval(poll_interval)
        self.mparticle_conn_id = mparticle_conn_id
        self.pipeline_id = pipeline_id
        self.pipeline_run_id = pipeline_run_id
        self.poll_interval = poll_interval
        self.deadline = _as_epoch("deadline", deadline)
        self.retry_after_s = retry_after_s
        self.covers = None if covers is None else _as_epoch("covers", covers)
        self.began = None if began is None else _as_epoch("began", began)
        self.run_durations = None if run_durations is None else [*run_durations]

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and the arguments, which Airflow stores to create this trigger again."""
        names = (
            *("mparticle_conn_id", "pipeline_id", "pipeline_run_id", "poll_interval", "deadline"),
            *("retry_after_s", "covers", "began", "run_durations"),
        )
        return f"{type(self).__module__}.{type(self).__qualname__}", {name: getattr(self, name) for name in names}

    @classmethod
    def after_poll(
        cls, mparticle_conn_id: str, monitor: RunMonitor, poll_interval: float, retry_after_s: float
    ) -> MParticlePipelineRunTrigger:
        """Return the trigger that continues a wait after the poll of a worker."""
        lookup = monitor.lookup
        return cls(
            mparticle_conn_id,
            lookup.pipeline_id,
            lookup.pipeline_run_id,
            poll_interval,
            monitor.deadline,
            retry_after_s,
            getattr(lookup, "at", None),  # only a lookup of coverage has an instant
            monitor.began,
            monitor.durations_s,
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, then yield one event, but not before the task can be resumed safely."""
        started_at = time.monotonic()
        await load()
        from airflow_provider_mparticle.triggerer.wait_for_run import wait_for_run

        outcome = await wait_for_run(**self.serialize()[1])
        if self.trigger_id is not None:  # dag.test() gives no id, and resumes the task in the same process
            await asyncio.sleep(started_at + resume_delay_s() - time.monotonic())
        yield TriggerEvent(outcome.as_event())  # type: ignore[no-untyped-call]  # as above

    async def on_kill(self) -> None:
        """Log that the run continues, because mParticle does not document how to cancel a run."""
        if self.covers is not None:
            self.log.info("This task no longer waits for a run of pipeline %r.", self.pipeline_id)
            return
        self.log.warning(
            "This task no longer waits for run %s of pipeline %r. The run continues in mParticle, "
            "which does not document how to cancel a run.",
            self.pipeline_run_id,
            self.pipeline_id,
        )


def _refused(name: str, wanted: str, value: object) -> TriggerArgumentError:
    from airflow_provider_mparticle.client.shown import shown

    return TriggerArgumentError(f"{name} must be {wanted}, not {shown(value)}.")


def _check_id(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise _refused(name, "an id as text", value)


def check_poll_interval(seconds: object) -> None:
    """
    Refuse a pause with which a trigger would poll without a pause, or only once.

    :raises TriggerArgumentError: It is not a positive number of seconds.
    """
    if not (_is_finite(seconds) and seconds > 0):
        raise _refused("poll_interval", "a positive number of seconds", seconds)


def _as_epoch(name: str, instant: datetime | float) -> float:
    """Return an instant in seconds since the epoch. A datetime without a time zone is UTC."""
    if isinstance(instant, datetime):
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
    if not _is_finite(instant):
        raise _refused(name, "a datetime, or seconds since the epoch", instant)
    return float(instant)


def _is_finite(value: object) -> TypeGuard[float]:
    """Return whether this is a number that is finite as a float."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an int of hundreds of digits
        return False
