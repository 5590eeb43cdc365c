"""Reads facts about a task and its DAG run from the context, on every supported Airflow."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.slices.run_slice import RunDates
from airflow_provider_mparticle.slices.slice import read_instant
from airflow_provider_mparticle.tasks.timetable import zone_of

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

# States of a task that has not ended: it runs, waits, or will be retried.
NOT_OVER = frozenset(
    (
        *("scheduled", "queued", "running", "restarting", "deferred", "awaiting_input"),
        *("up_for_retry", "up_for_reschedule"),
    )
)


def run_dates(context: Context) -> RunDates:
    """Return the dates of the DAG run, in the time zone of its timetable."""
    dag_run = context.get("dag_run")
    return RunDates(
        conf=getattr(dag_run, "conf", None) or {},
        data_interval_start=context.get("data_interval_start"),
        data_interval_end=context.get("data_interval_end"),
        partition_date=context.get("partition_date"),
        logical_date=context.get("logical_date"),
        zone=zone_of(context.get("dag")),
    )


def window_end(context: Context) -> datetime:
    """
    Return the end of the DAG run's data interval, or its logical date if it has no interval.

    :raises ConfigError: The DAG run has neither.
    """
    dates = run_dates(context)
    if (end := dates.data_interval_end or dates.logical_date) is None:
        raise ConfigError(
            "This DAG run has neither a data interval nor a logical date, so it does not determine the instant up to "
            'which a run must have read. Pass an instant, for example "{{ dag_run.run_after }}". '
            "Nothing was sent to mParticle."
        )
    return read_instant(end, "the end of the DAG run's data interval")


def push(operator: BaseOperator, context: Context, key: str, value: Any) -> None:
    """Push an XCom, unless the DAG declares ``do_xcom_push=False`` or the task is executed outside of Airflow."""
    xcom_push = getattr(context.get("ti"), "xcom_push", None)
    if operator.do_xcom_push and xcom_push:
        xcom_push(key=key, value=value)


def clears(context: Context) -> int:
    """Return how often tasks of the DAG run have been cleared."""
    return getattr(context.get("dag_run"), "clear_number", 0) or 0


def first_start(context: Context) -> datetime:
    """Return when a rescheduled task started first, or the current time if it was not rescheduled yet."""
    return first_reschedule(context) or datetime.now(UTC)


def first_reschedule(context: Context) -> datetime | None:
    """Return when a task started that was rescheduled then, or None if it was not rescheduled yet."""
    ti = context["ti"]
    # Airflow 3 has a method for this. In Airflow 2 only the module of its own sensors knows it.
    get_first = getattr(ti, "get_first_reschedule_date", None) or partial(_first_start_in_airflow_2, ti)
    first: datetime | str | None = get_first(context)
    # On Airflow 3.0 and 3.1, dag.test() returns a text.
    return datetime.fromisoformat(first) if isinstance(first, str) else first


def is_over(context: Context, *, dag_id: str, task_id: str, run_id: str, map_index: int) -> bool:
    """Return whether a task instance has ended and will not be retried, if a worker can find that out."""
    get_task_states = getattr(context["ti"], "get_task_states", None)
    if get_task_states is None:
        state = state_in_database(context["ti"], dag_id, task_id, run_id, map_index)
        return state not in NOT_OVER
    states = get_task_states(dag_id=dag_id, task_ids=[task_id], run_ids=[run_id], map_index=map_index)
    return not any(state in NOT_OVER for tasks in states.values() for state in tasks.values())


def state_in_database(ti: Any, dag_id: str, task_id: str, run_id: str, map_index: int) -> str | None:
    """Return the state of a task instance in the metadata database, or None if a worker cannot read it."""
    if (model := _database_model(ti)) is None:
        return None
    from airflow.utils.session import create_session

    where = {"dag_id": dag_id, "task_id": task_id, "run_id": run_id, "map_index": map_index}
    with create_session() as session:
        return cast("str | None", session.query(model.state).filter_by(**where).scalar())


def is_in_airflow_2(ti: Any) -> bool:
    """Return whether Airflow 2 runs the task, whose workers use the metadata database themselves."""
    return _database_model(ti) is not None


def _database_model(ti: Any) -> Any:
    """Return the model of a task instance in Airflow 2. A worker of Airflow 3 has no access to the database."""
    model = getattr(sys.modules.get("airflow.models.taskinstance"), "TaskInstance", None)
    return model if model is not None and isinstance(ti, model) else None


def _first_start_in_airflow_2(ti: Any, _: Context) -> Any:
    from airflow.sensors import base  # type: ignore[attr-defined]  # Airflow 2 only

    return base._orig_start_date(
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=ti.map_index,
        try_number=ti.max_tries - (ti.task.retries or 0) + 1,
    )
