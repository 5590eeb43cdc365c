"""
Reads the objects in mParticle's answers into frozen values.

A field that is missing or cannot be read is None. An object that cannot be what was asked for raises
`UnexpectedAnswerError`. Fields keep mParticle's names. Answers come from `storable.read_json`.
Source: Warehouse Sync API reference, July 2025, and its v1 of 2023.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Self

from airflow_provider_mparticle.client.answer_fields import (
    LONGEST_WORD,
    UnexpectedAnswerError,
    check_pipeline,
    first_value,
    is_id,
    object_in,
    parse_count,
    parse_instant,
    parse_run_id,
    readable_messages,
    word,
)
from airflow_provider_mparticle.client.run_fields import RUN_FIELDS
from airflow_provider_mparticle.client.run_states import RUN_STATES, Progress, is_known, progress_of
from airflow_provider_mparticle.client.secrets import without_hidden, without_secrets
from airflow_provider_mparticle.client.storable import Json
from airflow_provider_mparticle.client.timestamps import iso_text

RunId = int | str


@dataclass(frozen=True)
class Resource:
    """
    A resource of Warehouse Sync: a connection, data model, field transformation or pipeline.

    :param id: Its slug.
    :param name: Its name in mParticle's web app.
    :param state: What its owner has set, for example ``"active"`` or ``"paused"``.
    :param status: Its health, for example ``"healthy"``.
    :param errors: Its problems, in mParticle's own words.
    :param created_on: When it was created, as mParticle writes it.
    :param created_by: Who created it.
    :param last_modified_on: When it was changed last, as mParticle writes it.
    :param last_modified_by: Who changed it last.
    """

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
    def read(cls, answer: Json, resource_id: str | None = None) -> Self:
        """
        Read a resource from mParticle's answer.

        :param resource_id: Id of the resource that was asked for, which is used if the answer has no id.
        :raises UnexpectedAnswerError: The answer is not an object, or it is about another resource.
        """
        known = {f.name: _field(str(f.type), object_in(answer).get(f.name)) for f in fields(cls)}
        known["errors"] = readable_messages(answer.get("errors"))
        known["id"] = _id_in(answer, resource_id)
        return cls(**known)

    def as_dict(self) -> dict[str, Any]:
        """Return the known fields that may be shown, as JSON. Secrets are left out, not masked."""
        known = {f.name: getattr(self, f.name) for f in fields(self)}
        return without_hidden({name: value for name, value in known.items() if value not in (None, ())})


@dataclass(frozen=True)
class WarehouseConnection(Resource):
    """
    mParticle's connection to a warehouse.

    :param service_provider: The kind of warehouse, for example ``"Snowflake"``.
    :param config: How mParticle reaches it. The fields depend on the provider, and may have secrets.
    """

    service_provider: str | None = None
    config: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class DataModel(Resource):
    """
    The SQL whose rows go to mParticle.

    :param type: ``"sql"``.
    :param config: Has the SQL in ``config["sql_query"]``.
    """

    type: str | None = None
    config: Mapping[str, Any] | None = None

    @classmethod
    def read(cls, answer: Json, resource_id: str | None = None) -> Self:
        """Read a data model; in v1 the SQL is at the top level. Parameters as in `Resource.read`."""
        if (sql := object_in(answer).get("sql_query")) is not None:
            config = answer.get("config")
            answer = {**answer, "config": {**(config if isinstance(config, Mapping) else {}), "sql_query": sql}}
        return super().read(answer, resource_id)

    @property
    def sql_query(self) -> str | None:
        """The SQL, or None if mParticle gives none as text."""
        sql = (self.config or {}).get("sql_query")
        return sql if isinstance(sql, str) else None


@dataclass(frozen=True)
class FieldTransformation(Resource):
    """
    Which column becomes which field.

    :param destination_type: What the rows become, for example ``"event_batch"``.
    :param mappings: One mapping for each column or static value.
    """

    destination_type: str | None = None
    mappings: tuple[Mapping[str, Any], ...] | None = None


@dataclass(frozen=True)
class Pipeline(Resource):
    """
    Which data goes to mParticle, how and when.

    :param connection_id: Slug of the connection to the warehouse.
    :param data_model_id: Slug of the data model.
    :param field_transformation_id: Slug of the field transformation.
    :param partner_feed_id: Id of the feed that receives the rows.
    :param partner_feed_key: Key of the feed, masked by mParticle.
    :param sync_mode: Full or incremental, and the range.
    :param schedule: When mParticle runs it.
    :param environment: ``"development"`` or ``"production"``.
    :param data_plan_id: Id of the data plan.
    :param data_plan_version: Version of the data plan.
    """

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

    ``state`` is mParticle's own word, and ``progress`` its meaning. ``ended_on`` does not say whether the run has
    ended: mParticle's own examples show ended runs without it. ``pipeline_run_id`` is None if mParticle gives no usable
    id.

    :param pipeline_id: Slug of the pipeline.
    :param pipeline_run_id: Id of the run.
    :param type: How it was started, in mParticle's own word, for example ``"manual"`` or ``"scheduled"``.
    :param state: How far it is, in mParticle's own word, for example ``"success"``.
    :param progress: The meaning of the state: in progress, succeeded or failed.
    :param is_state_known: Whether this provider knows the word. An unknown one means in progress.
    :param started_on: When it started.
    :param ended_on: When it ended.
    :param range_start: First instant of the rows that it reads.
    :param range_end: Last instant of the rows that it reads.
    :param logical_date: The instant by which mParticle orders the runs of a pipeline.
    :param successful_records: How many records it has ingested.
    :param failed_records: How many records mParticle has rejected.
    :param errors: Why it failed, in mParticle's own words.
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

        :param pipeline_id: Id of the pipeline of the run.
        :param names: The names that each field may have.
        :param states: The meaning of each state.
        :raises UnexpectedAnswerError: The answer is not an object, or it is a run of another pipeline.
        """
        run = object_in(answer)
        found = {name: first_value(run, aliases) for name, aliases in names.items()}
        # "id" is the id of the pipeline in v1, and may be the id of the run in v2.
        check_pipeline(first_value(run, (name for name in names["pipeline_id"] if name != "id")), pipeline_id)
        state = word(found["state"])
        return cls(
            pipeline_id=pipeline_id,
            pipeline_run_id=parse_run_id(found["pipeline_run_id"]),
            type=word(found["type"]),
            state=state,
            progress=progress_of(state, states),
            is_state_known=state is None or is_known(state, states),
            started_on=parse_instant(found["started_on"]),
            ended_on=parse_instant(found["ended_on"]),
            range_start=parse_instant(found["range_start"]),
            range_end=parse_instant(found["range_end"]),
            logical_date=parse_instant(found["logical_date"]),
            successful_records=parse_count(found["successful_records"]),
            failed_records=parse_count(found["failed_records"]),
            errors=readable_messages(found["errors"]),
        )

    @property
    def began(self) -> datetime | None:
        """The instant by which the runs of a pipeline are ordered: the logical date, or else the start."""
        return self.logical_date or self.started_on

    def is_run(self, pipeline_run_id: RunId | None) -> bool:
        """Return whether this run has that id. Ids are compared as text, since templates turn them into text."""
        return self.pipeline_run_id is not None and str(self.pipeline_run_id) == str(pipeline_run_id)

    def as_dict(self) -> dict[str, Any]:
        """Return what a task returns for this run, as JSON. What mParticle did not give is None."""
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
    """
    The status of a pipeline.

    :param pipeline_id: Slug of the pipeline.
    :param status: Its health, in mParticle's own word.
    :param connection_status: The health of its connection.
    :param data_model_status: The health of its data model.
    :param errors: Its problems, in mParticle's own words.
    :param latest_pipeline_run: Its latest run by logical date, also one of others.
    """

    pipeline_id: str
    status: str | None = None
    connection_status: str | None = None
    data_model_status: str | None = None
    errors: tuple[str, ...] = ()
    latest_pipeline_run: PipelineRun | None = None


