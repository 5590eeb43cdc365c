"""
Locks a data model for one slice, so that a run reads the rows of that slice and no others.

All slices of a pipeline share its data model. mParticle does not lock it, and does not say what a run has read. So the
SQL itself has a mark of the task that wrote it. A task replaces the SQL only if the task of the mark has ended. It
checks the SQL again right before it triggers the pipeline, and once more after the run has ended: if the SQL has
changed in between, the run may have read other rows. docs/explanation/exactly-once.md explains the whole.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.answer_fields import parse_instant, same_id
from airflow_provider_mparticle.client.errors import DataModelChangedError, DataModelHeldError, InvalidRequestError
from airflow_provider_mparticle.client.models import DataModel, Pipeline, PipelineRun
from airflow_provider_mparticle.client.resource_kinds import DATA_MODEL, PIPELINE
from airflow_provider_mparticle.client.timestamps import parse_timestamp, whole_second
from airflow_provider_mparticle.configuration.resource_diff import same_word
from airflow_provider_mparticle.configuration.resource_update import update_body
from airflow_provider_mparticle.runs.steps import Steps
from airflow_provider_mparticle.slices.slice import Slice
from airflow_provider_mparticle.slices.slice_sql import without_semicolon

log = logging.getLogger(__name__)

# A comment at the end of the SQL, which every warehouse of mParticle ignores.
MARK = re.compile(r"/\* airflow-provider-mparticle slice: (\S+) \*/\s*$")


@dataclass(frozen=True)
class LockOwner:
    """
    The task that wrote the SQL of a data model.

    :param map_index: Its index among mapped tasks, or -1 for a task that is not mapped.
    """

    dag_id: str
    task_id: str
    run_id: str
    map_index: int = -1

    def __str__(self) -> str:
        mapped = f" (map index {self.map_index})" if self.map_index >= 0 else ""
        return f"task {self.task_id!r}{mapped} of DAG {self.dag_id!r}, run {self.run_id!r}"


@dataclass(frozen=True)
class IsActive:
    """A step: ask Airflow whether a task may still need the SQL that it wrote."""

    owner: LockOwner


def marked(sql: str, owner: LockOwner, slice_: Slice, clear_number: int = 0) -> str:
    """
    Return *sql* with a mark, and without a ``;`` at its end, since mParticle wraps the query.

    :param owner: The task that writes the SQL.
    :param slice_: The slice that the SQL reads.
    :param clear_number: How often a user has cleared tasks of the DAG run.
    """
    query = without_semicolon(sql)
    facts = {"start": slice_.start.isoformat(), "end": slice_.end.isoformat(), **asdict(owner), "sum": _sum(query)}
    if clear_number:  # after a clear the SQL is written again, so that an earlier run is not taken for a new one
        facts["clear"] = str(clear_number)
    mark = "&".join(f"{name}={_escaped(str(fact))}" for name, fact in facts.items())
    return f"{query}\n/* airflow-provider-mparticle slice: {mark} */"


def owner_of(sql: str | None) -> LockOwner | None:
    """Return the task in the mark of *sql*, or None for SQL without a mark."""
    facts = _facts(sql)
    try:
        return LockOwner(facts["dag_id"], facts["task_id"], facts["run_id"], int(facts["map_index"]))
    except (KeyError, ValueError):
        return None


def is_as_written(sql: str) -> bool:
    """Return whether the query before a mark is still the query that was written with it."""
    return _facts(sql).get("sum") == _sum(MARK.sub("", sql))


@dataclass
class DataModelLock:
    """
    The lock of one task on a data model, for one slice.

    :param query: Returns the SQL of the slice, without a mark. Called only when it is needed.
    :param owner: The task that needs the lock.
    :param slice: The slice.
    :param clear_number: How often a user has cleared tasks of the DAG run.
    """

    pipeline_id: str
    data_model_id: str
    query: Callable[[], str]
    owner: LockOwner
    slice: Slice
    clear_number: int = 0
    _seen: DataModel | None = field(default=None, init=False)

    @property
    def sql(self) -> str:
        """The SQL that the data model must have, with the mark of this task."""
        return marked(self.query(), self.owner, self.slice, self.clear_number)

    @property
    def slice_id(self) -> str:
        """The slice, as an ISO 8601 interval."""
        return self.slice.isoformat()

    def check_available(self) -> Steps[DataModel]:
        """
        Check that this task may take the lock, and return the data model as it is.

        :raises InvalidRequestError: The pipeline is not full, not on demand, or reads another data model; or mParticle
            does not show the data model's SQL.
        :raises DataModelHeldError: Another task has written the SQL and may still need it.
        """
        pipeline: Pipeline = yield endpoints.get_resource(PIPELINE, self.pipeline_id)
        if reason := unfit(pipeline, self.data_model_id):
            raise InvalidRequestError(f"{reason} Nothing was changed or started.", pipeline_id=self.pipeline_id)
        have = yield from self._read_data_model()
        if have.sql_query is None:
            raise InvalidRequestError(
                f"mParticle shows no SQL of data model {self.data_model_id!r} (config.sql_query), so it is not known "
                "which slice it has. Nothing was changed or started.",
                pipeline_id=self.pipeline_id,
            )
        if self._other and (yield IsActive(self._other)):
            raise DataModelHeldError(
                f"Data model {self.data_model_id!r} has the slice of {self._other}, which has not ended. Only one "
                "slice of a pipeline can be synced at a time, so this task changes nothing and waits for its turn.",
                pipeline_id=self.pipeline_id,
            )
        return have

    def acquire(self) -> Steps[None]:
        """Write the SQL of this slice, unless the data model already has it. `verify` checks that it has arrived."""
        have = self._seen or (yield from self.check_available())
        if self._is_held:
            log.info("Data model %r already has the SQL of slice %s.", self.data_model_id, self.slice)
            return
        body = update_body(DATA_MODEL, have, {"config": {"sql_query": self.sql}})
        yield endpoints.update_resource(DATA_MODEL, self.data_model_id, body)
        log.info("Data model %r now has the SQL of slice %s.", self.data_model_id, self.slice)

    def verify(self) -> Steps[None]:
        """
        Check that the data model has the SQL of this slice, right before a run is started.

        :raises DataModelHeldError: It has other SQL, which was written meanwhile.
        """
        yield from self._read_data_model()
        if not self._is_held:
            raise DataModelHeldError(
                f"Data model {self.data_model_id!r} does not have the SQL that was just written for slice "
                f"{self.slice}. Nothing was started. Check whether anything else writes to the data model. If nothing "
                "does, mParticle has changed the SQL when it stored it: compare the two.",
                pipeline_id=self.pipeline_id,
            )

    def verify_run(self, run: Mapping[str, Any]) -> Steps[None]:
        """
        Check that the data model had the SQL of this slice until a run ended.

        :param run: What a task returns for its run, see :meth:`PipelineRun.as_dict`.
        :raises DataModelChangedError: The SQL has changed, and it may have changed before the run ended, so it is not
            known which rows the run has read.
        """
        if (yield from self.is_still_held()) or self._was_replaced_after(parse_timestamp(run["ended_on"])):
            return
        raise self._changed(run["pipeline_run_id"])

    def is_still_held(self) -> Steps[bool]:
        """Read the data model, and return whether it has what this task wrote, even if it would write other SQL now."""
        yield from self._read_data_model()
        return self._is_still_held

    def may_have_read(self, run: PipelineRun) -> bool:
        """Return False only for a run that certainly began before the SQL of this slice was written."""
        if not self._is_still_held or self._written is None or run.started_on is None:
            return True
        return self._was_written_before(run.started_on)

    def _was_written_before(self, at: datetime) -> bool:
        """
        Return whether the SQL was written before an instant. mParticle may round either down to whole seconds.

        A run that began at exactly the instant of the write may have read the SQL before it. A run of this task begins
        later, since the task checks the SQL in between.
        """
        if (written := self._written) is None:
            return False
        return at > written if at.microsecond else at >= whole_second(written)

    def _read_data_model(self) -> Steps[DataModel]:
        have: DataModel = yield endpoints.get_resource(DATA_MODEL, self.data_model_id)
        self._seen = have
        return have

    @property
    def _sql(self) -> str:
        return (self._seen.sql_query if self._seen else None) or ""

    @property
    def _written(self) -> datetime | None:
        """When the data model was last changed, or None if mParticle does not say it."""
        return parse_instant(self._seen.last_modified_on) if self._seen else None

    @property
    def _other(self) -> LockOwner | None:
        """The other task whose mark the data model has, or None."""
        owner = owner_of(self._sql)
        return None if owner == self.owner else owner

    @property
    def _is_still_held(self) -> bool:
        return owner_of(self._sql) == self.owner and is_as_written(self._sql)

    @property
    def _is_held(self) -> bool:
        return self._sql.split() == self.sql.split()  # mParticle may change white space when it stores the SQL

    def _was_replaced_after(self, ended: datetime | None) -> bool:
        """Return whether another slice has taken the data model, but only after the run had ended."""
        written = self._written
        return bool(self._other and ended and written and whole_second(written) > whole_second(ended))

    def _changed(self, run_id: Any) -> DataModelChangedError:
        by = f"It now has the slice of {self._other}" if self._other else "It was changed outside of Airflow"
        return DataModelChangedError(
            f"Run {run_id} of pipeline {self.pipeline_id!r} was started for slice {self.slice}, but data model "
            f"{self.data_model_id!r} no longer has the SQL of that slice, so it is not known which rows the run has "
            f"read. {by}. Make sure that nothing else writes to it, and compare the ingested rows with the warehouse. "
            "Clearing this task syncs the slice again.",
            pipeline_id=self.pipeline_id,
            pipeline_run_id=run_id,
        )


def unfit(pipeline: Pipeline, data_model_id: str) -> str | None:
    """Return why slices cannot be synced with this pipeline, or None if they can."""
    mode, schedule = (pipeline.sync_mode or {}).get("type"), (pipeline.schedule or {}).get("type")
    what = f"Pipeline {pipeline.id!r}"
    if mode is not None and not same_word(mode, "full"):
        return f"{what} has a sync_mode of type {mode!r}; slices need a pipeline of type 'full'."
    if schedule is not None and not same_word(schedule, "on_demand"):
        return f"{what} has a schedule of type {schedule!r}; slices need a pipeline of type 'on_demand'."
    if pipeline.data_model_id is not None and not same_id(pipeline.data_model_id, data_model_id):
        return f"{what} reads data model {pipeline.data_model_id!r}, not {data_model_id!r}."
    return None


# A mark must not have a character that has a meaning for SQL or its drivers: quote, colon, percent sign, "*/".


def _facts(sql: str | None) -> dict[str, str]:
    mark = MARK.search(sql or "")
    pairs = (pair.partition("=") for pair in mark[1].split("&")) if mark else ()
    return {name: _unescaped(fact) for name, _, fact in pairs}


def _sum(query: str) -> str:
    """Return a digest of a query, without regard to white space."""
    return hashlib.sha256(" ".join(query.split()).encode()).hexdigest()[:16]


def _escaped(text: str) -> str:
    return quote(text, safe="").replace("~", "%7E").replace("%", "~")


def _unescaped(text: str) -> str:
    return unquote(text.replace("~", "%"))
