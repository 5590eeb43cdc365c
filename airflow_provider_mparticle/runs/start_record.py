"""
Records what a task does about its run, so that its next try knows it.

A record is JSON of limited size, since Airflow's task state store takes 64 KB. Records of other versions of this
package can be read: an unknown key is ignored, a missing key has its default.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from airflow_provider_mparticle.client.models import PipelineRun, RunId
from airflow_provider_mparticle.client.timestamps import iso_text, parse_timestamp

# A pipeline that runs every five minutes has about 600 runs in two days. `known_until` covers older runs.
KNOWN_RUNS_KEPT = 600
# A longer id of a known run is kept as a digest of this length, so that a record always fits into the store.
TEXT_KEPT = 64
REQUESTS_KEPT = 20
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class StartRecord:
    """
    What a task records before it starts a run, and keeps across its tries.

    :param recorded_at: When the task created this record, in seconds since the epoch.
    :param known_run_ids: The runs that existed before this task's first trigger request.
    :param max_tries: Airflow's ``max_tries`` of the task. A retry keeps it, a user's clear raises it.
    :param clear_number: How often a user has cleared tasks of the DAG run.
    :param pipeline_run_id: The task's run, once its id is known.
    :param waiting_since: When the task began to wait for that run, in seconds since the epoch.
    :param is_finished: Whether the task has done its work, even if Airflow does not know that yet.
    :param is_lost: Whether mParticle no longer knows the run, so that a clear starts a new one.
    :param slice_id: The slice of history that the run is for, as an ISO 8601 interval; None for a run without a slice.
    :param known_until: The latest start of the known runs, on mParticle's clock; None if mParticle gives no starts.
    :param sent_at: When each trigger request whose run is not known was about to be sent, in seconds since the epoch.
    :param skew_s: How far mParticle's clock was ahead of the clock of *sent_at*, in seconds; None if that is not known.
        The next try may run on a machine with another clock.
    :param result: What the task returns for its run, once the run has succeeded.
    """

    pipeline_id: str
    recorded_at: float
    known_run_ids: tuple[str, ...] = ()
    max_tries: int = 0
    clear_number: int = 0
    pipeline_run_id: RunId | None = None
    waiting_since: float | None = None
    is_finished: bool = False
    is_lost: bool = False
    slice_id: str | None = None
    known_until: datetime | None = None
    sent_at: tuple[float, ...] = ()
    skew_s: float | None = None
    result: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON for Airflow's task state store."""
        return {
            **asdict(self),
            "known_run_ids": list(self.known_run_ids),
            "known_until": iso_text(self.known_until),
            "sent_at": list(self.sent_at),
            "result": None if self.result is None else dict(self.result),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> StartRecord:
        """
        Return the record that an earlier try stored, maybe with another version of this package.

        :raises ValueError: A field does not have the type with which it was stored. Another value would not be the
            record of this task, which then might start a second run.
        """
        given = {_FORMER_NAMES.get(name, name): value for name, value in stored.items() if value is not None}
        known = {name: _checked(name, given[name]) for name in _TYPES if name in given}
        if "pipeline_id" not in known:
            raise ValueError("pipeline_id is missing")
        return cls(**{"recorded_at": 0.0, **known})

    @property
    def requests_at(self) -> tuple[float, ...]:
        """When requests were sent. A record without these instants was stored right before its request."""
        return self.sent_at or (self.recorded_at,)

    def counts_for(self, pipeline_id: str, slice_id: str | None, max_tries: int, clear_number: int) -> bool:
        """
        Return whether this record is valid for a try: for a retry it is, after a user's clear usually not.

        A finished task runs again if it was cleared, or if its worker died before it reported the end to Airflow. A
        clear that also lowers the task's retries may keep ``max_tries``, but it raises ``clear_number``. The run of a
        slice may still be in progress when its task has failed, so the record of that slice stays valid after a clear.
        """
        if (self.pipeline_id, self.slice_id) != (pipeline_id, slice_id):
            return False
        if self.is_finished and self.clear_number != clear_number:
            return False
        return self.max_tries == max_tries or (slice_id is not None and not self.is_finished and not self.is_lost)

    def with_known(self, runs: Iterable[PipelineRun]) -> StartRecord:
        """Return this record with the runs that exist before the task sends a trigger request."""
        latest = sorted(runs, key=lambda run: run.started_on or _LONG_AGO)
        started = [run.started_on for run in latest if run.started_on]
        ids = tuple(_kept_id(run) for run in latest[-KNOWN_RUNS_KEPT:] if run.pipeline_run_id is not None)
        return replace(self, known_run_ids=ids, known_until=max(started, default=None))

    def with_request(self, at: float, skew_s: float | None = None) -> StartRecord:
        """
        Return this record with one more trigger request.

        :param at: When it is sent, in seconds since the epoch.
        :param skew_s: How far mParticle's clock is ahead of the clock of *at*, in seconds. Default: not known.
        """
        skew_s = self.skew_s if skew_s is None else skew_s
        set_by_s = 0.0 if self.skew_s is None or skew_s is None else self.skew_s - skew_s  # since the last request
        earlier = (sent_at + set_by_s for sent_at in self.sent_at)
        return replace(self, sent_at=(*earlier, at)[-REQUESTS_KEPT:], skew_s=skew_s)

    def without_last_request(self) -> StartRecord:
        """Return this record without its last trigger request."""
        return replace(self, sent_at=self.sent_at[:-1])

    def knows(self, run: PipelineRun) -> bool:
        """Return whether a run existed before this task sent a trigger request; False if that is not known."""
        if run.pipeline_run_id is not None and _kept_id(run) in self.known_run_ids:
            return True
        run_id = str(run.pipeline_run_id)
        newest = max((int(known) for known in self.known_run_ids if known.isdecimal()), default=0)
        if newest and run_id.isdecimal() and int(run_id) > newest:  # mParticle counts runs upwards
            return False  # even if it seems to be older, because mParticle's clock was set back
        if self.known_until and run.started_on:
            return run.started_on < self.known_until
        return run_id.isdecimal() and int(run_id) < newest


_NUMBERS = (int, float)
# The fields of a stored record, and their types in JSON.
_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("pipeline_id", "slice_id", "known_until"), (str,)),
    **dict.fromkeys(("recorded_at", "waiting_since", "skew_s"), _NUMBERS),
    **dict.fromkeys(("max_tries", "clear_number"), (int,)),
    **dict.fromkeys(("is_finished", "is_lost"), (bool,)),
    **dict.fromkeys(("known_run_ids", "sent_at"), (list,)),
    "pipeline_run_id": (int, str),
    "result": (dict,),
}
# The last instant that a datetime can hold is a little later.
_LAST_S = 253_000_000_000.0


