"""
Answers that hypothesis generates, over real sockets and both drivers: each call ends with a result or our error.

``HOSTILE_EXAMPLES`` is the number of examples for each driver. ``make fuzz`` tries many.
"""

from __future__ import annotations

import gzip
import json
import os
import time
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hostile_calls import DRIVERS, config_for
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from raw_server import RawServer, dripping

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.client.resource_kinds import PIPELINE
from airflow_provider_mparticle.runs.outcome import Outcome

EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "75"))
LIMIT_S = 0.3
# A busy machine may need long for 0.3 s of work, but an exchange without a limit never ends.
GIVE_UP_S = 60.0

CALLS: list[Call[Any]] = [
    endpoints.get_resource(PIPELINE, "orders"),
    endpoints.list_resources(PIPELINE),
    endpoints.trigger_pipeline("orders"),
    endpoints.get_pipeline_status("orders"),
    endpoints.get_pipeline_run("orders", 7),
    endpoints.list_pipeline_runs("orders"),
    endpoints.request("GET", "/apps", endpoints.Scope.ACCOUNT),
    endpoints.request("POST", "/apps", endpoints.Scope.ACCOUNT, json={"name": "Kiosk"}),
    endpoints.delete_resource(PIPELINE, "orders"),
]

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=30)
)
SURROGATES = st.text(st.characters(categories=["Cs", "Ll"]), max_size=5)
NAMES = st.sampled_from(
    [
        *("pipeline_run_id", "pipeline_id", "id", "status", "state", "errors", "message", "data", "items", "results"),
        *("started_on", "ended_on", "logical_date", "successful_records", "failed_records", "latest_pipeline_run"),
        *("access_token", "expires_in", "error", "error_description", "sync_mode", "schedule", "name", "config"),
    ]
)
JSON = st.recursive(
    SCALARS | SURROGATES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=5), inner, max_size=5),
    max_leaves=15,
)
DEEP = st.integers(100, 50_000).map(lambda depth: b"[" * depth + b"]" * depth)
BODIES = (
    JSON.map(lambda value: json.dumps(value).encode())
    | DEEP
    | st.binary(max_size=200)
    | st.sampled_from(
        [b"", b"null", b"<html>" + b"<" * 60_000, b'"' + b"\\ud83d" * 9 + b'"', b"\xff\xfe", b" " * 70_000]
    )
)
STATUSES = st.sampled_from([200, 200, 200, 201, 202, 204, 302, 400, 401, 404, 408, 421, 429, 499, 500, 503, 505]) | (
    st.integers(0, 1200)
)
CODINGS = {"gzip": gzip.compress, "deflate": zlib.compress, "br": bytes, "gzip, gzip": gzip.compress, "": bytes}
HEADERS = st.lists(
    st.sampled_from(
        [
            *(b"Retry-After: 1", b"Retry-After: -1", b"Retry-After: " + b"9" * 400, b"Retry-After: Fri, 31 Dec 1999"),
            *(b"X-mp-rate-limit-percentage-used: NaN", b"X-mp-rate-limit-percentage-used: 1e999", b"Set-Cookie: a=b"),
            *(b"Location: http://[", b"Content-Type: \xff", b"Connection: close", b"Upgrade: h2c", b"Date: yesterday"),
            *(b"no colon", b": no name", b" folded: a", b"X-Long: " + b"a" * 9000, b"WWW-Authenticate: Basic"),
        ]
    )
    | st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"")),
    max_size=4,
)


