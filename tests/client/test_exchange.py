"""How one call is carried out: the generator is fed by hand, nothing is sent."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Generator
from typing import Any

import pytest

from airflow_provider_mparticle.client import endpoints, errors
from airflow_provider_mparticle.client.config import ApiConfig, Credentials
from airflow_provider_mparticle.client.endpoints import Call, Scope
from airflow_provider_mparticle.client.exchange import (
    HttpRequest,
    HttpResponse,
    Token,
    TokenNeeded,
    exchange,
    login,
    url_of,
)
from airflow_provider_mparticle.client.resource_kinds import CONNECTION, PIPELINE
from airflow_provider_mparticle.client.routes import route_table

CONFIG = ApiConfig(Credentials("an-id", "cl1ent-s3cret"), 1234, account_id=5678, origin="the nightly connection")
APPS = endpoints.request("GET", "/apps", Scope.ACCOUNT)
TRIGGER = endpoints.trigger_pipeline("orders")

HTML = b"<html><head><style>p {x: y}</style></head><body><h1>Bad\n Gateway</h1><p>nginx</p></body></html>"
# Whatever may stand where JSON is promised.
ODD_BODIES = [
    b"",
    b" \n",
    b"null",
    b"7",
    b"true",
    b"[]",
    b"{}",
    b"[null]",
    b"[[{}]]",
    b'{"errors": 7}',
    b'{"errors": {"a": [1]}}',
    b'{"errors": [null, {"message": null}, {"message": {"a": 1}}]}',
    b'{"error": {"message": ["a"]}}',
    b'{"broken',
    b"\xff\xfe\x00\xd8",
    b"\x00" * 10,
    b"[" * 100_000,
    b"9" * 10_000,
    b"x" * 100_000,
    HTML,
    b"<",
]


def short(value: object) -> str | None:
    """Name a test case by the beginning of its body."""
    return repr(value[:20]) if isinstance(value, bytes) else None


def said(status: int, body: Any = b"", **headers: str) -> HttpResponse:
    """An answer of mParticle; anything but bytes is sent as JSON."""
    return HttpResponse(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def carry_out(call: Call[Any], *responses: HttpResponse, config: ApiConfig = CONFIG) -> tuple[Any, list[Any]]:
    """Give the exchange ``token-1``, ``token-2`` as it asks, and the responses; return its answer and its steps."""
    return drive(exchange(call, config), *responses)


def drive(steps: Generator[Any, Any, Any], *responses: HttpResponse) -> tuple[Any, list[Any]]:
    """Feed a generator until it returns; every response has to be used."""
    left, made, tokens = [*responses], list[Any](), 0
    answer: str | HttpResponse | None = None
    while True:
        try:
            made.append(steps.send(answer))
        except StopIteration as done:
            assert [] == left
            return done.value, made
        if isinstance(made[-1], TokenNeeded):
            tokens += 1
            answer = f"token-{tokens}"
        else:
            answer = left.pop(0)


def refused(call: Call[Any], *responses: HttpResponse, config: ApiConfig = CONFIG) -> errors.MParticleError:
    """Return the error that the exchange raises."""
    with pytest.raises(errors.MParticleError) as caught:
        carry_out(call, *responses, config=config)
    return caught.value


# What is sent


def test_a_call_asks_for_a_token_and_sends_one_request_with_it() -> None:
    """The token comes from whoever keeps it; a call by itself never logs in."""
    answer, steps = carry_out(endpoints.get_resource(PIPELINE, "orders"), said(200, {"id": "orders"}))

    expected = HttpRequest(
        "GET",
        "https://api.mparticle.com/platform/v2/workspaces/1234/inputs/data-pipelines/orders",
        params={},
        timeout_s=60.0,
        headers={"Accept": "application/json", "Authorization": "Bearer token-1"},
    )
    assert "orders" == answer.id
    assert [TokenNeeded(), expected] == steps


def test_the_account_goes_with_account_calls_only() -> None:
    """Without ``accountId`` the Platform API answers 401; Warehouse Sync takes none."""
    _, (_, platform) = carry_out(APPS, said(200, []))
    _, (_, workspace) = carry_out(endpoints.list_resources(PIPELINE), said(200, []))

    assert ("https://api.mparticle.com/v1/apps", {"accountId": "5678"}) == (platform.url, platform.params)
    assert {} == workspace.params


def test_a_missing_account_is_named_before_anything_is_sent() -> None:
    """It is a gap in the connection, found without a login."""
    config = dataclasses.replace(CONFIG, account_id=None)

    with pytest.raises(errors.ConfigError, match="field account_id of the nightly connection is missing"):
        next(exchange(APPS, config))


def test_an_id_that_names_another_path_is_refused_before_anything_is_sent() -> None:
    """A template that rendered to nothing is found without a login."""
    with pytest.raises(errors.ConfigError, match="pipeline_id must not be ''"):
        next(exchange(endpoints.delete_resource(PIPELINE, ""), CONFIG))


@pytest.mark.parametrize("body", [{"at": object()}, {"n": float("nan")}])
def test_a_body_that_is_no_json_is_refused_before_anything_is_sent(body: Any) -> None:
    """The libraries below would raise errors of their own, or send it."""
    with pytest.raises(errors.ConfigError, match="is no JSON"):
        next(exchange(endpoints.request("POST", "/apps", Scope.WORKSPACE, json=body), CONFIG))


def test_query_parameters_are_spelled_once_for_both_drivers() -> None:
    """One library would refuse a boolean that the other writes in Python's spelling."""
    params = {"all": True, "none": None, "ids": [1, 2], "name": "a b", "size": 7}

    _, (_, request) = carry_out(endpoints.request("GET", "/x", Scope.WORKSPACE, params), said(200, {}))

    assert {"all": "true", "ids": ["1", "2"], "name": "a b", "size": "7"} == request.params


