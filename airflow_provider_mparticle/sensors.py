"""The sensor that waits for a pipeline run, whoever started it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_mparticle.client.errors import ConfigError, MParticleError, RunTimeoutError
from airflow_provider_mparticle.client.models import RunId
from airflow_provider_mparticle.coverage import CoverageFinder
from airflow_provider_mparticle.dag_runs import first_start
from airflow_provider_mparticle.failures import failing_by_cause, pass_gates
from airflow_provider_mparticle.finding import Finder
from airflow_provider_mparticle.gates import Gates, OnEmpty
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.outcome import Outcome
from airflow_provider_mparticle.steps import drive
from airflow_provider_mparticle.waiting import Watch, backstop, deadline_of, wait
from airflow_provider_mparticle.windows import read_instant

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class MParticlePipelineRunSensor(BaseSensorOperator):
    """
    Wait for a pipeline run to end well.

    An unknown state word means that the run is still under way, and an unreachable API does not fail it.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param pipeline_run_id: Id of the run, for example ``"{{ ti.xcom_pull('trigger')['pipeline_run_id'] }}"``. Default:
        the pipeline's latest run at the first look; the sensor stays with that one. (templated)
    :param covers: Wait instead until a run that succeeded has read everything up to this instant, whoever started it;
        for pipelines that mParticle schedules itself, for example ``"{{ data_interval_end }}"``. A run that fails does
        not end this wait. An instant without a time zone is UTC. Default: wait for one run. (templated)
    :param poll_interval: Longest pause between two looks, in seconds; looks come closer when a run is likely to end,
        but for ``mode="reschedule"``, where it is the pause. Default: 60.
    :param timeout: How long to wait, in seconds or as a timedelta; the shorter of it and ``execution_timeout``
        counts, deferred or not. Default: Airflow's ``[sensors] default_timeout``.
    :param deferrable: Whether to wait in the triggerer, without a worker slot. Default: Airflow's
        ``[operators] default_deferrable``.
    :param min_records: Fewest records that the run must have ingested. Default: any number.
    :param max_failed_ratio: Largest share of rejected records, from 0 to 1. Default: any.
    :param on_empty: What to make of a run that read nothing: ``"success"`` (default), ``"skip"`` or ``"fail"``.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: The same as :class:`~airflow_provider_mparticle.operators.MParticleTriggerPipelineOperator` returns.
    :raises AirflowSensorTimeout: The run was still under way at the deadline. Its cause carries the last state.
    :raises RunFailedError: mParticle reports that the run failed, for the reasons that the error carries.
    :raises AirflowFailException: Login, permission, arguments, a pipeline that does not exist, or counts that do not
        pass *min_records*, *max_failed_ratio* or *on_empty*.
    :raises AirflowSkipException: Any of these, with ``soft_fail`` or ``never_fail``.

    Source: Warehouse Sync API reference, "Get the status of a specific run".
    """

    template_fields: Sequence[str] = ("pipeline_id", "pipeline_run_id", "covers", "mparticle_conn_id")

    def __init__(
        self,
        *,
        pipeline_id: str,
        pipeline_run_id: RunId | None = None,
        covers: datetime | str | None = None,
        poll_interval: float = 60,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        min_records: int | None = None,
        max_failed_ratio: float | None = None,
        on_empty: OnEmpty = "success",
        mparticle_conn_id: str = MParticleHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"poke_interval": poll_interval, **kwargs})
        self.pipeline_id = pipeline_id
        self.pipeline_run_id = pipeline_run_id
        self.covers = covers
        self.poll_interval = poll_interval
        self.deferrable = deferrable
        self.min_records = min_records
        self.max_failed_ratio = max_failed_ratio
        self.on_empty = on_empty
        self.mparticle_conn_id = mparticle_conn_id

    @cached_property
    def _hook(self) -> MParticleHook:
        return MParticleHook(self.mparticle_conn_id)

    def execute(self, context: Context) -> Any:
        """Wait in the triggerer, in this worker, or with a look now and then (``mode="reschedule"``)."""
        with self._failing():
            self._check()
        if self.reschedule and not self.deferrable:
            return super().execute(context)
        with self._failing():
            return self._wait(deadline_of(time.time(), self.timeout, self.execution_timeout))

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once, for ``mode="reschedule"``, where nothing but the first look's instant is remembered."""
        first_look = self._first_look(context)
        since = first_look.timestamp()
        with self._failing():
            self._check()
            watch = Watch(self._finder(as_of=first_look), since + self.timeout, since, missing_since=since)
            outcome, asked_pause_s = drive(watch.look(time.time), self._send, time.sleep)
            self.poke_interval = max(self.poke_interval, asked_pause_s)  # of this look; the next has a new object
            return PokeReturnValue(outcome is not None, self._conclude(outcome) if outcome else None)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Resume when the run has ended, or the deadline has come."""
        with self._failing():
            return self._conclude(Outcome.from_event(event))

    def _wait(self, deadline: float) -> dict[str, Any]:
        watch = Watch(self._finder(), deadline, time.time())
        if not self.deferrable:
            steps = wait(watch, poll_interval_s=self.poll_interval, clock=time.time)
            return self._conclude(drive(steps, self._send, time.sleep))
        outcome, asked_pause_s = drive(watch.look(time.time), self._send, time.sleep)
        if outcome:
            return self._conclude(outcome)
        from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger

        trigger = MParticlePipelineRunTrigger.after_look(
            self.mparticle_conn_id, watch, self.poll_interval, asked_pause_s
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=backstop(deadline, time.time()))

    def _conclude(self, outcome: Outcome) -> dict[str, Any]:
        run = outcome.result()
        self.log.info("Run %s of pipeline %r ended well: %s", run["pipeline_run_id"], self.pipeline_id, run)
        pass_gates(self._gates, run)
        return run

    def _finder(self, as_of: datetime | None = None) -> Finder | CoverageFinder:
        if self.covers is not None:
            return CoverageFinder(self.pipeline_id, read_instant(self.covers, "covers"))
        return Finder(self.pipeline_id, self.pipeline_run_id, as_of=as_of)

    @property
    def _gates(self) -> Gates:
        return Gates(self.min_records, self.max_failed_ratio, self.on_empty)

    @property
    def _send(self) -> Any:
        return partial(self._hook.send, retry=False)

    def _check(self) -> None:
        if str(self.pipeline_run_id).strip() in ("", "None") and self.pipeline_run_id is not None:
            raise ConfigError(
                f"pipeline_run_id was rendered to {self.pipeline_run_id!r}: the task it comes from gave no run id. "
                "Leave it out to wait for the latest run. Nothing was sent to mParticle."
            )
        if self.covers is not None and self.pipeline_run_id is not None:
            raise ConfigError(
                f"covers={str(self.covers)!r} and pipeline_run_id={self.pipeline_run_id!r} name two things to "
                "wait for; pass one. Nothing was sent to mParticle."
            )
        _ = self._gates, self._finder()  # they refuse what is none
        if self.poll_interval <= 0:
            raise ConfigError(f"poll_interval must be a positive number of seconds, not {self.poll_interval!r}.")

    def _first_look(self, context: Context) -> datetime:
        """Return when this wait began, which Airflow remembers for a rescheduled task."""
        return first_start(context) if self.reschedule else datetime.now(UTC)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Let failures reach Airflow as a sensor's do: skip if so wished, and time out as sensors time out."""
        try:
            with failing_by_cause():
                yield
        except (MParticleError, AirflowFailException) as error:
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(str(error)) from error
            if isinstance(error, RunTimeoutError):
                raise AirflowSensorTimeout(str(error)) from error
            raise
