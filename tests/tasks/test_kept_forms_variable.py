"""The facts about kept forms are stored in an Airflow variable, so that other processes know them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from airflow.models import Variable
from airflow.providers.common.compat.sdk import DAG
from configuration.strange_servers import StrangeSimulator

from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.client.models import Pipeline
from airflow_provider_mparticle.client.resource_kinds import PIPELINE
from airflow_provider_mparticle.configuration import kept_forms
from airflow_provider_mparticle.configuration.kept_forms import KeptForms
from airflow_provider_mparticle.configuration.resource_diff import Difference
from airflow_provider_mparticle.operators import MParticleApplyOperator
from airflow_provider_mparticle.tasks import kept_forms_variable
from airflow_provider_mparticle.tasks.kept_forms_variable import VARIABLE, remembered_forms

CUT = Difference("name", "Orders, ho", "Orders, hourly")


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start as a process that has learned nothing."""
    forget(monkeypatch)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate another process."""
    known = KeptForms()
    monkeypatch.setattr(kept_forms, "KNOWN", known)
    monkeypatch.setattr(kept_forms_variable, "KNOWN", known)


def test_a_fact_is_known_to_the_next_process(airflow_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each task is a separate process."""
    with remembered_forms() as kept:
        assert [CUT] == kept.changes(PIPELINE, [CUT])
        assert [*kept.learn(PIPELINE, [CUT], None, Pipeline("orders", name="Orders, ho"))]
    forget(monkeypatch)

    with remembered_forms() as kept:
        assert [] == kept.changes(PIPELINE, [CUT])

    stored = Variable.get(VARIABLE)
    assert 1 == len(json.loads(stored))
    assert "Orders" not in stored


def test_a_database_that_cannot_be_reached_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value is written once more."""

    def unreachable() -> None:
        raise OSError("no database")

    monkeypatch.setattr(kept_forms_variable, "_variable", unreachable)

    with remembered_forms() as kept:
        assert [CUT] == kept.changes(PIPELINE, [CUT])
        assert [*kept.learn(PIPELINE, [CUT], None, Pipeline("orders", name="Orders, ho"))]
        assert [] == kept.changes(PIPELINE, [CUT])


def test_a_task_remembers_what_an_earlier_dag_run_has_learned(
    run_dag: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Airflow's own task runner, the second run only reads."""
    model = {"id": "customers", "name": "All customers", "config": {"sql_query": "SELECT a FROM a.b.c"}}
    with StrangeSimulator(lambda one: {**one, "name": one["name"][:3]}) as simulator:
        monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", simulator.airflow_connection_json())
        token_cache.forget()
        for _ in range(2):
            forget(monkeypatch)
            with DAG("apply_with_memory", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
                MParticleApplyOperator(task_id="apply", spec={"data_models": [model]})
            assert "success" == run_dag(dag).state

        assert (1, 0) == (simulator.count("POST", "/data-models"), simulator.count("PUT", ""))
    token_cache.forget()
