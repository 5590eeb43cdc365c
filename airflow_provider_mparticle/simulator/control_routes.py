"""
Serves the simulator's own routes under ``/_simulator``, for users with curl.

They need no token. So they refuse what a web page of another origin can send: a ``Host`` that is not this machine (DNS
rebinding), and another ``Origin``. They are not recorded or counted, and faults do not affect them. JSON has
no datetimes, so a row of a source contains its instants as text, and a query compares them as text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.simulator.faults import fault_from_json
from airflow_provider_mparticle.simulator.http_messages import (
    Answer,
    JsonObject,
    Refusal,
    Request,
    error_answer,
    json_answer,
)
from airflow_provider_mparticle.simulator.router import Route, Router

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_mparticle.simulator.mparticle import MParticle

BASE = "/_simulator"

# The names of this machine for its own clients. A page from another host cannot set this header.
_LOOPBACK_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?", re.ASCII)


def concerns(request: Request) -> bool:
    """Return whether the request is for the simulator itself, and not for mParticle."""
    return request.path == BASE or request.path.startswith(BASE + "/")


def answer(router: Router, request: Request) -> Answer:
    """Answer a control request from this machine, or 403 if a web page of another origin may have sent it."""
    try:
        _check_origin(request)
        return router.answer(request)
    except Refusal as refusal:
        return error_answer(refusal)


def _check_origin(request: Request) -> None:
    host = request.headers.get("host", "").lower()
    if not _LOOPBACK_HOST.fullmatch(host):
        raise Refusal(403, f"Control routes answer only 127.0.0.1 and localhost, not the host {host!r}.")
    origin = request.headers.get("origin", "").lower()
    if origin not in ("", f"http://{host}"):
        raise Refusal(403, f"Control routes refuse web pages of another origin, here {origin!r}.")


def build_router(simulator: MParticle) -> Router:
    """Return the table of control routes."""
    return Router(
        [
            Route("GET", BASE, lambda _: json_answer(simulator.overview())),
            Route("GET", BASE + "/requests", lambda _: json_answer(simulator.requests)),
            *_fault_routes(simulator),
            *_login_routes(simulator),
            *_pipeline_routes(simulator),
            *_warehouse_routes(simulator),
        ]
    )


def _fault_routes(simulator: MParticle) -> list[Route]:
    def inject(request: Request) -> Answer:
        simulator.inject(fault_from_json(_fields(request)))
        return json_answer({"faults": simulator.overview()["faults"]})

    def clear(_: Request) -> Answer:
        simulator.clear_faults()
        return json_answer({"faults": []})

    return [Route("POST", BASE + "/faults", inject), Route("DELETE", BASE + "/faults", clear)]


def _login_routes(simulator: MParticle) -> list[Route]:
    def expire(_: Request) -> Answer:
        simulator.expire_tokens()
        return json_answer({"expired": simulator.tokens_minted})

    def rotate(request: Request) -> Answer:
        _called(simulator.rotate_credentials, **_fields(request))
        return json_answer({"client_id": simulator.client_id})

    return [Route("POST", BASE + "/tokens/expire", expire), Route("POST", BASE + "/credentials", rotate)]


def _pipeline_routes(simulator: MParticle) -> list[Route]:
    def add_pipeline(request: Request) -> Answer:
        fields = _fields(request)
        pipeline_id = fields.pop("id", None)
        if not isinstance(pipeline_id, str):
            raise Refusal(400, "id is required.")
        return json_answer(_called(simulator.add_pipeline, pipeline_id, **fields))

    def add_run(request: Request, pipeline_id: str) -> Answer:
        return json_answer(_called(simulator.add_run, pipeline_id, **_fields(request)))

    def end_runs(request: Request) -> Answer:
        return json_answer({"ended": _called(simulator.end_runs, **_fields(request))})

    def script(request: Request, pipeline_id: str) -> Answer:
        _called(simulator.script_next_run, pipeline_id, **_fields(request))
        return json_answer({"scripted": pipeline_id})

    one = BASE + "/pipelines/{pipeline_id}"
    return [
        Route("POST", BASE + "/pipelines", add_pipeline),
        Route("POST", one + "/runs", add_run),
        Route("POST", one + "/script", script),
        Route("POST", BASE + "/runs/end", end_runs),
    ]


def _warehouse_routes(simulator: MParticle) -> list[Route]:
    def add_source(request: Request) -> Answer:
        _called(simulator.add_source, **_fields(request))
        return json_answer(_counted(simulator.ingested()))

    def ingested(request: Request) -> Answer:
        return json_answer(_counted(simulator.ingested(request.query.get("pipeline_id"))))

    return [Route("POST", BASE + "/sources", add_source), Route("GET", BASE + "/ingested", ingested)]


def _counted(times: dict[Any, int]) -> JsonObject:
    """Return a summary of how often the rows were ingested."""
    return {
        "rows": len(times),
        "never": [key for key, count in times.items() if count == 0],
        "once": sum(count == 1 for count in times.values()),
        "more": {str(key): count for key, count in times.items() if count > 1},
    }


def _fields(request: Request) -> JsonObject:
    """Return the body as named values. Any content type is accepted, because curl sends that of a form."""
    if not request.raw:
        return {}
    fields = request.json()
    if not isinstance(fields, dict):
        raise Refusal(400, "The request body must be a JSON object.")
    return fields


def _called(act: Callable[..., Any], *arguments: Any, **fields: Any) -> Any:
    """Call a function with the values of a request. 400 names the value that it does not accept."""
    try:
        return act(*arguments, **fields)
    except TypeError as error:
        raise Refusal(400, str(error)) from error
