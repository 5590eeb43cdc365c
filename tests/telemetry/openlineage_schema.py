"""
JSON schemas of OpenLineage events, out of the classes of OpenLineage's own client.

The project generates these classes from the schemas that it publishes, which no package holds as JSON. So a facet is
found by the address that an event gives as its ``_schemaURL``. The published schemas are stricter than the classes in
two ways: nothing may be null, since an optional field is left out, and every facet names its producer and its schema.
"""

from __future__ import annotations

import enum
import types
import typing
from typing import Any

import attrs
from openlineage.client import event_v2
from openlineage.client.generated.base import BaseFacet

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    Any: {},
}
# Every facet has these, for which the classes have defaults. OpenLineage.json, "BaseFacet".
REQUIRED = ("_producer", "_schemaURL")


def run_event() -> dict[str, Any]:
    """Return the schema of an event of a run."""
    return schema_of(event_v2.RunEvent)


def facet(address: str) -> dict[str, Any]:
    """Return the schema of a facet by its ``_schemaURL``, for example ".../SQLJobFacet.json#/$defs/SQLJobFacet"."""
    name = address.rpartition("/")[2]
    facets = {one for one in _subclasses(BaseFacet) if one.__name__ == name and one._get_schema() == address}
    # attrs makes a new class with slots. The first one is garbage, but a frozen collector may never collect it.
    [found] = {one for one in facets if "__attrs_attrs__" in vars(one)}
    return schema_of(found)


def schema_of(kind: Any) -> dict[str, Any]:
    """Return the JSON schema of a type."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema_of(one) for one in arguments if one is not type(None)]}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [one.value for one in kind]}
    return _class(kind)


def _class(kind: type) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in attrs.fields(kind)}
    return {
        "type": "object",
        "properties": {name: _field(name, hints[name]) for name in fields},
        "required": [name for name, field in fields.items() if field.default is attrs.NOTHING or name in REQUIRED],
    }


def _field(name: str, kind: Any) -> dict[str, Any]:
    formats = {"eventTime": "date-time", "runId": "uuid", "producer": "uri", "schemaURL": "uri"}
    given = formats.get(name.lstrip("_"))
    return {**schema_of(kind), **({"format": given} if given else {})}


def _subclasses(kind: type) -> typing.Iterator[Any]:
    for one in kind.__subclasses__():
        yield one
        yield from _subclasses(one)
