"""Compares the requests that a simulator recorded with docs/openapi.yaml; only tests use it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from airflow_provider_mparticle.simulator import Simulator

DESCRIPTION = Path(__file__).parents[2] / "docs" / "openapi.yaml"

# The simulator's request log does not have these, so they cannot be required there.
REMOVED = frozenset({"client_secret", "password", "partner_feed_key", "service_account_key", "access_token"})

METHODS = ("get", "post", "put", "delete")
_YamlLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_HERE = "urn:openapi"


@cache
def document() -> dict[str, Any]:
    """The description, read once."""
    with DESCRIPTION.open(encoding="utf-8") as file:
        return yaml.load(file, _YamlLoader)  # noqa: S506 - a safe loader, in C where there is one


def operations() -> set[tuple[str, str]]:
    """The method and the path of every described operation."""
    return {(method.upper(), path) for path, item in document()["paths"].items() for method in METHODS & item.keys()}


@dataclass(frozen=True)
class Operation:
    """The valid requests to one method of one path."""

    method: str
    path: str
    pattern: re.Pattern[str]
    parameters: tuple[Mapping[str, Any], ...]
    body: Mapping[str, Any] | None

    def located(self, place: str) -> dict[str, Mapping[str, Any]]:
        """The parameters of the path or of the query, by name."""
        return {one["name"]: one for one in self.parameters if one["in"] == place}


class Description:
    """
    The operations of an OpenAPI document, and the problems of a request to them.

    :param openapi: The document. It is not changed; what it requires of removed secrets is not asked for.
    """

    def __init__(self, openapi: Mapping[str, Any]) -> None:
        self._document = _without_removed(openapi)
        resource = DRAFT202012.create_resource(self._document)
        self._registry: Registry[Any] = Registry().with_resource(_HERE, resource)
        self.operations = tuple(self._read())

    def problems(self, entry: Mapping[str, Any]) -> list[str]:
        """Return the problems of a request of :attr:`Simulator.requests`; none if it fits."""
        operation, values = self._find(entry["method"], entry["path"])
        if operation is None:
            return [f"{entry['method']} {entry['path']}: the description has no such operation"]
        found = [
            *self._parameter_problems(operation.located("path"), values),
            *self._parameter_problems(operation.located("query"), entry["query"]),
            *self._body_problems(operation, entry),
        ]
        return [f"{entry['method']} {entry['path']}: {problem}" for problem in found]

    def _read(self) -> Iterator[Operation]:
        for path, item in self._document["paths"].items():
            pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
            for method in METHODS & item.keys():
                operation = item[method]
                parameters = (*item.get("parameters", ()), *operation.get("parameters", ()))
                body = operation.get("requestBody")
                yield Operation(
                    method.upper(),
                    path,
                    pattern,
                    tuple(map(self._resolved, parameters)),
                    self._resolved(body) if body else None,
                )

    def _resolved(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in part:
            return part
        place: Any = self._document
        for name in part["$ref"].removeprefix("#/").split("/"):
            place = place[name]
        return self._resolved(place)

    def _find(self, method: str, path: str) -> tuple[Operation | None, dict[str, str]]:
        for operation in self.operations:
            match = operation.pattern.fullmatch(path)
            if match and method == operation.method:
                return operation, {name: unquote(value) for name, value in match.groupdict().items()}
        return None, {}

    def _parameter_problems(self, known: Mapping[str, Any], sent: Mapping[str, str]) -> Iterator[str]:
        yield from (f"unknown parameter {name}" for name in sorted(sent.keys() - known.keys()))
        for name, parameter in known.items():
            if name in sent:
                yield from self._schema_problems(name, parameter["schema"], _read_text(sent[name]), sent[name])
            elif parameter.get("required"):
                yield f"{name} is missing"

    def _body_problems(self, operation: Operation, entry: Mapping[str, Any]) -> Iterator[str]:
        if operation.body is None:
            if entry["body"] is not None:
                yield "it has a body, and should have none"
            return
        content_type = entry["headers"].get("content-type", "").split(";")[0]
        if content_type not in operation.body["content"]:
            yield f"the content type {content_type!r} is not described"
            return
        yield from self._schema_problems("body", operation.body["content"][content_type]["schema"], entry["body"])

    def _schema_problems(self, name: str, schema: Mapping[str, Any], *readings: Any) -> Iterator[str]:
        """Yield problems if no reading fits; a parameter may be read as a number or as text."""
        validator = Draft202012Validator(_from_outside(schema), registry=self._registry)
        if any(map(validator.is_valid, readings)):
            return
        errors = list(validator.iter_errors(readings[0]))
        # A field with a wrong value also counts as one that nothing evaluated; the value is the problem.
        error = best_match([one for one in errors if one.validator != "unevaluatedProperties"] or errors)
        yield f"{name}{error.json_path[1:]}: {error.message}"


@cache
def description() -> Description:
    """The description with which the client is compared, prepared once."""
    return Description(document())


def check_requests(test: pytest.Item, simulators: Iterable[Simulator]) -> None:
    """Fail if a simulator got a request that is not described, unless the test says that it sends such requests."""
    marker = test.get_closest_marker("sends_anything")
    if marker:
        assert marker.kwargs.get("reason"), "sends_anything needs a reason"
        return
    requests = (entry for one in simulators if _speaks_v2(one) for entry in one.requests)
    found = {problem: None for entry in requests for problem in description().problems(entry)}
    assert not found, "requests that docs/openapi.yaml does not describe:\n" + "\n".join(found)


def _speaks_v2(simulator: Simulator) -> bool:
    return "routes" not in simulator.airflow_connection()["extra"]


def _without_removed(part: Any) -> Any:
    """Copy the document, without requiring the fields that the request log removes."""
    if isinstance(part, list):
        return [_without_removed(one) for one in part]
    if not isinstance(part, dict):
        return part
    copied = {name: _without_removed(value) for name, value in part.items()}
    if isinstance(part.get("required"), list):
        copied["required"] = [name for name in part["required"] if name not in REMOVED]
    if isinstance(part.get("minProperties"), int):  # an update that changes only a secret
        del copied["minProperties"]
    return copied


def _from_outside(schema: Any) -> Any:
    """Copy a schema of the document, so that its references work outside of the document."""
    if isinstance(schema, list):
        return [_from_outside(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _HERE + value if name == "$ref" else _from_outside(value) for name, value in schema.items()}


def _read_text(text: str) -> int | str:
    """Yield the values that a parameter may mean."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else text
