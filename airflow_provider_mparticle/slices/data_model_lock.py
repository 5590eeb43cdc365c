"""
Holding a data model for one slice, so that a run reads that slice's rows and no others. Pure.

All slices of a pipeline share its data model, and mParticle neither locks it nor says what a run has read. So the SQL
carries a mark of the task that wrote it. A task changes the SQL only when the one that the mark names is over, looks
at it again right before it triggers the pipeline, and once more when the run has ended: had it changed in between, the
run may have read other rows. docs/explanation/exactly-once.md tells it in prose.
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
from airflow_provider_mparticle.client.errors import DataModelChangedError, DataModelHeldError, InvalidRequestError
from airflow_provider_mparticle.client.models import DataModel, Pipeline, PipelineRun
from airflow_provider_mparticle.client.resource_kinds import DATA_MODEL, PIPELINE
from airflow_provider_mparticle.client.timestamps import parse_timestamp, whole_second
from airflow_provider_mparticle.configuration.resource_update import update_body
from airflow_provider_mparticle.runs.steps import Steps
from airflow_provider_mparticle.slices.slice import Slice
from airflow_provider_mparticle.slices.slice_sql import without_semicolon

log = logging.getLogger(__name__)

# A comment at the end of the SQL; every warehouse that mParticle reads from ignores it.
MARK = re.compile(r"/\* airflow-provider-mparticle slice: (\S+) \*/\s*$")


@dataclass(frozen=True)
class LockOwner:
    """
    The task that wrote a data model's SQL.

    :param map_index: Its place among mapped tasks; -1 for one that is not mapped.
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
    """A step that asks Airflow: may this task still need what it wrote?"""

    owner: LockOwner


def marked(sql: str, owner: LockOwner, window: Slice, clear_number: int = 0) -> str:
    """Return *sql* with the mark of the task that writes it; a ``;`` at its end goes, mParticle wraps the query."""
    query = without_semicolon(sql)
    facts = {"start": window.start.isoformat(), "end": window.end.isoformat(), **asdict(owner), "sum": _sum(query)}
    if clear_number:  # the SQL is written anew after a clear, so that a run from before it does not pass for a new one
        facts["clear"] = str(clear_number)
    mark = "&".join(f"{name}={_escaped(str(fact))}" for name, fact in facts.items())
    return f"{query}\n/* airflow-provider-mparticle slice: {mark} */"


def owner_of(sql: str | None) -> LockOwner | None:
    """Return the task whose mark *sql* carries, or None for SQL without a mark."""
    facts = _facts(sql)
    try:
        return LockOwner(facts["dag_id"], facts["task_id"], facts["run_id"], int(facts["map_index"]))
    except (KeyError, ValueError):
        return None


def is_as_written(sql: str) -> bool:
    """Tell whether the query in front of a mark is the one that was written with it."""
    return _facts(sql).get("sum") == _sum(MARK.sub("", sql))


