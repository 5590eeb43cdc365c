"""
Keeps the record of a task's start for its next try: in Airflow's task state store (3.3 and later), or in a variable.

Before 3.3 nothing else outlives a try: Airflow deletes the XComs of a task before it runs the task again
(docs/adr/0013-keep-records-in-a-variable.md).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from airflow.providers.common.compat.sdk import AirflowException, Variable

from airflow_provider_mparticle.client.errors import StartAmbiguousError
from airflow_provider_mparticle.tasks.task_context import is_in_airflow_2

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

# Under this key the task state store keeps what a task has recorded about its run.
START_RECORD_KEY = "mparticle_pipeline_run"
# Of the variables; the rest of their names is a digest, since ids of DAG runs hold characters that paths must not.
VARIABLE_PREFIX = "mparticle_start_"


class RecordStore(Protocol):
    """Keeps one JSON object from one try of a task to the next."""

    def load(self) -> Mapping[str, Any] | None:
        """
        Return what an earlier try, or this one, has saved.

        :raises StartAmbiguousError: It is not a JSON object any more.
        """

    @property
    def place(self) -> str:
        """Where the record is, for messages."""

    def save(self, record: Mapping[str, Any]) -> None:
        """Save a record in place of the last one."""

    def delete(self) -> None:
        """Delete the record."""

    def start_over(self) -> None:
        """Delete what a DAG run of the same id has left that was deleted; the first try calls this."""


@dataclass(frozen=True)
class StateStoreRecord:
    """The record in Airflow's task state store."""

    store: Any

    def load(self) -> Mapping[str, Any] | None:
        """Return what was saved."""
        return _object(self.store.get(START_RECORD_KEY), self.place)

    @property
    def place(self) -> str:
        """The key in the store."""
        return f"the entry {START_RECORD_KEY!r} of Airflow's task state store"

    def save(self, record: Mapping[str, Any]) -> None:
        """Save a record."""
        self.store.set(START_RECORD_KEY, record)

    def delete(self) -> None:
        """Delete the record."""
        self.store.delete(START_RECORD_KEY)

    def start_over(self) -> None:
        """Do nothing: Airflow deletes what its store keeps for a DAG run together with the DAG run."""


class VariableRecord:
    """
    The record in its own Airflow variable, which is deleted when Airflow knows that the task is over.

    A task that fails leaves its variable: a slice that is cleared reads it, and any other task overwrites it.
    """

    def __init__(self, operator: BaseOperator, ti: Any) -> None:
        self._ti = ti
        ids = (ti.dag_id, ti.run_id, ti.task_id, str(-1 if ti.map_index is None else ti.map_index))
        self._key = VARIABLE_PREFIX + hashlib.sha256("\0".join(ids).encode()).hexdigest()[:32]
        self._description = f"The start of an mParticle run by task {ti.task_id!r} of DAG {ti.dag_id!r}, {ti.run_id!r}."
        self._is_first_try = self._was_missing = False
        _run_after_the_end(operator, self._forget, in_place=not is_in_airflow_2(ti))

    def load(self) -> Mapping[str, Any] | None:
        """Return what was saved."""
        text = Variable.get(self._key, None)
        self._was_missing = text is None
        try:
            return _object(json.loads(text) if text else None, self.place)
        except ValueError as error:
            raise unreadable_record(self.place, error) from error

    @property
    def place(self) -> str:
        """The name of the variable."""
        return f"Airflow's variable {self._key!r}"

    def save(self, record: Mapping[str, Any]) -> None:
        """
        Save a record.

        :raises AirflowException: Airflow did not store it, or could not read it earlier. It only logs both, so the
            variable is read again.
        """
        if self._was_missing and not self._is_first_try and Variable.get(self._key, None) is not None:
            raise AirflowException(
                f"Airflow could not read the variable {self._key!r} at first, in which an earlier try of this task "
                "recorded what it started. So nothing more is sent to mParticle. The log of Airflow says why. Retry "
                "the task: it reattaches to its run."
            )
        text = json.dumps(record)
        Variable.set(self._key, text, self._description)
        if Variable.get(self._key, None) != text:
            raise AirflowException(
                f"Airflow did not store the variable {self._key!r}, in which this task records what it starts, so "
                "nothing more is sent to mParticle. The log of Airflow says why."
            )
        self._was_missing = False

    def delete(self) -> None:
        """Delete the record."""
        Variable.delete(self._key)

    def start_over(self) -> None:
        """Delete what was left."""
        self._is_first_try = True
        self.delete()

    def _forget(self, _: Context) -> None:
        if is_in_airflow_2(self._ti):  # which commits the success after this: both, or none
            from airflow.utils.task_instance_session import get_current_task_instance_session  # type: ignore[import-not-found, unused-ignore]  # Airflow 2 only

            variable: Any = Variable
            variable.delete(self._key, session=get_current_task_instance_session())
        else:
            self.delete()


def _object(record: object, place: str) -> Mapping[str, Any] | None:
    if record is None or isinstance(record, Mapping):
        return record
    raise unreadable_record(place, f"it is a {type(record).__name__}")


def unreadable_record(place: str, why: object) -> StartAmbiguousError:
    """
    Return the error for a record that something else has changed.

    :param place: Where the record is.
    :param why: What is wrong with it.
    """
    return StartAmbiguousError(
        f"What an earlier try of this task recorded about its run cannot be read: {why}. So it is not known which run "
        f"that is, or whether there is one. Nothing was sent to mParticle. Check the pipeline in mParticle, delete "
        f"{place}, then clear this task: it begins anew."
    )


def record_store(operator: BaseOperator, context: Context) -> RecordStore | None:
    """Return where the record of a task is kept; None for one that is executed outside of Airflow."""
    if (store := context.get("task_state_store")) is not None:
        return StateStoreRecord(store)
    ti: Any = context.get("ti")
    return VariableRecord(operator, ti) if ti is not None else None


def _run_after_the_end(operator: Any, callback: Any, *, in_place: bool) -> None:
    """
    Let Airflow call back when the task has succeeded or was skipped; it reads these lists after the execution.

    :param in_place: Whether to extend the lists. Airflow 3.0 reads those of the operator that this one is a copy of;
        in Airflow 2 several operators may share a list.
    """
    for name in ("on_success_callback", "on_skipped_callback"):
        given = getattr(operator, name, None) or []
        if in_place and isinstance(given, list):
            given.append(callback)
        else:
            given = [*(given if isinstance(given, list | tuple) else [given]), callback]
        setattr(operator, name, given)
