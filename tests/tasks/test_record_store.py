"""The record of a start in an Airflow variable, on a real Airflow and its metadata database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, BaseOperator

from airflow_provider_mparticle.client.errors import StartAmbiguousError
from airflow_provider_mparticle.tasks import record_store
from airflow_provider_mparticle.tasks.record_store import VARIABLE_PREFIX, StateStoreRecord, VariableRecord

RECORD = {"pipeline_id": "orders", "sent_at": [1.5], "known_run_ids": ["7"]}


class Keeps(BaseOperator):
    """Saves a record in its first try, which fails, and reads it in the next one, which succeeds or skips."""

    skips = False

    def execute(self, context):
        record = VariableRecord(self, context["ti"])
        if record.load() is None:
            record.start_over()
            record.save({})
            record.save(RECORD)
            raise RuntimeError("The worker is gone.")
        LOADED.append(record.load())
        if self.skips:
            raise AirflowSkipException


class Skips(Keeps):
    """Ends in another way."""

    skips = True


LOADED: list = []


@pytest.mark.parametrize("kind", [Keeps, Skips])
def test_a_record_outlives_a_try_and_goes_with_the_end_of_the_task(run_dag, kind):
    """Airflow deletes the XComs between the two tries, and the callback of the end deletes the variable."""
    LOADED.clear()
    before = kept()
    with DAG(f"keeps_{kind.__name__}", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        kind(task_id="keeps", retries=1, retry_delay=timedelta(0))

    dag_run = run_dag(dag)

    assert "success" == dag_run.state
    assert [RECORD] == LOADED
    assert before == kept()


def test_a_record_of_a_task_that_failed_stays(run_dag):
    """Nothing tells whether the task will be cleared."""
    before = kept()
    with DAG("keeps_failed", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        Keeps(task_id="keeps", retries=0)

    run_dag(dag)

    assert 1 == len(kept() - before)


def kept():
    """Return the names of the variables with records in the database; other tests may have left some."""
    from airflow.models import Variable
    from airflow.utils.session import create_session

    with create_session() as session:
        keys = [key for (key,) in session.query(Variable.key)]
    return {key for key in keys if key.startswith(VARIABLE_PREFIX)}


class Holds:
    """A task state store that something else has written to."""

    def __init__(self, stored):
        self.stored = stored

    def get(self, _):
        return self.stored


@pytest.mark.parametrize("stored", [[], ["orders"], "orders", 5, True])
def test_a_record_that_is_not_an_object_is_named_with_its_place(stored):
    """Nothing may be started then, since nothing tells whether an earlier try has."""
    with pytest.raises(
        StartAmbiguousError, match="delete the entry 'mparticle_pipeline_run' of Airflow's task state store"
    ):
        StateStoreRecord(Holds(stored)).load()


@pytest.mark.parametrize("text", ["{", "[1]", "orders", '{"a": }', "NaN"])
def test_a_variable_that_is_not_json_is_named(monkeypatch, text):
    """A person may have edited it."""
    monkeypatch.setattr(record_store, "Variable", SimpleNamespace(get=lambda *_: text))
    ti = SimpleNamespace(dag_id="dag", run_id="run", task_id="task", map_index=-1)

    with pytest.raises(StartAmbiguousError, match=f"delete Airflow's variable '{VARIABLE_PREFIX}"):
        VariableRecord(SimpleNamespace(), ti).load()
