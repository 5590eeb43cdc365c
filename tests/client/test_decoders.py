"""How answers are decoded, and that an answer about another object is refused."""

from __future__ import annotations

from typing import Any

import pytest
from exchanges import CONFIG, TRIGGER, carry_out, refused, said

from airflow_provider_mparticle.client import endpoints, errors
from airflow_provider_mparticle.client.answer_fields import UnexpectedAnswerError
from airflow_provider_mparticle.client.decoders import (
    decode_resource,
    decode_run,
    decode_status,
    decode_triggered_run_id,
)
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.resource_kinds import PIPELINE


@pytest.mark.parametrize("name", [None, "items", "data", "results"])
def test_a_list_comes_bare_or_in_an_envelope(name: str | None) -> None:
    """v1 of Warehouse Sync documents ``items``; similar resources use the others."""

    def wrap(items: list[Any]) -> Any:
        return {name: items} if name else items

    runs, _ = carry_out(endpoints.list_pipeline_runs("orders"), said(200, wrap([{"pipeline_run_id": 7}])))
    pipelines, _ = carry_out(endpoints.list_resources(PIPELINE), said(200, wrap([{"id": "orders"}])))
    audiences, _ = carry_out(endpoints.list_audiences(), said(200, wrap([{"id": 1}])))

    assert ([7], ["orders"], [1]) == (
        [run.pipeline_run_id for run in runs],
        [pipeline.id for pipeline in pipelines],
        [audience.id for audience in audiences],
    )


@pytest.mark.parametrize(
    "call",
    [
        endpoints.get_pipeline_run("orders", 7),
        endpoints.get_pipeline_status("orders"),
        endpoints.get_resource(PIPELINE, "orders"),
    ],
)
def test_an_answer_about_something_else_is_unreadable(call: Call[Any]) -> None:
    """The success of run 99 says nothing about run 7, so a wait continues."""
    error = refused(call, said(200, {"pipeline_run_id": 99, "pipeline_id": "x", "id": "x", "status": "success"}))

    assert errors.UnreadableAnswerError is type(error)
    assert error.is_transient
    assert "instead" in str(error)


def test_a_run_that_does_not_say_its_id_is_the_one_asked_for() -> None:
    """v1 leaves it out; ids are compared as text."""
    run, _ = carry_out(endpoints.get_pipeline_run("orders", "7"), said(200, {"status": "running"}))
    same, _ = carry_out(endpoints.get_pipeline_run("orders", "7"), said(200, {"pipeline_run_id": 7}))

    assert ("7", 7) == (run.pipeline_run_id, same.pipeline_run_id)


@pytest.mark.parametrize("run_id", ["", " ", "..", "%2e%2e", True, [1], {}, 1.5, float("nan"), "a\r\nb", "\ud83d"])
def test_a_run_id_that_cannot_be_used_is_not_returned(run_id: Any) -> None:
    """The run was started anyway, so the task looks for it."""
    assert None is carry_out(TRIGGER, said(200, {"pipeline_run_id": run_id}))[0]


def test_an_update_without_an_answer_returns_what_was_sent() -> None:
    """The documentation shows no body for some updates."""
    sent = {"id": "orders", "name": "Orders"}

    assert "Orders" == decode_resource(PIPELINE, "orders", sent, None, CONFIG).name
    assert "Other" == decode_resource(PIPELINE, "orders", sent, {"id": "orders", "name": "Other"}, CONFIG).name
    with pytest.raises(UnexpectedAnswerError):
        decode_resource(PIPELINE, "orders", None, None, CONFIG)


@pytest.mark.parametrize(("answer", "expected"), [({"pipeline_run_id": 7}, 7), ({}, None), (None, None), ([], None)])
def test_the_run_of_a_trigger_may_not_be_named(answer: Any, expected: int | None) -> None:
    """The run was started all the same, so this is not an error."""
    assert expected == decode_triggered_run_id(answer, CONFIG)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"pipeline_run_id": 8, "status": "success"}, "is about run 8 instead"),
        ({"pipeline_run_id": [7], "status": "success"}, "has a run id that cannot be read"),
        ({"message": "hello"}, "is not a run: it has no id and no state"),
        ({"pipeline_run_id": 7, "pipeline_id": "refunds", "status": "success"}, "is about pipeline 'refunds' instead"),
    ],
)
def test_an_answer_about_something_else_is_not_the_run(answer: Any, words: str) -> None:
    """A task would otherwise end with the success of another run."""
    with pytest.raises(UnexpectedAnswerError, match=words):
        decode_run("orders", 7, answer, CONFIG)


def test_a_status_has_its_latest_run_and_its_errors() -> None:
    """A pipeline that never ran has no latest run."""
    answer = {"status": "healthy", "errors": ["No role."], "latest_pipeline_run": {"pipeline_run_id": 7}}

    status = decode_status("orders", answer, CONFIG)

    assert ("healthy", ("No role.",)) == (status.status, status.errors)
    assert 7 == status.latest_pipeline_run.pipeline_run_id
    assert decode_status("orders", {"status": "healthy"}, CONFIG).latest_pipeline_run is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"message": "hello"}, "is not the status"),
        ({"pipeline_id": "refunds"}, "is about pipeline"),
        ([], "is not a JSON object"),
    ],
)
def test_what_is_not_the_status_of_this_pipeline_is_refused(answer: Any, words: str) -> None:
    """It would read as a pipeline without runs, and a second run would be started."""
    with pytest.raises(UnexpectedAnswerError, match=words):
        decode_status("orders", answer, CONFIG)
