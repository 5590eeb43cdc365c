"""How one call is carried out: the generator is driven by hand, and nothing is sent."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
from exchanges import APPS, CONFIG, HTML, TRIGGER, carry_out, refused, said, short
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client import endpoints, errors
from airflow_provider_mparticle.client.endpoints import Call, Scope
from airflow_provider_mparticle.client.exchange import exchange, url_of
from airflow_provider_mparticle.client.messages import HttpRequest, TokenNeeded
from airflow_provider_mparticle.client.resource_kinds import CONNECTION, PIPELINE
from airflow_provider_mparticle.client.routes import route_table

# Requests


def test_a_call_asks_for_a_token_and_sends_one_request_with_it() -> None:
    """The driver provides the token; a call itself does not log in."""
    answer, steps = carry_out(endpoints.get_resource(PIPELINE, "orders"), said(200, {"id": "orders"}))

    expected = HttpRequest(
        "GET",
        "https://api.mparticle.com/platform/v2/workspaces/1234/inputs/data-pipelines/orders",
        params={},
        headers={"Accept": "application/json", "Authorization": "Bearer token-1"},
    )
    assert "orders" == answer.id
    assert [TokenNeeded(), expected] == steps


def test_the_account_goes_with_account_calls_only() -> None:
    """Without ``accountId`` the Platform API answers 401; Warehouse Sync does not need it."""
    _, (_, platform) = carry_out(APPS, said(200, []))
    _, (_, workspace) = carry_out(endpoints.list_resources(PIPELINE), said(200, []))

    assert ("https://api.mparticle.com/v1/apps", {"accountId": "5678"}) == (platform.url, platform.params)
    assert {} == workspace.params


def test_a_missing_account_is_named_before_anything_is_sent() -> None:
    """The connection is incomplete, which is found without a login."""
    config = dataclasses.replace(CONFIG, account_id=None)

    with pytest.raises(errors.ConfigError, match="field account_id of the nightly connection is missing"):
        next(exchange(APPS, config))


def test_an_id_that_names_another_path_is_refused_before_anything_is_sent() -> None:
    """A template that rendered to nothing is found without a login."""
    with pytest.raises(errors.ConfigError, match="pipeline_id must not be ''"):
        next(exchange(endpoints.delete_resource(PIPELINE, ""), CONFIG))


@given(before=st.text("aé😀", max_size=3), half=st.characters(categories=["Cs"]), as_key=st.booleans())
def test_a_body_with_half_a_character_is_refused_before_anything_is_sent(before: str, half: str, as_key: bool) -> None:
    """mParticle would store another character, without a word. A whole emoji is sent."""
    text = f"{before}{half}x"
    body = {text: 1} if as_key else {"apps": [text]}
    with pytest.raises(errors.ConfigError, match="its body is not JSON"):
        next(exchange(endpoints.request("POST", "/apps", Scope.WORKSPACE, json=body), CONFIG))

    _, (_, request) = carry_out(endpoints.request("POST", "/x", Scope.WORKSPACE, json=[before]), said(200, {}))
    assert [before] == json.loads(request.body)


@pytest.mark.parametrize("body", [{"at": object()}, {"n": float("nan")}])
def test_a_body_that_is_not_json_is_refused_before_anything_is_sent(body: Any) -> None:
    """The HTTP libraries would raise errors of their own, or send it."""
    with pytest.raises(errors.ConfigError, match="is not JSON"):
        next(exchange(endpoints.request("POST", "/apps", Scope.WORKSPACE, json=body), CONFIG))


def test_query_parameters_are_spelled_once_for_both_drivers() -> None:
    """One library refuses a boolean, and the other writes it as Python does."""
    params = {"all": True, "none": None, "ids": [1, 2], "name": "a b", "size": 7}

    _, (_, request) = carry_out(endpoints.request("GET", "/x", Scope.WORKSPACE, params), said(200, {}))

    assert {"all": "true", "ids": ["1", "2"], "name": "a b", "size": "7"} == request.params


NOT_IN_A_QUERY = st.one_of(
    st.binary(),
    st.dictionaries(st.text(), st.integers(), max_size=1),
    st.sets(st.integers(), max_size=1),
    st.datetimes(),
    st.timedeltas(),
    st.sampled_from([float("nan"), float("-inf"), Decimal("NaN"), object(), range(2), {}.keys(), "\ud83d"]),
)


@given(
    value=NOT_IN_A_QUERY | st.lists(NOT_IN_A_QUERY | st.none() | st.just([1]), min_size=1, max_size=2),
    is_name=st.booleans(),
)
def test_a_query_parameter_that_has_no_spelling_is_refused_before_anything_is_sent(value: Any, is_name: bool) -> None:
    """Python would write a dict as its own code, and mParticle would find nothing or something else."""
    try:
        params = {value: "a"} if is_name else {"filter": value}
    except TypeError:  # it cannot be a key
        params = {"filter": value}
    with pytest.raises(errors.ConfigError, match=r"Cannot GET /x: the parameter .* (has|holds) .*Nothing was sent"):
        next(exchange(endpoints.request("GET", "/x", Scope.WORKSPACE, params), CONFIG))


@given(text=st.text().filter(lambda text: not set(text) & {chr(half) for half in range(0xD800, 0xE000)}))
def test_a_query_parameter_from_an_enumeration_is_its_value(text: str) -> None:
    """str() writes it as "Types.INPUT". The same is true of a name, even of one that a query must not have."""
    (member,) = Enum("Types", {"INPUT": text}, type=str)
    (account,) = Enum("Names", {"ACCOUNT": "accountId"}, type=str)

    _, (_, request) = carry_out(endpoints.request("GET", "/x", Scope.WORKSPACE, {"type": member}), said(200, {}))

    assert {"type": text} == request.params
    with pytest.raises(errors.ConfigError, match="must not name an account"):
        endpoints.request("GET", "/x", Scope.ACCOUNT, {account: 9})


def test_an_overridden_route_is_where_the_call_goes() -> None:
    """The connection's ``routes`` correct our assumptions."""
    config = dataclasses.replace(CONFIG, routes=route_table({"trigger_pipeline": "/data-pipelines/{pipeline_id}"}))

    assert "https://api.mparticle.com/platform/v2/workspaces/1234/data-pipelines/a%20b" == url_of(
        endpoints.trigger_pipeline("a b"), config
    )


