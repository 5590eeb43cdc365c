"""
Reads mParticle's objects into frozen values.

A field that is missing or cannot be read is None. An object that cannot be what was asked for raises
`UnexpectedAnswerError`. Fields keep their names on the wire. What is read here went through `storable.read_json`.
Source: Warehouse Sync API reference, July 2025, and its v1 of 2023.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

from airflow_provider_mparticle.client.paths import segment_flaw
from airflow_provider_mparticle.client.run_fields import RUN_FIELDS
from airflow_provider_mparticle.client.run_states import RUN_STATES, Progress, is_known, progress_of
from airflow_provider_mparticle.client.secrets import shown, without_secrets
from airflow_provider_mparticle.client.storable import Json
from airflow_provider_mparticle.client.timestamps import iso_text, parse_timestamp

RunId = int | str
_Resource = TypeVar("_Resource", bound="Resource")

# Objects that hold a list, besides the list itself: v1 of Warehouse Sync, the Platform API, neighbouring resources.
LIST_FIELDS = ("items", "data", "results")
# A run or an error may carry any number of messages of any length; the first ones say what happened.
MOST_MESSAGES = 20
LONGEST_MESSAGE = 2000
# A state word or a type that is longer than this is not one.
LONGEST_WORD = 200


class UnexpectedAnswerError(ValueError):
    """
    An answer is not what was asked for.

    :param flaw: Completes "mParticle answered with a body that ...".
    """


@dataclass(frozen=True)
class Resource:
    """A resource of Warehouse Sync: a connection, data model, field transformation or pipeline."""

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
        """
        Read mParticle's answer.

        :param resource_id: The resource that was asked for; it is taken where the answer does not name one.
        :raises UnexpectedAnswerError: It is not an object, or it is another resource.
        """
        known = {f.name: _field(str(f.type), object_in(answer).get(f.name)) for f in fields(cls)}
        known["errors"] = error_messages(answer.get("errors"))
        known["id"] = _id_in(answer, resource_id)
        return cls(**known)

    def as_dict(self) -> dict[str, Any]:
        """Return the known fields that may be shown, as JSON: no secrets, masked or not."""
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        return shown({name: value for name, value in known.items() if value not in (None, ())})


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
        """Read mParticle's answer; v1 had the SQL at the top. Parameters as in `Resource.read`."""
        if (sql := object_in(answer).get("sql_query")) is not None:
            config = answer.get("config")
            answer = {**answer, "config": {**(config if isinstance(config, Mapping) else {}), "sql_query": sql}}
        return super().read(answer, resource_id)

    @property
    def sql_query(self) -> str | None:
        """The SQL, or None if there is none that is text."""
        sql = (self.config or {}).get("sql_query")
        return sql if isinstance(sql, str) else None


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

    ``state`` is mParticle's word as it came, ``progress`` what it means. ``ended_on`` does not say whether it has
    ended: mParticle's own examples show ended runs without it. ``pipeline_run_id`` is None where mParticle did not
    give one that can be used.
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
        """
        Read a run.

        :param pipeline_id: The pipeline that it belongs to.
        :param names: The names under which each field may come.
        :param states: The meaning of each state word.
        :raises UnexpectedAnswerError: It is not an object, or it is the run of another pipeline.
        """
        run = object_in(answer)
        found = {name: first_value(run, aliases) for name, aliases in names.items()}
        # "id" is the pipeline's in v1, and may be the run's in v2.
        check_pipeline(first_value(run, (name for name in names["pipeline_id"] if name != "id")), pipeline_id)
        state = _word(found["state"])
        return cls(
            pipeline_id=pipeline_id,
            pipeline_run_id=parse_run_id(found["pipeline_run_id"]),
            type=_word(found["type"]),
            state=state,
            progress=progress_of(state, states),
            is_state_known=state is None or is_known(state, states),
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
        """The instant by which the runs of a pipeline are ordered: the logical date, else the start."""
        return self.logical_date or self.started_on

    def is_run(self, pipeline_run_id: RunId | None) -> bool:
        """Return whether this is the run of that id. Ids compare as text, since templates turn them into text."""
        return self.pipeline_run_id is not None and str(self.pipeline_run_id) == str(pipeline_run_id)

    def as_dict(self) -> dict[str, Any]:
        """Return what a task returns for this run, as JSON; what mParticle did not say is None."""
        return {
            "pipeline_id": self.pipeline_id,
            "pipeline_run_id": self.pipeline_run_id,
            "state": self.state,
            "started_on": iso_text(self.started_on),
            "ended_on": iso_text(self.ended_on),
            "range_start": iso_text(self.range_start),
            "range_end": iso_text(self.range_end),
            "successful_records": self.successful_records,
            "failed_records": self.failed_records,
        }


@dataclass(frozen=True)
class PipelineStatus:
    """The status of a pipeline; ``latest_pipeline_run`` is the latest by logical date, whether or not we started it."""

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
    One item of a list of the Platform API.

    ``details`` are all its fields as they came, without secrets, since not all of them are documented.
    """

    id: int | str
    name: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls: type[_Listed], answer: Json) -> _Listed:
        """
        Read one item of a list.

        :raises UnexpectedAnswerError: It is not an object with an id.
        """
        item_id = object_in(answer).get("id")
        if item_id is None or not _is_id(item_id):
            raise UnexpectedAnswerError("holds an item without an id")
        return cls(item_id, _word(answer.get("name")), without_secrets(answer))


@dataclass(frozen=True)
class Feed(PlatformItem):
    """A feed that receives rows; a pipeline names one as its ``partner_feed_id``."""


@dataclass(frozen=True)
class WorkspaceItem(PlatformItem):
    """A workspace of the account."""


@dataclass(frozen=True)
class Audience(PlatformItem):
    """An audience."""


def first_value(answer: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Return the first of the *names* that has a value, or None."""
    for name in names:
        if (value := answer.get(name)) is not None:
            return value
    return None


def object_in(answer: Json) -> Mapping[str, Any]:
    """
    Return an answer that has to be an object.

    :raises UnexpectedAnswerError: It is something else.
    """
    if not isinstance(answer, Mapping):
        raise UnexpectedAnswerError("is not a JSON object")
    return answer


def items_in(answer: Json) -> list[Json]:
    """
    Return the items of a list, bare or in one of the `LIST_FIELDS` of an object.

    :raises UnexpectedAnswerError: It is something else. An empty object is not an empty list.
    """
    if isinstance(answer, Mapping):
        lists = [answer[name] for name in LIST_FIELDS if isinstance(answer.get(name), list)]
        answer = lists[0] if len(lists) == 1 else None
    if not isinstance(answer, list):
        raise UnexpectedAnswerError("is not a list")
    return answer


def check_pipeline(named: object, pipeline_id: str) -> None:
    """
    Refuse an answer about another pipeline. A number may be another name of the same one.

    :param named: The pipeline that the answer names, if it does.
    :raises UnexpectedAnswerError: It is not the pipeline that was asked for.
    """
    if isinstance(named, str) and named.strip().casefold() != pipeline_id.strip().casefold():
        raise UnexpectedAnswerError(f"is about pipeline {named[:LONGEST_WORD]!r} instead")


def parse_run_id(value: object) -> RunId | None:
    """Return the id of a run, or None for anything but a whole number, or text that is one segment of a path."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:  # JSON has one kind of number
        return int(value)
    if isinstance(value, str):
        value = value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return value if isinstance(value, str) and len(value) <= LONGEST_WORD and not segment_flaw(value) else None


def parse_count(value: object) -> int | None:
    """Return a number of records, given as a number or as text, or None for anything else."""
    text = str(value).strip() if isinstance(value, int | str) else ""
    return int(text) if text.isascii() and text.isdecimal() and int(text[:20]) < 2**63 and len(text) < 20 else None


def error_messages(errors: object) -> tuple[str, ...]:
    """
    Return mParticle's own words out of an ``errors`` field, whatever shape it has.

    Known shapes: ``[{"message"}]``, ``[{"code", "message"}]``, ``["text"]``, ``"text"``, null.
    """
    listed = [errors] if isinstance(errors, Mapping | str) else errors
    if not isinstance(listed, list | tuple):
        return ()
    return tuple(text for error in listed[:MOST_MESSAGES] if (text := _message(error)))


def _message(error: object) -> str:
    if isinstance(error, Mapping):
        error = first_value(error, ("message", "error_description", "error", "code"))
    return str(error or "")[:LONGEST_MESSAGE]


def _field(declared: str, value: Any) -> Any:
    """Return a field of a resource if it has the shape that its class declares, else None."""
    if declared.startswith("Mapping"):
        return value if isinstance(value, Mapping) else None
    if declared.startswith("tuple[Mapping"):
        return value if isinstance(value, list) and all(isinstance(part, Mapping) for part in value) else None
    if isinstance(value, Mapping | list):
        return None
    return str(value) if declared.startswith("str") and value is not None else value


def _id_in(answer: Mapping[str, Any], asked_for: str | None) -> str:
    found = answer.get("id")
    if found is None and asked_for is not None:
        return asked_for
    if not _is_id(found):
        raise UnexpectedAnswerError("does not name the resource")
    if asked_for is not None and str(found).casefold() != str(asked_for).casefold():
        raise UnexpectedAnswerError(f"is about {str(found)[:LONGEST_WORD]!r} instead")
    return str(found)


def _is_id(value: object) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool) and bool(str(value).strip())


def _word(value: object) -> str | None:
    """Return a word as text, or None for what is not one."""
    return str(value)[:LONGEST_WORD] if isinstance(value, str | int | float) else None
