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
from airflow_provider_mparticle.failures import failing_by_cause
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.waiting import Finder, Outcome, Watch, backstop, deadline_of, drive, wait

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class MParticlePipelineRunSensor(BaseSensorOperator):
    """
    Wait for a pipeline run to end well.

    An unknown state word means that the run is still under way, and an unreachable API does not fail it.

    :param pipeline_id: Slug of the pipeline. (templated)
    :param pipeline_run_id: Id of the run, for example ``"{{ ti.xcom_pull('trigger')['pipeline_run_id'] }}"``. Default:
        the pipeline's latest run at the first look; the sensor stays with that one. (templated)
    :param poll_interval: Longest pause between two looks, in seconds; the first looks come sooner, but for
        ``mode="reschedule"``, where it is the pause. Default: 60.
    :param timeout: How long to wait, in seconds or as a timedelta; the shorter of it and ``execution_timeout``
        counts, deferred or not. Default: Airflow's ``[sensors] default_timeout``.
    :param deferrable: Whether to wait in the triggerer, without a worker slot. Default: Airflow's
        ``[operators] default_deferrable``.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: The same as :class:`~airflow_provider_mparticle.operators.MParticleTriggerPipelineOperator` returns.
    :raises AirflowSensorTimeout: The run was still under way at the deadline. Its cause carries the last state.
    :raises RunFailedError: mParticle reports that the run failed, for the reasons that the error carries.
    :raises AirflowFailException: Login, permission, arguments, or a pipeline that does not exist.
    :raises AirflowSkipException: Any of these, with ``soft_fail`` or ``never_fail``.

    Source: Warehouse Sync API reference, "Get the status of a specific run".
    """

    template_fields: Sequence[str] = ("pipeline_id", "pipeline_run_id", "mparticle_conn_id")

    def __init__(
        self,
        *,
        pipeline_id: str,
        pipeline_run_id: RunId | None = None,
        poll_interval: float = 60,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        mparticle_conn_id: str = MParticleHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"poke_interval": poll_interval, **kwargs})
        self.pipeline_id = pipeline_id
        self.pipeline_run_id = pipeline_run_id
        self.poll_interval = poll_interval
        self.deferrable = deferrable
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
        finder = Finder(self.pipeline_id, self.pipeline_run_id, as_of=first_look)
        since = first_look.timestamp()
        watch = Watch(finder, since + self.timeout, missing_since=since)
        with self._failing():
            outcome, asked_pause_s = drive(watch.look(time.time), self._send, time.sleep)
            self.poke_interval = max(self.poke_interval, asked_pause_s)  # of this look; the next has a new object
            return PokeReturnValue(outcome is not None, outcome.result() if outcome else None)

    def execute_complete(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Resume when the run has ended, or the deadline has come."""
        with self._failing():
            return Outcome.from_event(event).result()

    def _wait(self, deadline: float) -> dict[str, Any]:
        finder = Finder(self.pipeline_id, self.pipeline_run_id)
        if not self.deferrable:
            steps = wait(finder, poll_interval_s=self.poll_interval, deadline=deadline, clock=time.time)
            return drive(steps, self._send, time.sleep).result()
        outcome, asked_pause_s = drive(Watch(finder, deadline).look(time.time), self._send, time.sleep)
        if outcome:
            return outcome.result()
        from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger

        trigger = MParticlePipelineRunTrigger(
            self.mparticle_conn_id,
            self.pipeline_id,
            finder.pipeline_run_id,
            self.poll_interval,
            deadline,
            asked_pause_s,
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=backstop(deadline, time.time()))

    @property
    def _send(self) -> Any:
        return partial(self._hook.send, retry=False)

    def _check(self) -> None:
        if str(self.pipeline_run_id).strip() in ("", "None") and self.pipeline_run_id is not None:
            raise ConfigError(
                f"pipeline_run_id was rendered to {self.pipeline_run_id!r}: the task it comes from gave no run id. "
                "Leave it out to wait for the latest run. Nothing was sent to mParticle."
            )
        if self.poll_interval <= 0:
            raise ConfigError(f"poll_interval must be a positive number of seconds, not {self.poll_interval!r}.")

    def _first_look(self, context: Context) -> datetime:
        """Return when this wait began, which Airflow remembers for a rescheduled task."""
        if not self.reschedule:
            return datetime.now(UTC)
        ti = context["ti"]
        # Airflow 3 tells it on request; in Airflow 2 only the module of its own sensors knows.
        first_start = getattr(ti, "get_first_reschedule_date", None) or partial(_first_start_in_airflow_2, ti)
        first: datetime | None = first_start(context)
        return first or datetime.now(UTC)

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


def _first_start_in_airflow_2(ti: Any, _: Context) -> Any:
    from airflow.sensors import base  # type: ignore[attr-defined]  # Airflow 2 only

    return base._orig_start_date(
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=ti.map_index,
        try_number=ti.max_tries - (ti.task.retries or 0) + 1,
    )