@dataclass
class DataModelLock:
    """
    One task's claim to a data model, for one slice.

    :param query: Returns what the data model has to hold, without a mark. Called only when it is needed.
    :param clear_number: How often something in the DAG run has been cleared.
    """

    pipeline_id: str
    data_model_id: str
    query: Callable[[], str]
    owner: LockOwner
    window: Slice
    clear_number: int = 0
    _seen: DataModel | None = field(default=None, init=False)

    @property
    def sql(self) -> str:
        """What the data model has to hold, with the mark of the holder."""
        return marked(self.query(), self.owner, self.window, self.clear_number)

    @property
    def slice_id(self) -> str:
        """Identifies the slice: an ISO 8601 interval."""
        return self.window.isoformat()

    def check_available(self) -> Steps[DataModel]:
        """
        Look whether the data model may be taken, and return it as it is.

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
                "which slice it holds. Nothing was changed or started.",
                pipeline_id=self.pipeline_id,
            )
        if self._other and (yield IsActive(self._other)):
            raise DataModelHeldError(
                f"Data model {self.data_model_id!r} holds the slice of {self._other}, which has not ended. Slices of "
                "one pipeline must not overlap, so this task changes nothing and waits for its turn.",
                pipeline_id=self.pipeline_id,
            )
        return have

    def acquire(self) -> Steps[None]:
        """Write the SQL of this slice, unless it is there already; `check` looks whether it has arrived."""
        have = self._seen or (yield from self.check_available())
        if self._is_held:
            log.info("Data model %r holds the SQL of slice %s already.", self.data_model_id, self.window)
            return
        body = update_body(DATA_MODEL, have, {"config": {"sql_query": self.sql}})
        yield endpoints.update_resource(DATA_MODEL, self.data_model_id, body)
        log.info("Data model %r now holds the SQL of slice %s.", self.data_model_id, self.window)

    def verify(self) -> Steps[None]:
        """
        Look whether the data model holds the SQL of this slice, right before a run is started.

        :raises DataModelHeldError: It does not: it was written to meanwhile.
        """
        if not (yield from self.is_held()):
            raise DataModelHeldError(
                f"Data model {self.data_model_id!r} holds other SQL than slice {self.window} has just written. Nothing "
                "was started. If nobody else writes to it, mParticle does not keep SQL as it is sent: compare there.",
                pipeline_id=self.pipeline_id,
            )

    def verify_run(self, run: Mapping[str, Any]) -> Steps[None]:
        """
        Look whether the data model has held the SQL of this slice up to the end of a run.

        :param run: What a task returns for its run.
        :raises DataModelChangedError: It has not, as far as one can see, so nobody knows which rows the run has read.
        """
        if (yield from self.is_still_held()) or self._was_replaced_after(parse_timestamp(run["ended_on"])):
            return
        raise self._changed(run["pipeline_run_id"])

    def is_held(self) -> Steps[bool]:
        """Look whether the data model holds the SQL of this slice."""
        yield from self._read_data_model()
        return self._is_held

    def is_still_held(self) -> Steps[bool]:
        """Look whether the data model holds what this task has written, even if its SQL would be another by now."""
        yield from self._read_data_model()
        return self._is_still_held

    def reads(self, run: PipelineRun) -> bool:
        """Return whether a run can only have read this slice: its SQL was written before, since the last clear."""
        is_current = _facts(self._sql).get("clear", "0") == str(self.clear_number)
        began = run.started_on or run.logical_date
        return bool(self._is_still_held and is_current and self._written and began and self._stood_at(began))

    def may_have_read(self, run: PipelineRun) -> bool:
        """Return False only for a run that began before this slice's SQL was written, while that SQL still stands."""
        if not self._is_still_held or self._written is None or run.started_on is None:
            return True
        return self._stood_at(run.started_on)

    def _stood_at(self, at: datetime) -> bool:
        """
        Return whether the SQL had been written before an instant; mParticle may round either down to whole seconds.

        A run that began in the very instant of the write may have read the SQL before it. A run of this task begins
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
        """When the data model was changed last, as far as mParticle tells it."""
        return parse_timestamp(self._seen.last_modified_on) if self._seen else None

    @property
    def _other(self) -> LockOwner | None:
        """The task whose slice the data model holds instead of this one's."""
        owner = owner_of(self._sql)
        return None if owner == self.owner else owner

    @property
    def _is_still_held(self) -> bool:
        return owner_of(self._sql) == self.owner and is_as_written(self._sql)

    @property
    def _is_held(self) -> bool:
        return self._sql.split() == self.sql.split()  # how mParticle keeps white space is not documented

    def _was_replaced_after(self, ended: datetime | None) -> bool:
        """Tell whether another slice has taken the data model, and has done so after the run's end."""
        written = self._written
        return bool(self._other and ended and written and whole_second(written) > whole_second(ended))

    def _changed(self, run_id: Any) -> DataModelChangedError:
        by = f"It now holds the slice of {self._other}" if self._other else "It was changed outside of Airflow"
        return DataModelChangedError(
            f"Run {run_id} of pipeline {self.pipeline_id!r} was started for slice {self.window}, but data model "
            f"{self.data_model_id!r} no longer holds the SQL of that slice, so which rows the run has read cannot be "
            f"told. {by}. See to it that nobody else writes to it, and compare what was ingested with the warehouse; "
            "clearing this task syncs the slice again.",
            pipeline_id=self.pipeline_id,
            pipeline_run_id=run_id,
        )


def unfit(pipeline: Pipeline, data_model_id: str) -> str | None:
    """Say why slices cannot be synced through this pipeline, or None where they can."""
    mode, schedule = (pipeline.sync_mode or {}).get("type"), (pipeline.schedule or {}).get("type")
    what = f"Pipeline {pipeline.id!r}"
    if mode not in (None, "full"):
        return f"{what} syncs in mode {mode!r}; slices need one whose sync_mode.type is 'full'."
    if schedule not in (None, "on_demand"):
        return f"{what} has a schedule of type {schedule!r}; slices need one of type 'on_demand'."
    if pipeline.data_model_id not in (None, data_model_id):
        return f"{what} reads data model {pipeline.data_model_id!r}, not {data_model_id!r}."
    return None


# Nothing in a mark may have a meaning where the SQL passes through: no quote, no colon, no percent sign, no "*/".


def _facts(sql: str | None) -> dict[str, str]:
    mark = MARK.search(sql or "")
    pairs = (pair.partition("=") for pair in mark[1].split("&")) if mark else ()
    return {name: _unescaped(fact) for name, _, fact in pairs}


def _sum(query: str) -> str:
    """Return a digest of a query, for which white space does not count."""
    return hashlib.sha256(" ".join(query.split()).encode()).hexdigest()[:16]


def _escaped(text: str) -> str:
    return quote(text, safe="").replace("~", "%7E").replace("%", "~")


def _unescaped(text: str) -> str:
    return unquote(text.replace("~", "%"))
