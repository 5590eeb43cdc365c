"""How answers are decoded, and that an answer about another object is refused."""

from __future__ import annotations

from typing import Any

import pytest
from exchanges import TRIGGER, carry_out, refused, said

from airflow_provider_mparticle.client import endpoints, errors
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
