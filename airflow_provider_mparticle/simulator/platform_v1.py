"""
Simulates the Platform API v1, with a small account that callers can read and change.

Source: Platform API overview ("Query parameters", "Status codes", "Response body") and each group's page.

Assumed, the documentation does not say:
- ``data`` is a list, also for one object; ``errors`` is null if there are none;
- the audiences of a workspace come as a bare array, those of the account in the envelope;
- POST answers 201 and PUT 202 with the object; DELETE answers 202 without a body;
- the fields other than the ids and names shown here; all fields that are sent are stored unchanged;
- calculated attributes are bare JSON below the v2 base, and can only be read.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.simulator.http_messages import Answer, JsonObject, Refusal, Request, json_answer
from airflow_provider_mparticle.simulator.router import Act, Route
from airflow_provider_mparticle.simulator.workspace_routes import V2_BASE, only_here

if TYPE_CHECKING:
    from airflow_provider_mparticle.simulator.workspace import Workspace

V1_BASE = "/v1"


def envelope(data: Any, data_type: str, status: int = 200) -> Answer:
    """Wrap an answer as the Platform API does (Platform API overview, "Response body")."""
    return json_answer({"data": data, "dataType": data_type, "errors": None}, status)


def platform_error_answer(refusal: Refusal) -> Answer:
    """Return a refusal in the envelope."""
    errors = [{"code": str(refusal.status), "message": message} for message in refusal.messages]
    body = {"data": None, "dataType": "error", "errors": errors}
    return json_answer(body, refusal.status, refusal.headers)


class Platform:
    """The content of an account. Not thread-safe: the caller holds the lock."""

    def __init__(self, account_id: int, workspace_id: int) -> None:
        self.account_id = account_id
        self.workspace_id = workspace_id
        self._held = _sample_account(account_id, workspace_id)
        self._datapoints: dict[str, list[JsonObject]] = {}
        self._next_id = 9001

    def list_all(self, group: str) -> list[JsonObject]:
        """Return all items of a group."""
        return copy.deepcopy(self._held[group])

    def get(self, group: str, key: str, value: str) -> JsonObject:
        """Return the item whose *key* is *value*, or 404."""
        for one in self._held[group]:
            if str(one[key]) == value:
                return one
        raise Refusal(404, f"This account has no {group} {value!r}.")

    def create(self, group: str, body: JsonObject) -> JsonObject:
        """Add an item with the next free id."""
        created = {**body, "id": self._next_id}
        self._next_id += 1
        self._held[group].append(created)
        return created

    def update(self, group: str, one_id: str, body: JsonObject) -> JsonObject:
        """Replace the sent fields of an item."""
        one = self.get(group, "id", one_id)
        one.update({**body, "id": one["id"]})
        return one

    def delete(self, group: str, one_id: str) -> None:
        """Remove an item."""
        self._held[group].remove(self.get(group, "id", one_id))

    def datapoints(self, app_id: str, replacement: list[JsonObject] | None = None) -> list[JsonObject]:
        """Return the data points of an app, after replacing them if a replacement is passed."""
        self.get("app", "id", app_id)
        if replacement is not None:
            self._datapoints[app_id] = replacement
        return self._datapoints.get(app_id, [{"id": 1, "name": "Session Start", "enabled": True}])


def platform_routes(platform: Platform, workspace: Workspace) -> list[Route]:
    """Return every v1 route of the contract, with a check of ``accountId``, and calculated attributes (v2)."""
    rows = [
        *_crud_routes(platform, "account", "/accounts"),
        *_crud_routes(platform, "app", "/apps"),
        *_app_routes(platform),
        *_audience_routes(platform, workspace),
        *_feed_routes(platform, workspace),
        *_read_routes(platform, "service", "/services", "name"),
        *_read_routes(platform, "user", "/users", "email"),
        Route("GET", "/workspace", _listing(platform, "workspace")),
    ]
    v1 = [Route(row.method, V1_BASE + row.path, _only_account(platform, row.act)) for row in rows]
    return v1 + _calculated_attribute_routes(platform, workspace)


def _only_account(platform: Platform, act: Act) -> Act:
    """Answer 401 without ``accountId``, and 404 with another account (Platform API overview, "Query parameters")."""

    def checked(request: Request, **names: str) -> Answer:
        account_id = request.query.get("accountId")
        if not account_id:
            raise Refusal(401, "Unauthorized: the query parameter accountId is missing.")
        if account_id != str(platform.account_id):
            raise Refusal(404, f"Account {account_id} does not exist, or this credential has no access to it.")
        return act(request, **names)

    return checked


def _listing(platform: Platform, group: str) -> Act:
    return lambda _: envelope(platform.list_all(group), group)


def _read_routes(platform: Platform, group: str, path: str, key: str) -> list[Route]:
    def get(_: Request, value: str) -> Answer:
        return envelope([platform.get(group, key, value)], group)

    return [Route("GET", path, _listing(platform, group)), Route("GET", path + "/{value}", get)]


def _crud_routes(platform: Platform, group: str, path: str) -> list[Route]:
    def create(request: Request) -> Answer:
        return envelope([platform.create(group, request.json_object())], group, 201)

    def update(request: Request, value: str) -> Answer:
        return envelope([platform.update(group, value, request.json_object())], group, 202)

    def delete(_: Request, value: str) -> Answer:
        platform.delete(group, value)
        return Answer(202)

    return [
        *_read_routes(platform, group, path, "id"),
        Route("POST", path, create),
        Route("PUT", path + "/{value}", update),
        Route("DELETE", path + "/{value}", delete),
    ]


def _app_routes(platform: Platform) -> list[Route]:
    def platforms(_: Request, app_id: str) -> Answer:
        return envelope(platform.get("app", "id", app_id).get("platforms", []), "platform")

    def read(_: Request, app_id: str) -> Answer:
        return envelope(platform.datapoints(app_id), "datapoint")

    def replace(request: Request, app_id: str) -> Answer:
        points = request.json()
        if not isinstance(points, list):
            raise Refusal(400, "Send the data points as a JSON array.")
        return envelope(platform.datapoints(app_id, points), "datapoint", 202)

    return [
        Route("GET", "/apps/{app_id}/platforms", platforms),
        Route("GET", "/apps/{app_id}/datapoints", read),
        Route("PUT", "/apps/{app_id}/datapoints", replace),
    ]


def _audience_routes(platform: Platform, workspace: Workspace) -> list[Route]:
    def of_workspace(_: Request) -> Answer:
        return json_answer(platform.list_all("audience"))

    def delete(_: Request, audience_id: str) -> Answer:
        platform.delete("audience", audience_id)
        return Answer(202)

    return [
        Route("GET", "/audiences", _listing(platform, "audience")),
        Route("GET", "/workspace/{workspace_id}/audiences", only_here(workspace, of_workspace)),
        Route("DELETE", "/audiences/{audience_id}", delete),
    ]


def _feed_routes(platform: Platform, workspace: Workspace) -> list[Route]:
    def create(request: Request) -> Answer:
        return envelope([platform.create("partnerfeed", request.json_object())], "partnerfeed", 201)

    def get(_: Request, feed_id: str) -> Answer:
        return envelope([platform.get("partnerfeed", "id", feed_id)], "partnerfeed")

    path = "/workspace/{workspace_id}/partnerfeeds"
    return [
        Route("GET", path, only_here(workspace, _listing(platform, "partnerfeed"))),
        Route("POST", path, only_here(workspace, create)),
        Route("GET", "/partnerfeeds/{feed_id}", get),
    ]


def _calculated_attribute_routes(platform: Platform, workspace: Workspace) -> list[Route]:
    def listing(_: Request) -> Answer:
        return json_answer(platform.list_all("calculatedattribute"))

    def get(_: Request, attribute_id: str) -> Answer:
        return json_answer(platform.get("calculatedattribute", "id", attribute_id))

    path = V2_BASE + "/calculatedattributes"
    return [
        Route("GET", path, only_here(workspace, listing)),
        Route("GET", path + "/{attribute_id}", only_here(workspace, get)),
    ]


def _sample_account(account_id: int, workspace_id: int) -> dict[str, list[JsonObject]]:
    return {
        "account": [{"id": account_id, "name": "Simulated account"}],
        "workspace": [{"id": workspace_id, "name": "Simulated workspace", "accountId": account_id}],
        "app": [
            {
                "id": 501,
                "name": "Shop",
                "platforms": [{"id": 601, "name": "iOS"}, {"id": 602, "name": "Android"}],
            },
            {"id": 502, "name": "Shop web", "platforms": [{"id": 603, "name": "Web"}]},
        ],
        "audience": [
            {"id": 701, "name": "Customers of the last 30 days", "workspaceId": workspace_id, "size": 1200},
            {"id": 702, "name": "Newsletter readers", "workspaceId": workspace_id, "size": 340},
        ],
        "partnerfeed": [
            {"id": 11, "name": "Warehouse orders", "workspaceId": workspace_id, "environment": "development"},
            {
                "id": 12,
                "name": "Warehouse customers",
                "workspaceId": workspace_id,
                "environment": "production",
            },
        ],
        "service": [{"name": "Snowflake", "type": "input"}, {"name": "Amplitude", "type": "output"}],
        "user": [{"email": "ada@example.com", "name": "Ada", "roles": ["Admin"]}],
        "calculatedattribute": [{"id": 801, "name": "Lifetime value", "status": "active"}],
    }
