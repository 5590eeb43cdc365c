"""A worker reads states of task instances from the API of Airflow 3, or from the database of Airflow 2."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.providers.common.compat.sdk import DAG, BaseOperator

from airflow_provider_mparticle.tasks.task_context import is_over

TOLD: dict[str, bool] = {}


class Asks(BaseOperator):
    """Asks for the states of two tasks of its DAG run, and of one that does not exist."""

    def execute(self, context):
        ti = context["ti"]
        for task_id in ("over", "asks", "later", "unknown"):
            names = {"dag_id": ti.dag_id, "run_id": ti.run_id, "map_index": -1}
            TOLD[task_id] = is_over(context, task_id=task_id, **names)


class Ends(BaseOperator):
    """Does nothing."""

    def execute(self, context):
        return None


def test_a_worker_is_told_which_tasks_are_over(run_dag):
    """A slice gives way to a task that still runs or will run, and to no other."""
    with DAG("asks_for_states", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        Ends(task_id="over") >> Asks(task_id="asks") >> Ends(task_id="later")

    dag_run = run_dag(dag)

    assert "success" == dag_run.state
    assert {"over": True, "asks": False, "unknown": True} == {name: TOLD[name] for name in ("over", "asks", "unknown")}