@st.composite
def answers(draw: st.DrawFn) -> list[bytes | float]:
    """Draw the pieces that a server sends."""
    status, coding, body = draw(STATUSES), draw(st.sampled_from([*CODINGS, "", ""])), draw(BODIES)
    packed = CODINGS[coding](body)
    head = [f"HTTP/1.1 {status} {draw(st.sampled_from(['OK', '', 'x' * 100]))}".encode(), *draw(HEADERS)]
    if coding:
        head.append(f"Content-Encoding: {coding}".encode())
    match draw(st.sampled_from(["length", "length", "wrong length", "chunked", "bad chunks", "until closed"])):
        case "length":
            head.append(b"Content-Length: %d" % len(packed))
        case "wrong length":
            wrong = draw(st.sampled_from([b"-1", b"abc", b"9" * 30, b"0", b"%d" % (len(packed) + 5), b"3, 4"]))
            head.append(b"Content-Length: " + wrong)
        case "chunked":
            head.append(b"Transfer-Encoding: chunked")
            packed = b"%x\r\n" % len(packed) + packed + b"\r\n0\r\n\r\n" if packed else b"0\r\n\r\n"
        case "bad chunks":
            head.append(b"Transfer-Encoding: chunked")
            packed = (
                draw(st.sampled_from([b"zz\r\n", b"-5\r\n", b"ffffffffffffffff\r\n", b"5;" + b"a" * 70_000])) + packed
            )
        case _:
            head.append(b"Connection: close")
    first = draw(
        st.sampled_from([b"", b"", b"", b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n", b"HTTP/1.1 100 \r\n\r\n"])
    )
    whole = first + b"\r\n".join(head) + b"\r\n\r\n" + packed
    return draw(sendings(whole))


@st.composite
def sendings(draw: st.DrawFn, whole: bytes) -> list[bytes | float]:
    """Draw how they are sent: at once, in two pieces, cut off, byte by byte, followed by more, or without an end."""
    cut = draw(st.integers(0, len(whole)))
    match draw(st.sampled_from(["at once"] * 4 + ["pieces", "cut", "cut", "drip", "more", "hang"])):
        case "pieces":
            return [whole[:cut], 0.001, whole[cut:]]
        case "cut":
            return [whole[:cut]]
        case "drip":
            return [whole[:cut], *dripping(whole[cut : cut + 30], 0.02)]
        case "more":
            return [whole, whole]
        case "hang":
            return [whole[:cut], 2 * LIMIT_S]
        case _:
            return [whole]


@pytest.fixture(scope="module")
def shared_server() -> Iterator[RawServer]:
    """One server for all examples."""
    with RawServer(lambda _: []) as server:
        yield server


def ends(driver: str, call: Call[Any], server: RawServer, *, is_logged_in: bool) -> Any:
    """Return the result of a call or our error. Raise any other error."""
    began = time.monotonic()
    try:
        return DRIVERS[driver](call, config_for(server.url, LIMIT_S, is_logged_in=is_logged_in))
    except MParticleError as error:
        return error
    finally:
        assert time.monotonic() - began < GIVE_UP_S


settings.register_profile("hostile", deadline=None, max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("driver", DRIVERS)
@settings(settings.get_profile("hostile"))
@given(answer=answers(), call=st.sampled_from(CALLS))
def test_any_answer_ends_a_call(shared_server: RawServer, driver: str, answer: list[Any], call: Call[Any]) -> None:
    """It ends with the answer to the call, or with an error whose class names the cause and that can be stored."""
    shared_server.script = lambda _: answer

    result = ends(driver, call, shared_server, is_logged_in=True)

    event(type(result).__name__ if isinstance(result, MParticleError) else "a result")
    if isinstance(result, MParticleError):
        stored = Outcome({"pipeline_id": "orders"}, result).as_event()
        assert msgspec.msgpack.encode(stored)
        assert json.dumps(stored)
        assert "t0ken-of-the-test" not in str(stored)


@pytest.mark.parametrize("driver", DRIVERS)
@settings(settings.get_profile("hostile"), max_examples=max(1, EXAMPLES // 3))
@given(answer=answers())
def test_any_answer_to_the_login_ends_a_call(shared_server: RawServer, driver: str, answer: list[Any]) -> None:
    """The trigger request was certainly not sent, unless the answer had a token."""
    shared_server.script = lambda head: (
        answer if b"/oauth/token" in head.split(b"\r\n")[0] else [b"HTTP/1.1 204 \r\n\r\n"]
    )

    result = ends(driver, endpoints.trigger_pipeline("orders"), shared_server, is_logged_in=False)

    event(type(result).__name__ if isinstance(result, MParticleError) else "a result")
    assert not isinstance(result, MParticleError) or not result.may_have_executed
