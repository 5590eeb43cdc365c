"""Wait for a pipeline run, whoever started it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    PokeReturnValue,
)

from airflow_provider_mparticle.client.errors import ConfigError, MParticleError, RunTimeoutError
from airflow_provider_mparticle.runs.coverage import CoverageLookup
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.steps import drive
from airflow_provider_mparticle.runs.wait import RunMonitor, deadline_of
from airflow_provider_mparticle.slices.slice import read_instant
from airflow_provider_mparticle.tasks.failures import fail_without_retry
from airflow_provider_mparticle.tasks.task_context import first_start
from airflow_provider_mparticle.tasks.waiting import WaitingTask

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor


class SensorTask(WaitingTask):
    """
    One try of a task that waits for a run, one look of it, or the part of it after a wait in the triggerer.

    :param operator: What the DAG declares.
    """

    operator: MParticlePipelineRunSensor

    def check(self) -> None:
        """Refuse arguments that are malformed."""
        with self._failing():
            self._check()

    def wait(self) -> dict[str, Any]:
        """Wait in the triggerer, or in this worker."""
        deadline = deadline_of(time.time(), self.operator.timeout, self.operator.execution_timeout)
        with self._failing():
            return self._conclude(self._wait(RunMonitor(self._lookup(), deadline, time.time()), "execute_complete"))

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once, for ``mode="reschedule"``, where nothing but the first look's instant is remembered."""
        first_poll = self._first_look(context)
        since = first_poll.timestamp()
        with self._failing():
            self._check()
            monitor = RunMonitor(
                self._lookup(as_of=first_poll), since + self.operator.timeout, since, missing_since=since
            )
            outcome, retry_after_s = drive(monitor.poll(time.time), self._send_once, time.sleep)
            # Of this look; the next has a new object.
            self.operator.poke_interval = max(self.operator.poke_interval, retry_after_s)
            return PokeReturnValue(outcome is not None, self._conclude(outcome) if outcome else None)

    def execute_complete(self, event: Any) -> dict[str, Any]:
        """Resume when the run has ended, or the deadline has come."""
        with self._failing():
            return self._conclude(Outcome.from_event(event))

    def _lookup(self, as_of: datetime | None = None) -> RunLookup | CoverageLookup:
        if self.operator.covers is not None:
            return CoverageLookup(self.operator.pipeline_id, read_instant(self.operator.covers, "covers"))
        return RunLookup(self.operator.pipeline_id, self.operator.pipeline_run_id, as_of=as_of)

    def _check(self) -> None:
        run_id, covers, poll_interval = self.operator.pipeline_run_id, self.operator.covers, self.operator.poll_interval
        if str(run_id).strip() in ("", "None") and run_id is not None:
            raise ConfigError(
                f"pipeline_run_id was rendered to {run_id!r}: the task it comes from gave no run id. "
                "Leave it out to wait for the latest run. Nothing was sent to mParticle."
            )
        if covers is not None and run_id is not None:
            raise ConfigError(
                f"covers={str(covers)!r} and pipeline_run_id={run_id!r} name two things to "
                "wait for; pass one. Nothing was sent to mParticle."
            )
        _ = self._gates, self._lookup()  # they refuse what is none
        if poll_interval <= 0:
            raise ConfigError(f"poll_interval must be a positive number of seconds, not {poll_interval!r}.")

    def _first_look(self, context: Context) -> datetime:
        """Return when this wait began, which Airflow remembers for a rescheduled task."""
        return first_start(context) if self.operator.reschedule else datetime.now(UTC)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Let failures reach Airflow as a sensor's do: skip if so wished, and time out as sensors time out."""
        try:
            with fail_without_retry():
                yield
        except (MParticleError, AirflowFailException) as error:
            if self.operator.soft_fail or self.operator.never_fail:
                raise AirflowSkipException(str(error)) from error
            if isinstance(error, RunTimeoutError):
                raise AirflowSensorTimeout(str(error)) from error
            raise
