"""Servers that store values in a form of their own: a simulator whose answers and PUTs are rewritten."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.http_messages import Answer, Request
from airflow_provider_mparticle.simulator.resources import FIELDS, Kind

KINDS = {
    "connections": Kind.CONNECTION,
    "data-models": Kind.DATA_MODEL,
    "field-transformations": Kind.FIELD_TRANSFORMATION,
    "data-pipelines": Kind.PIPELINE,
}
WORDS = ("state", "type", "environment", "service_provider", "destination_type", "mapping_type", "frequency")
MASKS = ("", "****", "[REDACTED]", "xxxx", "********", "•••", "<hidden>")


class StrangeSimulator(Simulator):
    """
    A simulator with behaviour that the documentation does not define.

    :param rewrite: Turns a resource into the form in which it is shown. Default: as it is.
    :param put_replaces: Whether a PUT replaces the whole resource, secrets included. Default: it merges.
    :param merges_dicts: Whether a PUT that merges also merges each dict in the resource. Default: it replaces them.
    """

    def __init__(
        self,
        rewrite: Callable[[dict[str, Any]], Any] = dict,
        put_replaces: bool = False,
        merges_dicts: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.rewrite = rewrite
        self.put_replaces = put_replaces
        self.merges_dicts = merges_dicts

    def _respond(self, request: Request) -> Answer | None:
        kind = next((kind for name, kind in KINDS.items() if f"/{name}" in request.path), None)
        if kind is None or "/platform/v2" not in request.path:
            return super()._respond(request)
        if request.method == "PUT" and self.put_replaces:
            request = self._as_replacement(kind, request)
        if request.method == "PUT" and self.merges_dicts:
            request = self._with_merged_dicts(kind, request)
        answer = super()._respond(request)
        if answer is None or answer.status >= 300 or not answer.body:
            return answer
        shown = json.loads(answer.body)
        shown = [self.rewrite(one) for one in shown] if isinstance(shown, list) else self.rewrite(shown)
        return replace(answer, body=json.dumps(shown).encode())

    def _as_replacement(self, kind: Kind, request: Request) -> Request:
        body = json.loads(request.raw)
        resource_id = request.path.rsplit("/", 1)[-1]
        stored = self._workspace.resources.stored(kind, resource_id)
        for name in set(stored.get("config") or {}) - set(body.get("config") or {}):
            stored["config"].pop(name)
        return replace(request, raw=json.dumps({**FIELDS[kind], **body, "id": resource_id}).encode())

    def _with_merged_dicts(self, kind: Kind, request: Request) -> Request:
        body = json.loads(request.raw)
        stored = self._workspace.resources.stored(kind, request.path.rsplit("/", 1)[-1])
        for name, part in body.items():
            if isinstance(part, dict) and isinstance(stored.get(name), dict):
                merged = {**stored[name], **part}
                body[name] = {field: value for field, value in merged.items() if value is not None}
        return replace(request, raw=json.dumps(body).encode())


class Spelling:
    """Writes a resource in another spelling at each answer, and adds defaults; the meaning is the same."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - not for secrets

    def __call__(self, resource: dict[str, Any]) -> dict[str, Any]:
        """Return the resource in another spelling."""
        shown = {name: self._spelled(name, value) for name, value in resource.items()}
        if shown.get("partner_feed_key"):
            shown["partner_feed_key"] = self._random.choice(MASKS)
        if "service_provider" in shown and isinstance(shown.get("config"), dict):
            secret = "service_account_key" if "project_id" in shown["config"] else "password"
            shown["config"] = {**shown["config"], secret: self._random.choice(MASKS)}
        if isinstance(shown.get("sync_mode"), dict):
            shown["sync_mode"] = {"time_zone": "UTC", "until": None, **shown["sync_mode"]}
        if isinstance(shown.get("schedule"), dict):
            shown["schedule"] = {"end": "9999-12-31T23:59:59Z", "delay": "0d", **shown["schedule"]}
        return {**shown, "owner": None, "version": 7}

    def _spelled(self, name: str, value: Any) -> Any:
        pick = self._random.choice
        if isinstance(value, dict):
            parts = [(key, self._spelled(key, part)) for key, part in value.items()]
            self._random.shuffle(parts)
            return dict(parts)
        if isinstance(value, list):
            items = [self._spelled(name, one) for one in value]
            self._random.shuffle(items)
            return [{"source": None, "destination": "", **one} for one in items] if name == "mappings" else items
        if name == "sql_query":
            lines = [f"{line}{pick(('', ' ', '  '))}" for line in value.split("\n")]
            return pick(("", "\n", "  ")) + pick(("\n", "\r\n")).join(lines) + pick(("", "\n", " \n"))
        if name in ("from", "until", "start", "end") and value:
            return self._instant(value)
        if name == "delay" and value:
            return pick((value, value.upper(), {"1d": "24h"}.get(value, value), {"1d": "P1D"}.get(value, value)))
        if name in WORDS and isinstance(value, str):
            return pick((value, value.upper(), value.title(), value.replace("_", "-")))
        if name in ("partner_feed_id", "data_plan_version") and value is not None:
            return pick((int(value), str(value)))
        return f"{value} " if name == "name" and pick((True, False)) else value

    def _instant(self, value: str) -> str:
        at = datetime.fromisoformat(value).astimezone(timezone(timedelta(hours=self._random.randint(-11, 11))))
        spelled = (at.isoformat(), at.isoformat(timespec="milliseconds"), at.astimezone(UTC).isoformat()[:19])
        return self._random.choice(spelled)


def truncated(resource: dict[str, Any]) -> dict[str, Any]:
    """Store less than was sent: names of eight letters, no static values, iterator fields in upper case."""
    shown = {**resource, "name": resource["name"][:8]}
    if shown.get("mappings"):
        shown["mappings"] = [{**one, "value": None} for one in shown["mappings"]]
    if (shown.get("sync_mode") or {}).get("iterator_field"):
        mode = shown["sync_mode"]
        shown["sync_mode"] = {**mode, "iterator_field": mode["iterator_field"].upper()}
    if shown.get("data_plan_id"):
        shown["data_plan_id"] = f"plan/{shown['data_plan_id']}"
    return shown


@contextmanager
def serving(simulator: Simulator, environ: Any) -> Iterator[MParticleHook]:
    """Start a simulator, and yield a hook that is connected to it."""
    with simulator:
        environ["AIRFLOW_CONN_MPARTICLE_DEFAULT"] = simulator.airflow_connection_json()
        yield MParticleHook()
