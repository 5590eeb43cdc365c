"""
Sends metrics about runs and requests through Airflow's own Stats: to StatsD, Datadog or OpenTelemetry.

A task never fails because a metric cannot be sent.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import (
    MParticleError,
    RunFailedError,
    RunLostError,
    RunTimeoutError,
)
from airflow_provider_mparticle.runs.outcome import Outcome

log = logging.getLogger(__name__)

SUCCESS = "success"
_OUTCOMES: dict[type[MParticleError], str] = {
    RunFailedError: "failed",
    RunTimeoutError: "timeout",
    RunLostError: "lost",
}
OTHER_ERROR = "error"


@dataclass(frozen=True)
class Metric:
    """
    One metric. The page about metrics shows all of them in a table.

    :param name: Its name, without Airflow's prefix.
    :param kind: ``"timer"``, in ms, or ``"counter"``.
    :param outcome: The values of its tag ``outcome``, in Markdown. Its other tag is ``pipeline``.
    :param meaning: What is measured or counted, and when, in Markdown.
    """

    name: str
    kind: Literal["timer", "counter"]
    outcome: str
    meaning: str


RUN_DURATION = Metric(
    "mparticle.run.duration",
    "timer",
    ", ".join(f"`{word}`" for word in (SUCCESS, *_OUTCOMES.values(), OTHER_ERROR)),
    "how long a run took, in ms, by the start and end that mParticle reports; sent once, when a task sees the end of "
    "the run; not sent if mParticle does not report them",
)
INGESTED, REJECTED = "ingested", "rejected"
RECORDS = Metric("mparticle.records", "counter", f"`{INGESTED}`, `{REJECTED}`", "records of these runs")
POLLS = Metric(
    "mparticle.polls",
    "counter",
    f"`{SUCCESS}`, or the name of the error",
    "polls of the state of runs, in workers and triggerers",
)
RETRIES = Metric(
    "mparticle.retries",
    "counter",
    "the name of the error",
    "other requests that are sent again after a transient error",
)
METRICS = (RUN_DURATION, RECORDS, POLLS, RETRIES)


class Metrics:
    """
    Sends the metrics of one kind of Airflow process.

    :param modules: Names of the modules that may define Airflow's ``Stats``. The first that exists is used.
    """

    def __init__(self, *modules: str) -> None:
        self._modules = modules

    def load(self) -> None:
        """
        Let Airflow load what its first metric needs: a table of its metrics, and the client of the server.

        A triggerer calls this in a thread, since it takes some 40 ms and may look up the name of the server.
        """
        with contextlib.suppress(Exception):  # broad: see _send, which logs the same error
            self._stats.timer(POLLS.name)  # a timer that is not started sends nothing

    def run_ended(self, outcome: Outcome) -> None:
        """Send how long a run took and how many records it ingested and rejected, if mParticle gives these values."""
        run, tags = outcome.run, {"outcome": _outcome(outcome.error)}
        if (seconds := outcome.duration_s) is not None:
            self._send(RUN_DURATION, seconds * 1000, {**_pipeline(run), **tags})
        for name, kind in (("successful_records", INGESTED), ("failed_records", REJECTED)):
            if run.get(name):
                self._send(RECORDS, run[name], {**_pipeline(run), "outcome": kind})

    @contextlib.contextmanager
    def poll(self, call: Call[Any]) -> Iterator[None]:
        """Count a poll, with its outcome."""
        outcome = SUCCESS
        try:
            yield
        except MParticleError as error:
            outcome = type(error).__name__
            raise
        finally:
            self._send(POLLS, 1, {**_pipeline(call.ids), "outcome": outcome})

    def retried(self, call: Call[Any], error: MParticleError) -> None:
        """Count a request that is sent again because of *error*."""
        self._send(RETRIES, 1, {**_pipeline(call.ids), "outcome": type(error).__name__})

    def _send(self, metric: Metric, value: float, tags: Mapping[str, str]) -> None:
        try:
            send = self._stats.timing if metric.kind == "timer" else self._stats.incr
            send(metric.name, value, tags=dict(tags))
        except Exception:  # broad: a StatsD client may raise anything, and a metric must not fail a task
            log.warning("The metric %s could not be sent.", metric.name, exc_info=True)

    @cached_property
    def _stats(self) -> Any:
        for name in self._modules:
            try:
                return importlib.import_module(name).Stats
            except ImportError:
                continue
        raise ImportError(f"This Airflow has none of {', '.join(self._modules)}.")


# Airflow 3.3 has two copies of Stats. A worker initializes the one of the task SDK, the triggerer the one of the core.
# Earlier versions have one.
IN_WORKER = Metrics("airflow.sdk.observability.stats", "airflow.observability.stats", "airflow.stats")
IN_TRIGGERER = Metrics("airflow.observability.stats", "airflow.stats")


def _outcome(error: MParticleError | None) -> str:
    return SUCCESS if error is None else _OUTCOMES.get(type(error), OTHER_ERROR)


def _pipeline(known: Mapping[str, Any]) -> dict[str, str]:
    pipeline_id = known.get("pipeline_id")
    return {} if pipeline_id is None else {"pipeline": str(pipeline_id)}