# A token that is refused


def test_after_a_401_it_asks_once_more_for_a_token() -> None:
    """A token may expire early; the step names the refused token, so that it is not used again."""
    answer, steps = carry_out(TRIGGER, said(401), said(200, {"pipeline_run_id": 7}))

    assert 7 == answer
    assert [TokenNeeded(), TokenNeeded(refused="token-1")] == steps[0::2]
    assert ["Bearer token-1", "Bearer token-2"] == [request.headers["Authorization"] for request in steps[1::2]]


def test_a_second_401_names_both_of_its_causes() -> None:
    """mParticle answers 401 both for a bad token and for a missing accountId."""
    error = refused(APPS, said(401), said(401))

    assert errors.AuthenticationError is type(error)
    assert "the token is not accepted" in str(error)
    assert "accountId" in str(error)


# Answers that are a success


@pytest.mark.parametrize("body", [b"7", b"[1]", b'{"broken', b"\xff\xfe\x00\xd8", b"[" * 100_000, HTML], ids=short)
def test_a_good_status_with_a_strange_body_is_unreadable(body: bytes) -> None:
    """The trigger may have started a run, so the error must not say that it did not."""
    error = refused(TRIGGER, said(200, body))

    assert errors.UnreadableAnswerError is type(error)
    assert (200, True, "orders") == (error.status, error.may_have_executed, error.pipeline_id)


LISTS = [
    endpoints.list_resources(CONNECTION),
    endpoints.list_resources(PIPELINE),
    endpoints.list_pipeline_runs("orders"),
]


@pytest.mark.parametrize("call", LISTS)
@pytest.mark.parametrize("body", [b"", {}, {"data": None}, {"items": {}}, {"data": [], "items": []}, "", "orders", 7])
def test_a_list_that_is_none_is_unreadable(call: Call[Any], body: Any) -> None:
    """If an object were read as "no runs", the caller would believe that its start never happened."""
    assert errors.UnreadableAnswerError is type(refused(call, said(200, body)))


