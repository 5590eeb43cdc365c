"""
What mParticle's objects look like to us: frozen values, read leniently.

A field that mParticle leaves out, or spells in a way nobody can read, is None; reading never raises for it.
Fields keep their names on the wire. Source: Warehouse Sync API reference, July 2025, and its v1 of 2023.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, TypeVar

from airflow_provider_mparticle.client.run_fields import RUN_FIELDS
from airflow_provider_mparticle.client.run_states import RUN_STATES, Progress, is_known, progress_of

# What JSON decodes to.
Json = Any
RunId = int | str
_Resource = TypeVar("_Resource", bound="Resource")

# What a field of that name holds is never shown; mParticle leaves it out of its answers, or masks it.
SECRET_NAME = re.compile(r"password|secret|_key$|token", re.IGNORECASE)


@dataclass(frozen=True)
class Resource:
    """One of the four things that Warehouse Sync is configured with."""

    id: str
    name: str | None = None
    state: str | None = None
    status: str | None = None
    errors: tuple[str, ...] = ()
    created_on: str | None = None
    created_by: str | None = None
    last_modified_on: str | None = None
    last_modified_by: str | None = None

    @classmethod
    def read(cls: type[_Resource], answer: Json, resource_id: str | None = None) -> _Resource:
        """Read mParticle's answer; *resource_id* stands in where the answer does not name the resource."""
        known = {f.name: answer[f.name] for f in fields(cls) if answer.get(f.name) is not None}
        known["errors"] = error_messages(answer.get("errors"))
        return cls(**{"id": resource_id, **known})

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that are known, as JSON; secrets, masked or not, are left out."""
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        shown: dict[str, Any] = without_secrets(
            {name: value for name, value in known.items() if value not in (None, ())}
        )
        return shown


@dataclass(frozen=True)
class WarehouseConnection(Resource):
    """mParticle's connection to a warehouse; ``config`` depends on the provider and may hold secrets."""

    service_provider: str | None = None
    config: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class DataModel(Resource):
    """The SQL whose rows go to mParticle, in ``config["sql_query"]``."""

    type: str | None = None
    config: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, answer: Json, resource_id: str | None = None) -> DataModel:
        """Read mParticle's answer; v1 had the SQL at the top."""
        if answer.get("sql_query") is not None:
            answer = {**answer, "config": {**(answer.get("config") or {}), "sql_query": answer["sql_query"]}}
        return super().read(answer, resource_id)

    @property
    def sql_query(self) -> str | None:
        """The SQL."""
        return (self.config or {}).get("sql_query")


@dataclass(frozen=True)
class FieldTransformation(Resource):
    """Which column becomes which field: a list of mappings."""

    destination_type: str | None = None
    mappings: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True)
class Pipeline(Resource):
    """Which data goes to mParticle, how and when."""

    connection_id: str | None = None
    data_model_id: str | None = None
    field_transformation_id: str | None = None
    partner_feed_id: int | str | None = None
    partner_feed_key: str | None = field(default=None, repr=False)
    sync_mode: Mapping[str, Any] | None = None
    schedule: Mapping[str, Any] | None = None
    environment: str | None = None
    data_plan_id: str | None = None
    data_plan_version: int | None = None


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
    is_state_known: bool = True
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
        found = {name: first_value(answer, aliases) for name, aliases in names.items()}
        return cls(
            pipeline_id=pipeline_id,
            pipeline_run_id=found["pipeline_run_id"],
            type=found["type"],
            state=found["state"],
            progress=progress_of(found["state"], states),
            is_state_known=found["state"] is None or is_known(found["state"], states),
            started_on=parse_timestamp(found["started_on"]),
            ended_on=parse_timestamp(found["ended_on"]),
            range_start=parse_timestamp(found["range_start"]),
            range_end=parse_timestamp(found["range_end"]),
            logical_date=parse_timestamp(found["logical_date"]),
            successful_records=parse_count(found["successful_records"]),
            failed_records=parse_count(found["failed_records"]),
            errors=error_messages(found["errors"]),
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


_Listed = TypeVar("_Listed", bound="PlatformItem")


@dataclass(frozen=True)
class PlatformItem:
    """
    Something that the Platform API lists.

    ``details`` are all its fields as they came, without secrets: which there are is not documented throughout.
    """

    id: int | str
    name: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls: type[_Listed], answer: Json) -> _Listed:
        """Read one item of a list."""
        return cls(answer["id"], answer.get("name"), without_secrets(answer))


@dataclass(frozen=True)
class Feed(PlatformItem):
    """A feed that rows can arrive in; a pipeline's ``partner_feed_id`` names one."""


@dataclass(frozen=True)
class WorkspaceItem(PlatformItem):
    """A workspace of the account."""


@dataclass(frozen=True)
class Audience(PlatformItem):
    """An audience."""


def without_secrets(value: Any) -> Any:
    """Return *value* as JSON, without the fields whose name says that they hold a secret."""
    if isinstance(value, Mapping):
        return {name: without_secrets(part) for name, part in value.items() if not SECRET_NAME.search(str(name))}
    if isinstance(value, list | tuple):
        return [without_secrets(part) for part in value]
    return value


def first_value(answer: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Return the first of the *names* that has a value, or None."""
    for name in names:
        if (value := answer.get(name)) is not None:
            return value
    return None


def parse_timestamp(value: object) -> datetime | None:
    """Read an ISO 8601 instant; one without a zone is UTC, one that nobody can read is None."""
    if value is None:  # as in most answers, and raising takes its time
        return None
    try:
        read = datetime.fromisoformat(str(value).strip())
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):  # overflow: 0001-01-01T00:00:00+01:00 has no UTC
        return None


def whole_second(at: datetime) -> datetime:
    """Return an instant as mParticle may tell it, without fractions, so that the two compare."""
    return at.replace(microsecond=0)


def parse_count(value: object) -> int | None:
    """Read a number of records, given as a number or as text."""
    try:
        return int(str(value))
    except ValueError:
        return None


def error_messages(errors: object) -> tuple[str, ...]:
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
        return str(first_value(error, ("message", "error_description", "error", "code")) or "")
    return str(error or "")


def _iso(value: datetime | None) -> str | None:
    return value.isoformat() if value else None