def test_an_overridden_route_is_where_the_call_goes() -> None:
    """The connection's ``routes`` correct what we assume."""
    config = dataclasses.replace(CONFIG, routes=route_table({"trigger_pipeline": "/data-pipelines/{pipeline_id}"}))

    assert "https://api.mparticle.com/platform/v2/workspaces/1234/data-pipelines/a%2Fb" == url_of(
        endpoints.trigger_pipeline("a/b"), config
    )


# The login


def test_the_login_sends_the_credentials_as_json() -> None:
    """Platform API overview, "Authentication": client credentials in a JSON body."""
    token, (request,) = drive(login(CONFIG), said(200, {"access_token": "t", "expires_in": 28800}))

    assert Token("t", 28800.0) == token
    assert ("POST", "https://sso.auth.mparticle.com/oauth/token") == (request.method, request.url)
    assert {
        "client_id": "an-id",
        "client_secret": "cl1ent-s3cret",
        "audience": "https://api.mparticle.com",
        "grant_type": "client_credentials",
    } == json.loads(request.body)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_login_says_what_to_check(status: int) -> None:
    """The connection is wrong, and mParticle's own words tell which part of it."""
    body = {"error": "access_denied", "error_description": "Unauthorized cl1ent-s3cret."}

    with pytest.raises(errors.AuthenticationError) as caught:
        drive(login(CONFIG), said(status, body))

    assert (status, ("Unauthorized ***.",)) == (caught.value.status, caught.value.reasons)
    for needed in ("the nightly connection", "client id", "client secret", "audience", "Unauthorized ***"):
        assert needed in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        *ODD_BODIES,
        {"token": "t0ken"},
        {"access_token": "t0ken"},
        {"access_token": "t0ken", "expires_in": "soon"},
        {"access_token": None, "expires_in": 1},
        {"access_token": "", "expires_in": 1},
        b"access_token=t0ken&expires_in=28800",
        ["t0ken"],
    ],
    ids=short,
)
def test_a_login_without_a_readable_token_shows_none_of_its_answer(body: Any) -> None:
    """The answer may hold a token in a shape that we do not know."""
    with pytest.raises(errors.UnreadableAnswerError, match=r"Check token_url: https://sso\.auth") as caught:
        drive(login(CONFIG), said(200, body))

    assert "t0ken" not in f"{caught.value} {caught.value.facts()}"


