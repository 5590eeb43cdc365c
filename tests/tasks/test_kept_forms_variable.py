"""What is known of kept forms outlives the process, in an Airflow variable."""

from __future__ import annotations

import json

import pytest
from airflow.models import Variable

from airflow_provider_mparticle.client.models import Pipeline
from airflow_provider_mparticle.client.resource_kinds import PIPELINE
from airflow_provider_mparticle.configuration import kept_forms
from airflow_provider_mparticle.configuration.kept_forms import KeptForms
from airflow_provider_mparticle.configuration.resource_diff import Difference
from airflow_provider_mparticle.tasks import kept_forms_variable
from airflow_provider_mparticle.tasks.kept_forms_variable import VARIABLE, remembered_forms

CUT = Difference("name", "Orders, ho", "Orders, hourly")


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin as a process that has learned nothing."""
    forget(monkeypatch)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Become another process."""
    known = KeptForms()
    monkeypatch.setattr(kept_forms, "KNOWN", known)
    monkeypatch.setattr(kept_forms_variable, "KNOWN", known)


def test_a_fact_is_known_to_the_next_process(airflow_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each task is a process of its own; a document is applied by one each day."""
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
    """The price is one more write."""

    def unreachable() -> None:
        raise OSError("no database")

    monkeypatch.setattr(kept_forms_variable, "_variable", unreachable)

    with remembered_forms() as kept:
        assert [CUT] == kept.changes(PIPELINE, [CUT])
        assert [*kept.learn(PIPELINE, [CUT], None, Pipeline("orders", name="Orders, ho"))]
        assert [] == kept.changes(PIPELINE, [CUT])