@dataclass(frozen=True)
class PlatformItem:
    """
    One item of a list of the Platform API.

    :param id: Its id.
    :param name: Its name.
    :param details: All its fields without secrets, since not all of them are documented.
    """

    id: int | str
    name: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, answer: Json) -> Self:
        """
        Read one item of a list.

        :raises UnexpectedAnswerError: The item is not an object with an id.
        """
        item_id = object_in(answer).get("id")
        if not is_id(item_id):
            raise UnexpectedAnswerError("holds an item without an id")
        return cls(item_id, word(answer.get("name")), without_secrets(answer))


@dataclass(frozen=True)
class Feed(PlatformItem):
    """A feed that receives rows; a pipeline names one as its ``partner_feed_id``."""


@dataclass(frozen=True)
class WorkspaceItem(PlatformItem):
    """A workspace of the account."""


@dataclass(frozen=True)
class Audience(PlatformItem):
    """An audience."""


def _field(declared: str, value: Any) -> Any:
    """Return a field of a resource, or None if it does not have the shape that its class declares."""
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
    if not is_id(found):
        raise UnexpectedAnswerError("does not name the resource")
    if asked_for is not None and str(found).casefold() != str(asked_for).casefold():
        raise UnexpectedAnswerError(f"is about {str(found)[:LONGEST_WORD]!r} instead")
    return str(found)