def test_a_wrong_token_url_is_named() -> None:
    """A 404 of the login has nothing to do with the pipeline that one asked for."""
    with pytest.raises(errors.NotFoundError, match=r"log in at https://sso\.auth\.mparticle\.com/oauth/token"):
        drive(login(CONFIG), said(404))


# A token that died


def test_after_a_401_it_asks_once_more_for_a_token() -> None:
    """A token may die before its time; it names the refused one, so that nobody hands it out again."""
    answer, steps = carry_out(TRIGGER, said(401), said(200, {"pipeline_run_id": 7}))

    assert 7 == answer
    assert [TokenNeeded(), TokenNeeded(refused="token-1")] == steps[0::2]
    assert ["Bearer token-1", "Bearer token-2"] == [request.headers["Authorization"] for request in steps[1::2]]


def test_a_second_401_names_both_of_its_causes() -> None:
    """The status is 401 for a bad token and for a missing accountId alike."""
    error = refused(APPS, said(401), said(401))

    assert errors.AuthenticationError is type(error)
    assert "the token is not accepted" in str(error)
    assert "accountId" in str(error)


# Refusals, by cause


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, errors.InvalidRequestError),
        (400, errors.InvalidRequestError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (405, errors.NotFoundError),
        (409, errors.InvalidRequestError),
        (418, errors.InvalidRequestError),
        (422, errors.InvalidRequestError),
        (429, errors.RateLimitedError),
        (500, errors.ServerError),
        (502, errors.ServerError),
        (503, errors.ServerError),
        (504, errors.ServerError),
        (505, errors.WarehouseUnreachableError),
        (599, errors.ServerError),
    ],
)
def test_each_status_is_the_error_that_names_its_cause(status: int, kind: type[errors.MParticleError]) -> None:
    """What to do next depends on the cause, so users catch the class."""
    body = {"errors": [{"message": "Own words of mParticle."}]}

    error = refused(endpoints.get_pipeline_run("orders", 7), said(status, body))

    assert kind is type(error)
    assert (status, "orders", 7) == (error.status, error.pipeline_id, error.pipeline_run_id)
    assert ("Own words of mParticle.",) == error.reasons
    assert f"mParticle answered {status} to: get run 7 of pipeline 'orders', saying: Own words of mP" in str(error)


@pytest.mark.parametrize("status", [404, 405])
def test_not_found_names_its_three_causes_and_who_tells_them_apart(status: int) -> None:
    """Missing, out of reach and a different route look alike; most routes are assumptions."""
    text = str(refused(endpoints.get_resource(PIPELINE, "orders"), said(status)))

    for needed in ("does not exist", "no access", "route", "python -m airflow_provider_mparticle doctor", "'routes'"):
        assert needed in text


