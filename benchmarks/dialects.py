"""
Answers requests about a run as the API of each provider does, with the fields that its trigger reads.

Sources, as of 2025: Fivetran "Connector details", Airbyte "Get Job", dbt Cloud v2 "Retrieve Run", Census "Sync runs";
for mParticle the Warehouse Sync API reference. The number at the end of a pipeline's name is the id of its only run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from benchmarks.runs import IDLE, Runs

# What a login is counted as.
TOKEN = "log in"  # noqa: S105 - a title, not a secret
POLL = "poll a run"

LONG_AGO = "2020-01-01T00:00:00Z"
WORKSPACE = "/platform/v2/workspaces/{workspace}"
PIPELINE = f"{WORKSPACE}/inputs/data-pipelines/{{pipeline}}"


@dataclass(frozen=True)
class Route:
    """One route: what its requests are counted as, and its status and JSON for a request."""

    method: str
    path: str
    kind: str
    answer: Callable[[web.Request], tuple[int, Any]]


def routes(runs: Callable[[], Runs]) -> list[Route]:
    """
    Return the routes of all dialects.

    :param runs: Returns the runs of the current measurement.
    """
    dialects = (_mparticle, _fivetran, _airbyte, _dbt_cloud, _census, _plain)
    return [route for dialect in dialects for route in dialect(runs)]


def _mparticle(runs: Callable[[], Runs]) -> Iterator[Route]:
    def run(pipeline: str) -> dict[str, Any]:
        return {
            "pipeline_id": pipeline,
            "pipeline_run_id": int(pipeline.rpartition("-")[2]),
            "type": "manual",
            "status": "success" if runs().poll(pipeline) else "running",
            "started_on": LONG_AGO,
            "ended_on": None,
            "logical_date": LONG_AGO,
            "successful_records": 1000,
            "failed_records": 0,
            "errors": [],
        }

    def all_runs(request: web.Request) -> list[dict[str, Any]]:
        pipeline = request.match_info["pipeline"]
        has_none = pipeline.startswith(IDLE) and not runs().is_started(pipeline)
        return [] if has_none or request.query.get("currentPage", "1") != "1" else [run(pipeline)]

    def status(request: web.Request) -> tuple[int, Any]:
        latest = next(iter(all_runs(request)), None)
        return 200, {"pipeline_id": request.match_info["pipeline"], "status": "healthy", "latest_pipeline_run": latest}

    def start(request: web.Request) -> tuple[int, Any]:
        pipeline = request.match_info["pipeline"]
        runs().start(pipeline)
        return 200, {"pipeline_run_id": int(pipeline.rpartition("-")[2]), "status": "trigger_requested"}

    def pipeline(request: web.Request) -> tuple[int, Any]:
        pipeline = request.match_info["pipeline"]
        return 200, {"id": pipeline, "name": pipeline, "data_model_id": pipeline}

    def data_model(request: web.Request) -> tuple[int, Any]:
        name = request.match_info["data_model"]
        return 200, {"id": name, "name": name, "type": "sql", "config": {"sql_query": "SELECT id FROM orders"}}

    token = {"access_token": "of-the-fake-api", "expires_in": 28800, "token_type": "Bearer"}
    yield Route("POST", "/oauth/token", TOKEN, lambda _: (200, token))
    yield Route("GET", PIPELINE, "read the pipeline", pipeline)
    yield Route("GET", f"{WORKSPACE}/data-models/{{data_model}}", "read the data model", data_model)
    yield Route("POST", f"{PIPELINE}/trigger", "start a run", start)
    yield Route("GET", f"{PIPELINE}/status", "read the status", status)
    yield Route("GET", f"{PIPELINE}/status/runs", "list the runs", lambda request: (200, all_runs(request)))
    yield Route(
        "GET", f"{PIPELINE}/status/runs/{{run}}", POLL, lambda request: (200, run(request.match_info["pipeline"]))
    )


def _fivetran(runs: Callable[[], Runs]) -> Iterator[Route]:
    def connector(request: web.Request) -> tuple[int, Any]:
        has_ended = runs().poll(request.path)
        return 200, {
            "code": "Success",
            "data": {
                "id": request.match_info["connector"],
                "service": "google_sheets",
                "schema": "sheets",
                "succeeded_at": datetime.now(UTC).isoformat() if has_ended else LONG_AGO,
                "failed_at": None,
                "schedule_type": "manual",
                "status": {"sync_state": "scheduled" if has_ended else "syncing", "setup_state": "connected"},
            },
        }

    yield Route("GET", "/v1/connectors/{connector}", POLL, connector)


def _airbyte(runs: Callable[[], Runs]) -> Iterator[Route]:
    def job(request: web.Request) -> tuple[int, Any]:
        return 200, {
            "jobId": int(request.match_info["job"]),
            "status": "succeeded" if runs().poll(request.path) else "running",
            "jobType": "sync",
            "startTime": LONG_AGO,
            "connectionId": "connection",
            "bytesSynced": 1000,
            "rowsSynced": 1000,
        }

    # It expires after a quarter of an hour, like a token of Airbyte Cloud.
    token = {"access_token": "of-the-fake-api", "expires_in": 900, "token_type": "Bearer"}
    yield Route("POST", "/api/public/v1/applications/token", TOKEN, lambda _: (200, token))
    yield Route("GET", "/api/public/v1/jobs/{job}", POLL, job)


def _dbt_cloud(runs: Callable[[], Runs]) -> Iterator[Route]:
    def run(request: web.Request) -> tuple[int, Any]:
        has_ended = runs().poll(request.path)
        details = {"id": int(request.match_info["run"]), "status": 10 if has_ended else 3, "is_complete": has_ended}
        return 200, {"status": {"code": 200, "is_success": True}, "data": details}

    yield Route("GET", "/api/v2/accounts/{account}/runs/{run}/", POLL, run)


def _census(runs: Callable[[], Runs]) -> Iterator[Route]:
    def run(request: web.Request) -> tuple[int, Any]:
        state = "completed" if runs().poll(request.path) else "working"
        details = {"id": int(request.match_info["run"]), "status": state, "records_processed": 1000}
        return 200, {"status": "success", "data": details}

    yield Route("GET", "/api/v1/sync_runs/{run}", POLL, run)


def _plain(runs: Callable[[], Runs]) -> Iterator[Route]:
    def run(request: web.Request) -> tuple[int, Any]:
        return (200, {"status": "success"}) if runs().poll(request.path) else (404, {"status": "running"})

    yield Route("GET", "/plain/runs/{run}", POLL, run)
