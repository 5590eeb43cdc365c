"""
Serves the routes of Warehouse Sync below the workspace.

Source: Warehouse Sync API reference for the resources and the v2 base; v1 reference for ``/data-pipelines``.

Assumed, the documentation does not say:
- the v2 paths below ``/inputs/data-pipelines`` and ``/field-transformations``;
- ``currentPage`` counts from 1, ``pageSize`` is 100 if not sent, and a number below 1 answers 400;
- lists are bare arrays, single answers bare objects;
- a trigger answers 200 and ignores a body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_provider_mparticle.simulator.http_messages import Answer, Refusal, Request, json_answer
from airflow_provider_mparticle.simulator.resources import Kind
from airflow_provider_mparticle.simulator.router import Act, Route
from airflow_provider_mparticle.simulator.timestamps import unix

if TYPE_CHECKING:
    from airflow_provider_mparticle.simulator.habits import Habits
    from airflow_provider_mparticle.simulator.workspace import Workspace

V2_BASE = "/platform/v2/workspaces/{workspace_id}"


def workspace_routes(workspace: Workspace) -> list[Route]:
    """Return all routes below the v2 base of this workspace. Other workspaces answer 404 (no access)."""
    rows = [
        *resource_routes(workspace, Kind.CONNECTION, "/connections"),
        *resource_routes(workspace, Kind.DATA_MODEL, "/data-models"),
        *resource_routes(workspace, Kind.FIELD_TRANSFORMATION, "/field-transformations"),
        *pipeline_routes(workspace),
    ]
    return [Route(row.method, V2_BASE + row.path, only_here(workspace, row.act)) for row in rows]


def only_here(workspace: Workspace, act: Act) -> Act:
    """Answer 404 for every other workspace (Platform API overview, "Status codes": 404)."""

    def checked(request: Request, *, workspace_id: str, **names: str) -> Answer:
        if workspace_id != str(workspace.workspace_id):
            raise Refusal(404, f"Workspace {workspace_id} does not exist, or this credential has no access to it.")
        return act(request, **names)

    return checked


def resource_routes(workspace: Workspace, kind: Kind, path: str) -> list[Route]:
    """Return the five routes of a kind of resource."""
    resources = workspace.resources

    def listing(request: Request) -> Answer:
        return json_answer(resources.list_all(kind, request.query.get("serviceProvider")))

    def create(request: Request) -> Answer:
        return json_answer(resources.create(kind, request.json_object()))

    def get(_: Request, resource_id: str) -> Answer:
        return json_answer(resources.get(kind, resource_id))

    def update(request: Request, resource_id: str) -> Answer:
        resources.stored(kind, resource_id)
        return json_answer(resources.update(kind, resource_id, request.json_object()))

    def delete(_: Request, resource_id: str) -> Answer:
        resources.delete(kind, resource_id)
        return Answer(202)

    one = path + "/{resource_id}"
    return [
        Route("GET", path, listing),
        Route("POST", path, create),
        Route("GET", one, get),
        Route("PUT", one, update),
        Route("DELETE", one, delete),
    ]


@dataclass(frozen=True)
class PipelinePaths:
    """The paths of the calls for pipelines."""

    pipelines: str
    trigger: str
    status: str
    runs: str


_ONE = "/{pipeline_id}"
PATHS = {
    "v2": PipelinePaths(
        pipelines="/inputs/data-pipelines",
        trigger=f"/inputs/data-pipelines{_ONE}/trigger",
        status=f"/inputs/data-pipelines{_ONE}/status",
        runs=f"/inputs/data-pipelines{_ONE}/status/runs",
    ),
    "v1": PipelinePaths(
        pipelines="/data-pipelines",
        trigger=f"/data-pipelines{_ONE}",
        status=f"/data-pipelines{_ONE}/report",
        runs=f"/data-pipelines{_ONE}/runs",
    ),
}


def route_overrides(layout: str) -> dict[str, str]:
    """Return the pipeline routes of a layout with the names that the Airflow connection uses."""
    paths = PATHS[layout]
    return {
        "pipelines": paths.pipelines,
        "pipeline": paths.pipelines + _ONE,
        "trigger_pipeline": paths.trigger,
        "pipeline_status": paths.status,
        "pipeline_runs": paths.runs,
        "pipeline_run": paths.runs + "/{pipeline_run_id}",
    }


def pipeline_routes(workspace: Workspace) -> list[Route]:
    """Return the routes for pipelines, with the paths of the layout."""
    paths = PATHS[workspace.habits.layout]

    def create(request: Request) -> Answer:
        return json_answer(workspace.create_pipeline(request.json_object()))

    def delete(_: Request, resource_id: str) -> Answer:
        workspace.delete_pipeline(resource_id)
        return Answer(202)

    def trigger(_: Request, pipeline_id: str) -> Answer:
        return trigger_answer(workspace.habits, workspace.trigger(pipeline_id).run_id)

    def status(_: Request, pipeline_id: str) -> Answer:
        return json_answer(workspace.status(pipeline_id))

    return [
        Route("POST", paths.pipelines, create),
        Route("DELETE", paths.pipelines + "/{resource_id}", delete),
        Route("POST", paths.trigger, trigger),
        Route("GET", paths.status, status),
        *(run_routes(workspace, paths.runs) if workspace.habits.run_routes else []),
        *resource_routes(workspace, Kind.PIPELINE, paths.pipelines),
    ]


def trigger_answer(habits: Habits, run_id: int) -> Answer:
    """Return the answer to a successful trigger. The real one may be empty."""
    if habits.trigger_answer == "empty":
        return Answer()
    said = {"status": "trigger_requested"}
    return json_answer(said if habits.trigger_answer == "no_id" else {"pipeline_run_id": run_id, **said})


def run_routes(workspace: Workspace, path: str) -> list[Route]:
    """Return the routes for the list of runs and for one run."""

    def listing(request: Request, pipeline_id: str) -> Answer:
        runs = workspace.list_runs(
            pipeline_id,
            page=_number(request, "currentPage", 1),
            page_size=_number(request, "pageSize", 100),
            since=unix(request.query.get("startDate"), "startDate"),
            until=unix(request.query.get("endDate"), "endDate"),
        )
        return json_answer(runs)

    def get(_: Request, pipeline_id: str, pipeline_run_id: str) -> Answer:
        return json_answer(workspace.get_run(pipeline_id, pipeline_run_id))

    return [Route("GET", path, listing), Route("GET", path + "/{pipeline_run_id}", get)]


def _number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 9 and int(text) >= 1):
        raise Refusal(400, f"{name} must be a whole number from 1.")
    return int(text)