def test_505_is_about_the_warehouse() -> None:
    """It looks like a server error, but only the owner of the warehouse's credentials can cure it."""
    assert "credentials in the mParticle connection" in str(refused(TRIGGER, said(505)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2", 2.0), (" 30 ", 30.0), ("0", 0.0), ("", None), ("-1", None), ("soon", None), ("Wed, 21 Oct 2015", None)],
)
def test_a_rate_limit_carries_how_long_to_wait(value: str, expected: float | None) -> None:
    """``Retry-After`` comes in whole seconds and may be absent."""
    error = refused(TRIGGER, said(429, **{"retry-after": value}))

    assert expected == error.retry_after_s
    assert not error.may_have_executed


@pytest.mark.parametrize("status", [400, 409, 422])
@pytest.mark.parametrize(
    "body",
    [
        {"statusCode": 400, "errors": [{"message": "Pipeline orders is already in progress."}]},
        {"errors": [{"message": "Another thing."}, {"message": "The run is ALREADY IN PROGRESS"}]},
        b"Pipeline orders is already in progress.",
    ],
)
def test_the_busy_sentence_is_a_busy_pipeline(status: int, body: Any) -> None:
    """Whether to wait, attach or fail is then the user's choice, not an error of the request."""
    error = refused(TRIGGER, said(status, body))

    assert errors.PipelineBusyError is type(error)
    assert (status, "orders", False) == (error.status, error.pipeline_id, error.may_have_executed)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_the_busy_sentence_elsewhere_is_what_its_status_says(status: int) -> None:
    """A server that breaks while it speaks of a run may have started one."""
    body = {"errors": [{"message": "Pipeline orders is already in progress."}]}

    assert errors.PipelineBusyError is not type(refused(TRIGGER, said(status, body)))


@pytest.mark.parametrize(("status", "acted"), [(500, True), (502, True), (504, True), (400, False), (429, False)])
def test_only_a_broken_server_may_have_acted(status: int, acted: bool) -> None:
    """A trigger is repeated only where it certainly started nothing."""
    assert acted is refused(TRIGGER, said(status)).may_have_executed


# Reading what an answer says


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        ({"errors": [{"message": "No such column."}]}, ("No such column.",)),
        ({"statusCode": 400, "errors": [{"message": "No such column."}]}, ("No such column.",)),
        ({"data": None, "dataType": "error", "errors": [{"code": "7", "message": "No app."}]}, ("No app.",)),
        ({"error": "access_denied", "error_description": "Wrong audience."}, ("Wrong audience.",)),
        ({"error": "access_denied"}, ("access_denied",)),
        ({"message": "Try later."}, ("Try later.",)),
        (["One.", "Two."], ("One.", "Two.")),
        ("Just text as JSON.", ("Just text as JSON.",)),
        (b"Just text.", ("Just text.",)),
        (HTML, ("Bad Gateway nginx",)),
        (b"", ()),
    ],
)
def test_mparticles_words_are_found_in_any_body(body: Any, reasons: tuple[str, ...]) -> None:
    """These are the shapes met so far, and what gateways in between send."""
    assert reasons == refused(TRIGGER, said(400, body)).reasons


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 429, 500, 505])
@pytest.mark.parametrize("body", ODD_BODIES, ids=short)
def test_reading_an_error_never_raises_another(status: int, body: bytes) -> None:
    """The status says enough; a strange body must not hide it."""
    error = refused(APPS, *[said(status, body)] * (2 if status == 401 else 1))

    assert status == error.status
    assert len(str(error)) < 2000


@pytest.mark.parametrize("body", [b"7", b"[1]", b'{"broken', b"\xff\xfe\x00\xd8", b"[" * 100_000, HTML], ids=short)
def test_a_good_status_with_a_strange_body_is_unreadable(body: bytes) -> None:
    """The trigger may have started a run all the same, so nobody may believe that it did not."""
    error = refused(TRIGGER, said(200, body))

    assert errors.UnreadableAnswerError is type(error)
    assert (200, True, "orders") == (error.status, error.may_have_executed, error.pipeline_id)


LISTS = [
    endpoints.list_resources(CONNECTION),
    endpoints.list_resources(PIPELINE),
    endpoints.list_pipeline_runs("orders"),
]


@pytest.mark.parametrize("call", LISTS)
@pytest.mark.parametrize("body", [b"", {}, {"data": []}, "", "orders", 7])
def test_a_list_that_is_none_is_unreadable(call: Call[Any], body: Any) -> None:
    """An object read as "no runs" would make the caller believe that its start never happened."""
    assert errors.UnreadableAnswerError is type(refused(call, said(200, body)))


