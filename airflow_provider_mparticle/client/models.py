"""
What mParticle's objects look like to us: frozen values, read leniently.

A field that mParticle leaves out, or spells in a way nobody can read, is None; reading never raises for it.
Fields keep their names on the wire. Source: Warehouse Sync API reference, July 2025, and its v1 of 2023.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, TypeVar

from airflow_provider_mparticle.client.run_fields import RUN_FIELDS
from airflow_provider_mparticle.client.run_states import RUN_STATES, Progress, progress_of

# What JSON decodes to.
Json = Any
RunId = int | str
_Model = TypeVar("_Model", bound="Pipeline")


@dataclass(frozen=True)
class Pipeline:
    """A Warehouse Sync pipeline: which data goes to mParticle, how and when."""

    id: str
    name: str | None = None
    connection_id: str | None = None
    data_model_id: str | None = None
    field_transformation_id: str | None = None
    partner_feed_id: int | str | None = None
    partner_feed_key: str | None = field(default=None, repr=False)
    state: str | None = None
    status: str | None = None
    errors: tuple[str, ...] = ()
    sync_mode: Mapping[str, Any] | None = None
    schedule: Mapping[str, Any] | None = None
    environment: str | None = None
    data_plan_id: str | None = None
    data_plan_version: int | None = None
    created_on: str | None = None
    created_by: str | None = None
    last_modified_on: str | None = None
    last_modified_by: str | None = None

    @classmethod
    def read(cls: type[_Model], answer: Json, pipeline_id: str | None = None) -> _Model:
        """Read mParticle's answer; *pipeline_id* stands in where the answer does not name the pipeline."""
        known = {f.name: answer[f.name] for f in fields(cls) if answer.get(f.name) is not None}
        known["errors"] = words(answer.get("errors"))
        return cls(**{"id": pipeline_id, **known})

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that are known, as JSON; the feed's key, a secret, is left out."""
        return {
            f.name: list(value) if isinstance(value, tuple) else value
            for f in fields(self)
            if f.name != "partner_feed_key" and (value := getattr(self, f.name)) not in (None, ())
        }


@dataclass(frozen=True)
class PipelineRun:
    """
    One run of a pipeline.

    ``state`` is mParticle's word as it came, ``progress`` what it means. The end instant is no sign of the end:
    mParticle's own examples show ended runs without one.
    """

    pipeline_id: str
    pipeline_run_id: RunId | None = None
    type: str | None = None
    state: str | None = None
    progress: Progress = Progress.UNDER_WAY
    started_on: datetime | None = None
    ended_on: datetime | None = None
    range_start: datetime | None = None
    range_end: datetime | None = None
    logical_date: datetime | None = None
    successful_records: int | None = None
    failed_records: int | None = None
    errors: tuple[str, ...] = ()

    @classmethod
    def read(
        cls,
        answer: Json,
        pipeline_id: str,
        names: Mapping[str, tuple[str, ...]] = RUN_FIELDS,
        states: Mapping[str, Progress] = RUN_STATES,
    ) -> PipelineRun:
        """Read a run of *pipeline_id* under whichever of the *names* its fields came."""
        found = {name: first(answer, aliases) for name, aliases in names.items()}
        return cls(
            pipeline_id=pipeline_id,
            pipeline_run_id=found["pipeline_run_id"],
            type=found["type"],
            state=found["state"],
            progress=progress_of(found["state"], states),
            started_on=instant(found["started_on"]),
            ended_on=instant(found["ended_on"]),
            range_start=instant(found["range_start"]),
            range_end=instant(found["range_end"]),
            logical_date=instant(found["logical_date"]),
            successful_records=count(found["successful_records"]),
            failed_records=count(found["failed_records"]),
            errors=words(found["errors"]),
        )

    @property
    def began(self) -> datetime | None:
        """The instant that orders the runs of a pipeline: the logical date, else the start."""
        return self.logical_date or self.started_on

    def is_run(self, pipeline_run_id: RunId | None) -> bool:
        """Tell whether this is the run of that id; ids compare as text, since templates turn them into text."""
        return self.pipeline_run_id is not None and str(self.pipeline_run_id) == str(pipeline_run_id)

    def as_dict(self) -> dict[str, Any]:
        """Return what a task returns for this run, as JSON; None stands where mParticle said nothing."""
        return {
            "pipeline_id": self.pipeline_id,
            "pipeline_run_id": self.pipeline_run_id,
            "state": self.state,
            "started_on": _iso(self.started_on),
            "ended_on": _iso(self.ended_on),
            "range_start": _iso(self.range_start),
            "range_end": _iso(self.range_end),
            "successful_records": self.successful_records,
            "failed_records": self.failed_records,
        }


@dataclass(frozen=True)
class PipelineStatus:
    """How a pipeline is; ``latest_pipeline_run`` is the latest by logical date, by whomever it was started."""

    pipeline_id: str
    status: str | None = None
    connection_status: str | None = None
    data_model_status: str | None = None
    errors: tuple[str, ...] = ()
    latest_pipeline_run: PipelineRun | None = None


def first(answer: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Return the first of the *names* that has a value, or None."""
    return next((answer[name] for name in names if answer.get(name) is not None), None)


def instant(value: object) -> datetime | None:
    """Read an ISO 8601 instant; one without a zone is UTC, one that nobody can read is None."""
    try:
        read = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def count(value: object) -> int | None:
    """Read a number of records, given as a number or as text."""
    try:
        return int(str(value))
    except ValueError:
        return None


def words(errors: object) -> tuple[str, ...]:
    """
    Return mParticle's own words out of an ``errors`` field, whatever shape it has.

    Met so far: ``[{"message"}]``, ``[{"code", "message"}]``, ``["text"]``, ``"text"``, null.
    """
    if isinstance(errors, Mapping):
        errors = [errors]
    if isinstance(errors, str):
        errors = [errors]
    if not isinstance(errors, Iterable):
        return ()
    return tuple(text for error in errors if (text := _message(error)))


def _message(error: object) -> str:
    if isinstance(error, Mapping):
        return str(first(error, ("message", "error_description", "error", "code")) or "")
    return str(error or "")


def _iso(value: datetime | None) -> str | None:
    return value.isoformat() if value else None
