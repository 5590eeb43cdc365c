"""Logs the received requests, without their secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_mparticle.simulator.http_messages import JsonObject, Request

# Fields that a request may have, but a log must not.
_SECRET_FIELDS = {"client_secret", "password", "partner_feed_key", "service_account_key", "access_token"}
_SECRET_HEADERS = {"authorization", "cookie"}


def without_secrets(value: Any) -> Any:
    """Return a copy of JSON without the fields that contain secrets, at any depth."""
    if isinstance(value, dict):
        return {name: without_secrets(part) for name, part in value.items() if name not in _SECRET_FIELDS}
    if isinstance(value, list):
        return [without_secrets(part) for part in value]
    return value


class RequestLog:
    """The requests received so far, oldest first. Not thread-safe: the caller holds the lock."""

    def __init__(self) -> None:
        self._entries: list[JsonObject] = []

    def add(self, request: Request, at: float) -> JsonObject:
        """Record a request when it arrives. Its result is added later."""
        entry: JsonObject = {
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "headers": {k: v for k, v in request.headers.items() if k not in _SECRET_HEADERS},
            "body": without_secrets(request.json_or_none()),
            "status": None,
            "fault": False,
            "at": at,
        }
        self._entries.append(entry)
        return entry

    def entries(self) -> list[JsonObject]:
        """Return a copy of the log."""
        return [dict(entry) for entry in self._entries]

    def count(self, method: str | None, text: str) -> int:
        """Return how many requests had this method (None: any) and this text in their path."""
        return sum(method in (None, e["method"]) and text in e["path"] for e in self._entries)

    def by_route(self) -> dict[str, int]:
        """Return how many requests each method and path received."""
        counts: dict[str, int] = {}
        for entry in self._entries:
            key = f"{entry['method']} {entry['path']}"
            counts[key] = counts.get(key, 0) + 1
        return counts