@pytest.mark.parametrize("call", [endpoints.get_resource(PIPELINE, "orders"), endpoints.get_pipeline_run("orders", 7)])
@pytest.mark.parametrize("body", [b"", [], [{}], "orders", 7])
def test_an_object_that_is_none_is_unreadable(call: Call[Any], body: Any) -> None:
    """A route that leads elsewhere is found out here, with the call's name, not in a user's code."""
    error = refused(call, said(200, body))

    assert errors.UnreadableAnswerError is type(error)
    assert f"to: {call.title}, with a body that is not what it documents" in str(error)


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_good(status: int) -> None:
    """Warehouse Sync answers 200 to creates in practice, where the overview says 201."""
    answer, _ = carry_out(endpoints.create_resource(PIPELINE, {"id": "orders", "name": "Orders"}), said(status))

    assert ("orders", "Orders") == (answer.id, answer.name)


@pytest.mark.parametrize(
    ("body", "expected"),
    [({"pipeline_run_id": 7, "status": "trigger_requested"}, 7), ({"pipeline_run_id": "a-7"}, "a-7")],
)
def test_a_trigger_answers_the_id_as_it_came(body: Any, expected: object) -> None:
    """Run ids are integers in the documents, and are carried as given."""
    assert expected == carry_out(TRIGGER, said(200, body))[0]


@pytest.mark.parametrize("body", [b"", b"null", {}, {"status": "trigger_requested"}, {"pipeline_run_id": None}])
def test_a_trigger_that_does_not_say_its_run_answers_none(body: Any) -> None:
    """The run is then looked for; it was started all the same."""
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
    """Audiences may come as a bare array, deletes without a body."""
    assert expected == carry_out(APPS, said(200, body))[0]


def test_an_envelope_with_errors_and_no_data_is_a_refusal() -> None:
    """The status is good, the answer is no."""
    error = refused(APPS, said(200, {"data": None, "errors": [{"code": "7", "message": "Not this app."}]}))

    assert errors.InvalidRequestError is type(error)
    assert (200, ("Not this app.",)) == (error.status, error.reasons)


def test_a_workspace_answer_is_never_unwrapped() -> None:
    """Warehouse Sync answers bare JSON, in which ``data`` would be a field like any other."""
    body = {"data": 1}

    assert body == carry_out(endpoints.request("GET", "/x", Scope.WORKSPACE), said(200, body))[0]


# Secrets that come back

SECRET_BODY = {
    "partner_feed_key": "f33d-key",
    "config": {"user": "ADA", "password": "pa55word", "service_account_key": {"private_key": "pr1vate"}},
    "parts": [{"client_token": "t0ken-in-list"}],
}
ECHO = "cl1ent-s3cret token-1 f33d-key pa55word pr1vate t0ken-in-list ADA"
SHOWN = "*** *** *** *** *** *** ADA"


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"errors": [{"message": ECHO}]}),
        (500, ECHO.encode()),
        (200, b"<p>" + ECHO.encode()),
        (404, {"error": "x", "error_description": ECHO}),
    ],
)
def test_a_secret_that_an_answer_echoes_is_not_shown(scope: Scope, status: int, body: Any) -> None:
    """Validators like to quote what they refuse, and errors end up in logs, XComs and tickets."""
    error = refused(endpoints.request("POST", "/connections", scope, json=SECRET_BODY), said(status, body))

    assert (SHOWN,) == error.reasons
    assert SHOWN in str(error)


def test_a_secret_in_an_envelope_with_a_good_status_is_not_shown() -> None:
    """The Platform API refuses in a 200, too."""
    call = endpoints.request("POST", "/users", Scope.ACCOUNT, json=SECRET_BODY)

    error = refused(call, said(200, {"data": None, "errors": [{"message": ECHO}]}))

    assert (SHOWN,) == error.reasons
    assert "pa55word" not in str(error)


def test_a_token_that_was_renewed_is_not_shown() -> None:
    """After a 401 it is the second token that an answer could echo."""
    error = refused(TRIGGER, said(401), said(500, b"got token-2"))

    assert ("got ***",) == error.reasons


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
