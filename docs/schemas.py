"""
Markdown that describes JSON schemas: those of the calls to mParticle, and that of a document.

A schema with fields of its own, or one that combines others, gets a section. Others, such as an id or an instant, are
described where they are used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


class Schemas:
    """
    The schemas of one page.

    :param parts: The schemas by name.
    :param heading: The mark of a section's heading, for example ``"##"``.
    """

    def __init__(self, parts: Mapping[str, Schema], heading: str = "##") -> None:
        self._parts = parts
        self._heading = heading

    def sections(self) -> Iterator[str]:
        """Yield a section for each schema that needs one."""
        for name, part in self._parts.items():
            if self._is_simple(part):
                continue
            yield from (f"{self._heading} {name}", "", _text(part), "")
            all_of, one_of = part.get("allOf", [part] if "$ref" in part else []), [*self._alternatives(part)]
            if all_of:
                yield from (f"It has the fields of {' and '.join(map(self.type_of, all_of))}.", "")
            if one_of:
                yield from (f"It is one of {', '.join(map(self.type_of, one_of))}.", "")
            if required := [f"`{one}`" for one in part.get("required", ()) if one not in part.get("properties", ())]:
                yield from (f"Required: {', '.join(required)}.", "")
            if "properties" in part:
                yield from table(("field", "type", "required", "meaning"), self._fields(part))

    def type_of(self, field: Schema) -> str:
        """Return the type of a field, with a link to the section about it if there is one."""
        name = _target(field)
        if name and not self._is_simple(self._parts[name]):
            return f"[{name}](#{name.lower()})"
        field = {**self._parts.get(name, {}), **field}
        if alternatives := [*self._alternatives(field)]:
            return " or ".join(dict.fromkeys(kind for one in alternatives if (kind := self.type_of(one)) != "null"))
        kinds = field.get("type", [])
        kinds = [kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null"]
        if "array" in kinds or "items" in field:
            return f"list of {self.type_of(field['items'])}" if field.get("items") else "list"
        if not kinds and (words := _words(field)):
            return {bool: "boolean", int: "integer"}.get(type(words[0]), "string")
        return " or ".join(kinds) or ("null" if field.get("type") == "null" else "any")

    def _fields(self, part: Schema, inside: str = "") -> Iterator[tuple[str, str, str, str]]:
        for name, field in part["properties"].items():
            target = self._parts.get(_target(field), {})
            described = {**target, **field} if self._is_simple(target) else field
            yield (
                f"`{inside}{name}`",
                self.type_of(field),
                "yes" if name in part.get("required", ()) else "",
                _text(described),
            )
            for part_of_it, path in ((field, name), (field.get("items", {}), f"{name}[]")):
                if "properties" in part_of_it:
                    yield from self._fields(part_of_it, f"{inside}{path}.")

    def _is_simple(self, part: Schema) -> bool:
        part = {**self._parts.get(_target(part), {}), **part}
        return not part.keys() & {"properties", "allOf", "oneOf"} and all(
            self._is_simple(one) for one in part.get("anyOf", ())
        )

    @staticmethod
    def _alternatives(part: Schema) -> Iterable[Schema]:
        return part.get("oneOf", part.get("anyOf", ()))


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """Yield a table, whatever its cells hold."""
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(' '.join(str(cell).split()).replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def _target(part: Schema) -> str:
    return part.get("$ref", "").rpartition("/")[2]


def _words(part: Schema) -> list[Any]:
    return [word for word in part.get("enum", [part["const"]] if "const" in part else []) if word not in (None, "")]


def _text(part: Schema) -> str:
    """Return what a schema says about its meaning, its values, and how sure that is."""
    said = [part.get("description", "")]
    for introduction, words in (("One of", _words(part)), ("For example", part.get("examples", []))):
        shown = ", ".join(f"`{word}`" for word in words if word is not None)
        if shown:
            said.append(f"{'Always' if 'const' in part and introduction == 'One of' else introduction} {shown}.")
    if sure := part.get("x-confidence"):
        said.append(f"How sure: `{sure}`.")
    return " ".join(filter(None, said))
