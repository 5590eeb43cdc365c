"""Waits for a run of a pipeline in the worker, in the triggerer, or rescheduled. For ``MParticlePipelineRunSensor``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    PokeReturnValue,
)

from airflow_provider_mparticle.client.answer_fields import parse_run_id
from airflow_provider_mparticle.client.errors import ConfigError, MParticleError, RunTimeoutError
from airflow_provider_mparticle.runs.coverage import CoverageLookup
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.steps import drive
from airflow_provider_mparticle.runs.wait import RunMonitor, wait_out_refusals
from airflow_provider_mparticle.slices.slice import read_instant
from airflow_provider_mparticle.tasks.arguments import as_switch, read_id, read_seconds, read_switch
from airflow_provider_mparticle.tasks.record_store import unreadable_record
from airflow_provider_mparticle.tasks.task_context import first_reschedule, first_start
from airflow_provider_mparticle.tasks.waiting import WaitingTask, come_back_in
from airflow_provider_mparticle.triggers import resume_delay_s

if TYPE_CHECKING:
    from airflow_provider_mparticle.client.models import RunId
    from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor


class SensorTask(WaitingTask):
    """
    One try of a task that waits for a run, one of its polls, or the part of the try after a wait in the triggerer.

    :param operator: The sensor that the DAG declares.
    """

    operator: MParticlePipelineRunSensor

    def execute(self) -> Any:
        """Wait in the triggerer, in this worker, or with one poll for each execution of the task."""
        with self._failing():
            rescheduled = self.operator.reschedule and not self.operator.deferrable
            if not rescheduled:
                self._push_links(self.operator.pipeline_run_id)
                monitor = RunMonitor(self._lookup(), self._deadline(self._now()), self._now())
                return self._conclude(self._wait(monitor, "execute_complete"))
        return self._reschedule()

    def poke(self) -> PokeReturnValue:
        """Poll once, for ``mode="reschedule"``: a later execution polls again."""
        with self._failing():
            since, lookup = self._first_poll.timestamp(), self._lookup_of_polls
            known_run_id = lookup.pipeline_run_id
            # Of earlier executions, it is only known that their polls did not end the wait.
            polls = 0 if first_reschedule(self.context) is None else 1
            monitor = RunMonitor(lookup, self._deadline(since), since, polls=polls)
            pause_s = min(self._poll_interval_s, resume_delay_s())
            steps = wait_out_refusals(monitor, pause_s=pause_s, clock=self._now)
            outcome, retry_after_s = drive(steps, self._send_once, time.sleep)
            if lookup.pipeline_run_id != known_run_id and isinstance(lookup, RunLookup):
                self._adopt(lookup.pipeline_run_id)
            self._push_links(lookup.pipeline_run_id)
            # This changes only the pause after this poll: Airflow creates a new operator for the next poll.
            self.operator.poke_interval = max(self._poll_interval_s, retry_after_s)
            return PokeReturnValue(outcome is not None, self._conclude(outcome) if outcome else None)

    def _reschedule(self) -> Any:
        """
        Poll once, and be rescheduled while the run is in progress. In the last seconds before the deadline, poll here.

        Airflow's own loop is not used: with ``silent_fail`` it would continue to poll a failed run until the timeout.
        """
        delay_s = resume_delay_s()  # Airflow's scheduler can fail a task that comes back sooner
        since = self._first_poll
        while not (found := self.poke()).is_done:
            pause_s = self.operator._get_next_poke_interval(since, lambda: self._now() - since.timestamp(), 1)
            left_s = self._deadline(since.timestamp()) - self._now()
            if left_s > delay_s:
                raise come_back_in(min(max(pause_s, delay_s), left_s))
            time.sleep(max(0.0, min(pause_s, left_s)))
        return found.xcom_value

    # The run of a wait without a run id, kept from one execution to the next

    @cached_property
    def _lookup_of_polls(self) -> RunLookup | CoverageLookup:
        lookup = self._lookup()
        if isinstance(lookup, RunLookup) and lookup.pipeline_run_id is None:
            lookup.pipeline_run_id = self._adopted_run()
        return lookup

    def _adopted_run(self) -> RunId | None:
        """Return the run that the first poll has found, or a later one if there was none."""
        ti = self.context["ti"]
        if self._record_store is None:
            return None
        if ti.try_number <= 1 and first_reschedule(self.context) is None:
            self._record_store.start_over()
            return None
        kept = self._record_store.load() or {}
        if kept.get("max_tries") != ti.max_tries:  # a retry keeps the number, a clear raises it
            return None
        if (pipeline_run_id := parse_run_id(kept.get("pipeline_run_id"))) is None:
            raise unreadable_record(self._record_store.place, "it has no run")
        return pipeline_run_id

    def _adopt(self, pipeline_run_id: RunId | None) -> None:
        if self._record_store and pipeline_run_id is not None:
            self._record_store.save({"pipeline_run_id": pipeline_run_id, "max_tries": self.context["ti"].max_tries})

    def _lookup(self) -> RunLookup | CoverageLookup:
        if self.operator.covers is not None:
            return CoverageLookup(self.operator.pipeline_id, read_instant(self.operator.covers, "covers"))
        return RunLookup(self.operator.pipeline_id, self.operator.pipeline_run_id)

    @cached_property
    def _timeout_s(self) -> float:
        return read_seconds("timeout", self.operator.timeout, may_be_zero=True)  # with 0, Airflow's sensors poll once

    def _check(self) -> None:
        super()._check()
        operator = self.operator
        operator.timeout = self._timeout_s  # Airflow's own code reads it for exponential_backoff
        operator.soft_fail = read_switch("soft_fail", operator.soft_fail)
        operator.never_fail = read_switch("never_fail", operator.never_fail)
        # mParticle's own number stays a number
        if operator.is_for_one_run and type(operator.pipeline_run_id) is not int:
            operator.pipeline_run_id = read_id("pipeline_run_id", operator.pipeline_run_id)
        if operator.covers is not None and operator.pipeline_run_id is not None:
            raise ConfigError(
                f"covers={str(operator.covers)!r} and pipeline_run_id={operator.pipeline_run_id!r} exclude each other. "
                "Pass one of them. Nothing was sent to mParticle."
            )
        _ = self._lookup()  # parses covers

    @cached_property
    def _first_poll(self) -> datetime:
        """The time when this wait began. Airflow stores it for a rescheduled task."""
        return first_start(self.context) if self.operator.reschedule else datetime.now(UTC)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Convert errors as Airflow's sensors do: to a skip, if the DAG wants that, or to a sensor timeout."""
        try:
            with super()._failing():
                yield
        except (MParticleError, AirflowFailException) as error:
            # The error becomes the context and not the cause, so that the log shows its reason once.
            if as_switch(self.operator.soft_fail) or as_switch(self.operator.never_fail):
                raise AirflowSkipException(str(error)) from None
            if isinstance(error, RunTimeoutError):
                raise AirflowSensorTimeout(str(error)) from None
            raise
