"""Unchanged documents stay unchanged on servers that store values in a form of their own, over HTTP."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from configuration.strange_servers import Spelling, StrangeSimulator, serving, truncated
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_document import sample

from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.client.resource_kinds import KINDS, PIPELINE
from airflow_provider_mparticle.configuration.apply import apply_plan, export_document, read_workspace
from airflow_provider_mparticle.configuration.document import document_problems, load_document, parse_document
from airflow_provider_mparticle.configuration.document_writer import as_yaml
from airflow_provider_mparticle.configuration.ensure import ensure, update, validated
from airflow_provider_mparticle.configuration.kept_forms import KeptForms
from airflow_provider_mparticle.configuration.plan import Plan, plan
from airflow_provider_mparticle.configuration.resource_diff import differences


def planned(sender: Any, content: dict[str, Any], kept: KeptForms) -> Plan:
    """Plan a document against the server as it is now."""
    return plan(load_document(content), read_workspace(sender), prune=True, kept=kept)


def writes(simulator: StrangeSimulator) -> int:
    """The number of requests that may have changed something."""
    return simulator.count("POST", "/platform/") + simulator.count("PUT", "") + simulator.count("DELETE", "")


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The environment, restored after the test."""
    monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", "")
    token_cache.forget()
    yield os.environ
    token_cache.forget()


@given(seed=st.integers(0, 2**32))
@settings(max_examples=15)
def test_another_spelling_is_not_a_change(seed: int) -> None:
    """The second apply only reads, and the plan of the export has no changes, in every form of the server."""
    token_cache.forget()
    kept = KeptForms()
    simulator = StrangeSimulator(Spelling(seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", "")
        with serving(simulator, os.environ) as hook:
            apply_plan(hook, planned(hook, sample(), kept), kept=kept)
            before = writes(simulator)

            again = planned(hook, sample(), kept)
            exported = export_document(hook)

            assert [] == [line for line in again.lines() if line[0] in "+~-!"]
            assert [] == document_problems(parse_document(as_yaml(exported)))
            assert planned(hook, exported, KeptForms()).is_empty
            assert before == writes(simulator) == 10
            assert [] == kept.facts  # every difference was understood, and nothing had to be learned


@given(seed=st.integers(0, 2**32))
@settings(max_examples=5)
def test_create_operators_write_once_to_a_server_with_a_spelling_of_its_own(seed: int) -> None:
    """The same for single resources."""
    token_cache.forget()
    simulator = StrangeSimulator(Spelling(seed))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", "")
        with serving(simulator, os.environ) as hook:
            for _ in range(2):
                for kind in KINDS:
                    for described in sample()[kind.plural]:
                        ensure(hook, kind, validated(kind, described), "update", KeptForms())

            assert 10 == writes(simulator)


def test_a_new_form_is_logged_once_and_is_not_a_change_from_then_on(
    environ: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """An accepted value is not sent again, even if it cannot be seen that its form means the same."""
    kept = KeptForms()
    simulator = StrangeSimulator(truncated)
    with serving(simulator, environ) as hook:
        apply_plan(hook, planned(hook, sample(), kept), kept=kept)
        said = [line for line in caplog.messages if "mParticle keeps" in line]
        apply_plan(hook, planned(hook, sample(), kept), kept=kept)
        apply_plan(hook, planned(hook, sample(), kept), kept=kept)

    assert "mParticle keeps name of data model 'page-views' as 'Page vie', not as 'Page views'" in "\n".join(said)
    assert said == [line for line in caplog.messages if "mParticle keeps" in line]
    assert 10 == writes(simulator)


def test_a_form_is_remembered_by_another_process(environ: Any) -> None:
    """Facts are text without values, which can be stored."""
    first, second = KeptForms(), KeptForms()
    with serving(StrangeSimulator(truncated), environ) as hook:
        apply_plan(hook, planned(hook, sample(), first), kept=first)
        assert not planned(hook, sample(), KeptForms()).is_empty
        second.load_from(lambda: first.facts)

        assert planned(hook, sample(), second).is_empty

    assert "Page" not in "".join(first.facts)


def test_what_is_changed_in_the_web_app_is_still_a_difference(environ: Any) -> None:
    """A fact is about one value and its form, not about the field."""
    kept = KeptForms()
    simulator = StrangeSimulator(truncated)
    with serving(simulator, environ) as hook:
        apply_plan(hook, planned(hook, sample(), kept), kept=kept)
        simulator._workspace.resources.stored("pipeline", "orders-hourly")["name"] = "Another name"

        changes = [str(step) for step in planned(hook, sample(), kept).steps if step.is_change]

    assert ["~ pipeline orders-hourly"] == changes


def test_a_write_without_an_effect_is_not_taken_for_a_form(environ: Any) -> None:
    """Otherwise a stale answer would hide the difference for ever."""
    kept = KeptForms()
    with serving(StrangeSimulator(), environ) as hook:
        apply_plan(hook, planned(hook, sample(), kept), kept=kept)
        have = hook.get_pipeline("orders-hourly")

        facts = [*kept.learn(PIPELINE, differences(have, {"name": "Renamed"}), have, have)]

    assert [] == facts == kept.facts


def test_a_word_is_never_taken_for_the_form_of_another(environ: Any) -> None:
    """The state "paused" is not another spelling of "active", so the next apply tries again."""
    kept = KeptForms()
    with serving(StrangeSimulator(lambda one: {**one, "state": "paused"}), environ) as hook:
        apply_plan(hook, planned(hook, {"pipelines": []}, kept), kept=kept)
        content = sample()
        apply_plan(hook, planned(hook, content, kept), kept=kept)

        changes = [str(step) for step in planned(hook, content, kept).steps if step.is_change]

    assert ["~ pipeline customers-daily", "~ pipeline orders-hourly"] == [one for one in changes if "pipeline" in one]


def test_an_upper_case_sync_mode_is_not_another_one(environ: Any) -> None:
    """A user must not be told to delete the pipeline."""

    def upper(resource: dict[str, Any]) -> dict[str, Any]:
        mode = resource.get("sync_mode")
        return {**resource, "sync_mode": {**mode, "type": mode["type"].upper()}} if mode else resource

    with serving(StrangeSimulator(upper), environ) as hook:
        apply_plan(hook, planned(hook, sample(), KeptForms()), kept=KeptForms())
        have = hook.get_pipeline("orders-hourly")

        _, changed = update(hook, PIPELINE, have, {**sample()["pipelines"][1], "name": "Renamed"}, KeptForms())

    assert "INCREMENTAL" == (have.sync_mode or {})["type"]
    assert ["name"] == changed


def documents_of_the_repository() -> list[Any]:
    """The example document, and those in the how-to guide."""
    root = Path(__file__).parents[2]
    page = (root / "docs" / "how-to" / "configuration.md").read_text()
    shown = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    return [(root / "example_dags" / "workspace.yaml").read_text(), *shown]


@pytest.mark.parametrize("text", documents_of_the_repository())
def test_the_documents_that_we_show_come_back_from_a_server_with_a_spelling_of_its_own(environ: Any, text: str) -> None:
    """They are applied, exported and planned again, without a change."""
    content = parse_document(text.replace("{{", "").replace("}}", "")).content
    kept = KeptForms()
    simulator = StrangeSimulator(Spelling(7))
    simulator.add_pipeline("other")  # brings the connection "warehouse"
    with serving(simulator, environ) as hook:
        apply_plan(hook, plan(load_document(content), read_workspace(hook), kept=kept), kept=kept)

        for again in (content, export_document(hook)):
            assert plan(load_document(again), read_workspace(hook), kept=kept).is_empty
