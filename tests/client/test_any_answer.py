"""For any answer of mParticle or a proxy, a call returns or raises our error, and all of it can be stored."""

from __future__ import annotations

import inspect
import json
from typing import Any

import msgspec
from exchanges import CONFIG
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.endpoints import Call, Scope
from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.client.exchange import exchange
from airflow_provider_mparticle.client.login import login
from airflow_provider_mparticle.client.messages import HttpResponse, TokenNeeded
from airflow_provider_mparticle.client.models import PipelineRun, Resource
from airflow_provider_mparticle.client.resource_kinds import KINDS
from airflow_provider_mparticle.client.retrying import is_repeatable

# Every function of `endpoints`, with calls of it.
CALLS_OF: dict[str, list[Call[Any]]] = {
    "list_resources": [endpoints.list_resources(kind) for kind in KINDS],
    "get_resource": [endpoints.get_resource(kind, "orders") for kind in KINDS],
    "create_resource": [endpoints.create_resource(kind, {"id": "orders"}) for kind in KINDS],
    "update_resource": [endpoints.update_resource(kind, "orders", {"name": "Orders"}) for kind in KINDS],
    "delete_resource": [endpoints.delete_resource(kind, "orders") for kind in KINDS],
    "trigger_pipeline": [endpoints.trigger_pipeline("orders")],
    "get_pipeline_status": [endpoints.get_pipeline_status("orders")],
    "list_pipeline_runs": [endpoints.list_pipeline_runs("orders")],
    "get_pipeline_run": [endpoints.get_pipeline_run("orders", 7)],
    "list_audiences": [endpoints.list_audiences()],
    "list_workspaces": [endpoints.list_workspaces()],
    "list_feeds": [endpoints.list_feeds(1)],
    "request": [endpoints.request("GET", "/apps", Scope.ACCOUNT)],
}
CALLS = [call for calls in CALLS_OF.values() for call in calls]
NAMES = [
    *("id", "name", "items", "data", "results", "errors", "message", "status", "pipeline_run_id", "pipeline_id"),
    *("config", "sql_query", "latest_pipeline_run", "started_on", "successful_records", "mappings", "access_token"),
    *("expires_in", "error", "error_description", "sync_mode", "partner_feed_id", "type", "\ud83d"),
]
VALUES = st.one_of(
    st.sampled_from(["orders", 7, 99, "7", "", "..", True, None, "boom \ud83d", "\x00", 10**20, -(10**400), "running"]),
    st.floats(),
    st.text(max_size=8),
    st.integers(),
)
JSON = st.recursive(
    VALUES, lambda part: st.lists(part, max_size=3) | st.dictionaries(st.sampled_from(NAMES), part, max_size=5)
)
BODIES = st.one_of(JSON.map(lambda value: json.dumps(value).encode()), st.binary(max_size=40))
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "x-mp-rate-limit-percentage-used", "location"]),
    st.sampled_from(["5", "9" * 5000, "nan", "-1", "\u0663", "", "Wed, 21 Oct 2015 07:28:00 GMT"]),
)
RESPONSES = st.builds(HttpResponse, st.integers(100, 999) | st.sampled_from([200, 401, 404]), HEADERS, BODIES)


def answered(steps: Any, *responses: HttpResponse) -> Any:
    """Return what a generator returns, or the error that it raises."""
    left, answer = iter(responses), None
    try:
        while True:
            step = steps.send(answer)
            answer = "a-token" if isinstance(step, TokenNeeded) else next(left)
    except StopIteration as done:
        return done.value
    except MParticleError as error:
        return error


def stored(result: Any) -> Any:
    """Return the part of a result that is stored in events, XComs and records."""
    if isinstance(result, MParticleError):
        return {"message": str(result), "facts": result.facts()}
    if isinstance(result, list):
        return [stored(one) for one in result]
    return result.as_dict() if isinstance(result, Resource | PipelineRun) else getattr(result, "details", None)


def test_every_endpoint_is_tried() -> None:
    """A new endpoint needs a call in ``CALLS_OF``."""
    public = {name for name, function in inspect.getmembers(endpoints, inspect.isfunction) if name[0] != "_"}
    defined = {name for name in public if getattr(endpoints, name).__module__ == endpoints.__name__}

    assert defined == set(CALLS_OF), "give CALLS_OF in this file a call of each new endpoint"


@settings(max_examples=300)
@given(st.sampled_from(CALLS), RESPONSES, RESPONSES)
def test_any_answer_is_a_result_or_our_error_and_can_be_stored(
    call: Call[Any], first: HttpResponse, second: HttpResponse
) -> None:
    """One answer that could not be stored ended the triggerer, and every deferred task with it."""
    result = answered(exchange(call, CONFIG), first, second)

    msgspec.msgpack.encode(stored(result))
    msgspec.json.encode(stored(result))
    json.dumps(stored(result), allow_nan=False).encode()


@settings(max_examples=200)
@given(RESPONSES, RESPONSES)
def test_a_start_is_repeated_only_if_it_certainly_started_nothing(first: HttpResponse, second: HttpResponse) -> None:
    """Only a 429 is transient and says that nothing was executed."""
    result = answered(exchange(endpoints.trigger_pipeline("orders"), CONFIG), first, second)

    if isinstance(result, MParticleError) and is_repeatable(result, idempotent=False):
        assert 429 == result.status


@settings(max_examples=200)
@given(RESPONSES)
def test_any_answer_to_a_login_is_a_token_or_our_error(response: HttpResponse) -> None:
    """A token that does not fit into a header is refused."""
    result = answered(login(CONFIG), response)

    assert isinstance(result, MParticleError) or result.value.isascii()