@pytest.mark.parametrize("call", [endpoints.get_resource(PIPELINE, "orders"), endpoints.get_pipeline_run("orders", 7)])
@pytest.mark.parametrize("body", [b"", [], [{}], "orders", 7])
def test_an_object_that_is_none_is_unreadable(call: Call[Any], body: Any) -> None:
    """A wrong route is found here, with the name of the call, and not in the code of a user."""
    error = refused(call, said(200, body))

    assert errors.UnreadableAnswerError is type(error)
    assert f"to: {call.title}, with a body that is not a JSON object" in str(error)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_good(status: int) -> None:
    """Warehouse Sync answers creates with 200, although the overview says 201."""
    answer, _ = carry_out(endpoints.create_resource(PIPELINE, {"id": "orders", "name": "Orders"}), said(status))

    assert ("orders", "Orders") == (answer.id, answer.name)


@pytest.mark.parametrize(
    ("body", "expected"),
    [({"pipeline_run_id": 7, "status": "trigger_requested"}, 7), ({"pipeline_run_id": "a-7"}, "a-7")],
)
def test_a_trigger_answers_the_id_as_it_came(body: Any, expected: object) -> None:
    """Run ids are integers in the documentation, and are used as they come."""
    assert expected == carry_out(TRIGGER, said(200, body))[0]


WRONG = [{"message": "The warehouse is closed."}]


@pytest.mark.parametrize("body", [{"errors": WRONG}, {"error": "closed"}, {"errors": WRONG, "statusCode": 500}])
def test_a_success_that_holds_only_errors_is_unreadable(body: Any) -> None:
    """A proxy or a server may get the status wrong, and a task must not take that for a run that was started."""
    with pytest.raises(errors.UnreadableAnswerError, match="holds only errors"):
        carry_out(TRIGGER, said(200, body))


@pytest.mark.parametrize("body", [{"pipeline_run_id": 7, "errors": WRONG}, {"pipeline_run_id": 7, "errors": []}])
def test_errors_beside_an_answer_do_not_hide_it(body: Any) -> None:
    """A resource has a list of what is wrong with it."""
    assert 7 == carry_out(TRIGGER, said(200, body))[0]


@pytest.mark.parametrize("body", [b"", b"null", {}, {"status": "trigger_requested"}, {"pipeline_run_id": None}])
def test_a_trigger_that_does_not_say_its_run_answers_none(body: Any) -> None:
    """The run was started anyway, so the task looks for it."""
    assert carry_out(TRIGGER, said(200, body))[0] is None


# The envelope of the Platform API


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"data": [{"id": 1}], "dataType": "app", "errors": None}, [{"id": 1}]),
        ({"data": {"id": 1}, "errors": []}, {"id": 1}),
        ({"data": [], "errors": None}, []),
        ({"data": None, "errors": None}, None),
        ({"data": [1], "errors": [{"message": "One was left out."}]}, [1]),
        ([{"id": 1}], [{"id": 1}]),
        ({"id": 1}, {"id": 1}),
        (b"", None),
    ],
)
def test_the_envelope_is_taken_off_where_there_is_one(body: Any, expected: Any) -> None:
    """Audiences may come as a bare array, and deletes without a body."""
    assert expected == carry_out(APPS, said(200, body))[0]


def test_an_envelope_with_errors_and_no_data_is_a_refusal() -> None:
    """The status is a success, but the call failed."""
    error = refused(APPS, said(200, {"data": None, "errors": [{"code": "7", "message": "Not this app."}]}))

    assert errors.InvalidRequestError is type(error)
    assert (200, ("Not this app.",)) == (error.status, error.reasons)


def test_a_workspace_answer_is_never_unwrapped() -> None:
    """Warehouse Sync answers bare JSON, in which ``data`` is a field like any other."""
    body = {"data": 1}

    assert body == carry_out(endpoints.request("GET", "/x", Scope.WORKSPACE), said(200, body))[0]