def _checked(name: str, value: Any) -> Any:
    """Return the value of a stored field as the record has it."""
    read: Any = value if type(value) in _TYPES[name] else None  # not isinstance, since True is also an int
    if type(read) in _NUMBERS and not abs(read) < _LAST_S and name != "pipeline_run_id":
        read = None
    if name == "known_until":
        read = parse_timestamp(read)
    elif name == "sent_at" and read is not None:
        read = tuple(map(float, read)) if all(type(at) in _NUMBERS and abs(at) < _LAST_S for at in read) else None
    elif name == "known_run_ids" and read is not None:
        read = tuple(map(str, read))
    if read is None:
        raise ValueError(f"{name} is {str(value)[:TEXT_KEPT]!r}")
    return read


# Names that earlier versions of this package gave to these fields.
_FORMER_NAMES = {"noted_at": "recorded_at", "window": "slice_id"}


def _kept_id(run: PipelineRun) -> str:
    """Return the id of a run as a record keeps it: a digest of a long one, since long ids may begin alike."""
    run_id = str(run.pipeline_run_id)
    return run_id if len(run_id) <= TEXT_KEPT else hashlib.sha256(run_id.encode()).hexdigest()


@dataclass(frozen=True)
class SaveRecord:
    """A step: store this record for later tries of the task. None deletes the stored record."""

    record: StartRecord | None
