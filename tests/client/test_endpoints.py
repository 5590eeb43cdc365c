"""The calls as values: what each refuses before anything is sent."""

from __future__ import annotations

from typing import Any

import pytest
from exchanges import SECRET_BODY, TRIGGER, carry_out, refused, said
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client import endpoints, errors
from airflow_provider_mparticle.client.endpoints import Call, Scope
from airflow_provider_mparticle.client.resource_kinds import PIPELINE

# Requests of the user's own


@pytest.mark.parametrize("method", ["PATCH", "HEAD", ""])
def test_a_method_that_mparticle_does_not_know_is_refused(method: str) -> None:
    """Platform API overview: GET, POST, PUT and DELETE."""
    with pytest.raises(errors.ConfigError, match="GET, POST, PUT and DELETE"):
        endpoints.request(method, "/apps", Scope.ACCOUNT)


@pytest.mark.parametrize("path", ["apps", "", "https://example.com/apps", "@example.com/"])
def test_a_path_must_start_with_a_slash(path: str) -> None:
    """Glued to the host, anything else would lead to another host, with our token."""
    with pytest.raises(errors.ConfigError, match="must start with '/'"):
        endpoints.request("GET", path, Scope.ACCOUNT)


@pytest.mark.parametrize(("method", "idempotent"), [("get", True), ("PUT", True), ("DELETE", True), ("post", False)])
def test_only_a_post_is_not_idempotent(method: str, idempotent: bool) -> None:
    """There is no idempotency key, so a repeated POST may do its work twice."""
    assert idempotent is endpoints.request(method, "/apps", Scope.ACCOUNT).idempotent


def test_a_call_keeps_its_body_out_of_its_repr() -> None:
    """Calls are values and get logged; bodies carry passwords."""
    assert "pa55word" not in repr(endpoints.request("POST", "/x", Scope.WORKSPACE, json=SECRET_BODY))


# Reading answers


@pytest.mark.parametrize("name", [None, "items", "data", "results"])
def test_a_list_comes_bare_or_in_an_envelope(name: str | None) -> None:
    """v1 of Warehouse Sync documents ``items``, neighbouring resources use the others."""

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
    """The success of run 99 says nothing about run 7; a wait goes on."""
    error = refused(call, said(200, {"pipeline_run_id": 99, "pipeline_id": "x", "id": "x", "status": "success"}))

    assert errors.UnreadableAnswerError is type(error)
    assert error.is_transient
    assert "instead" in str(error)


def test_a_run_that_does_not_say_its_id_is_the_one_asked_for() -> None:
    """v1 leaves it out; ids compare as text."""
    run, _ = carry_out(endpoints.get_pipeline_run("orders", "7"), said(200, {"status": "running"}))
    same, _ = carry_out(endpoints.get_pipeline_run("orders", "7"), said(200, {"pipeline_run_id": 7}))

    assert ("7", 7) == (run.pipeline_run_id, same.pipeline_run_id)


@pytest.mark.parametrize("run_id", ["", " ", "..", "%2e%2e", True, [1], {}, 1.5, float("nan"), "a\r\nb", "\ud83d"])
def test_a_run_id_that_cannot_be_used_is_not_told(run_id: Any) -> None:
    """The run was started all the same, so it is looked for."""
    assert None is carry_out(TRIGGER, said(200, {"pipeline_run_id": run_id}))[0]


ANYTHING = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.text()))


@settings(max_examples=200, deadline=None)
@given(ANYTHING, ANYTHING, ANYTHING | st.dictionaries(ANYTHING.filter(lambda it: not isinstance(it, list)), ANYTHING))
def test_a_request_of_any_arguments_is_a_call_or_refused(method: Any, path: Any, params: Any) -> None:
    """They are templated, so they may render to anything."""
    for arguments in ((method, path, params), ("GET", path, params), ("GET", "/apps", params), (method, "/apps", {})):
        try:
            call = endpoints.request(*arguments[:2], Scope.ACCOUNT, arguments[2])
        except errors.ConfigError:
            continue
        else:
            assert (call.method, call.route) == (str(arguments[0]).upper(), arguments[1])
