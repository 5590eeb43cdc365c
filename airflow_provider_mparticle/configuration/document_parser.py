"""
Reads the text of a document, YAML or JSON, into plain values, with the line of each of them.

If the schema says string, a value without quotation marks stays text, so that the password ``0123456`` does not become
a number. Everywhere else YAML is read like JSON: only ``true``, ``false``, ``null`` and JSON's numbers are not text.
Limits protect the memory from a hostile or broken file. Errors do not quote the text, because it may have a secret.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from airflow_provider_mparticle.configuration import schema
from airflow_provider_mparticle.configuration.plain_values import MAX_DEPTH, check_limits, plain

# Far more than a workspace needs: 1,000 pipelines with their queries take about 2 MB.
MAX_BYTES = 8 * 1024 * 1024
# A whole number with more digits does not fit into 64 bits, which is the limit of many JSON readers.
MAX_DIGITS = 18

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_CONSTANTS = {"true": True, "false": False, "null": None, "": None}
_TAG = "tag:yaml.org,2002:str"
# libyaml is about ten times faster, but not every build of PyYAML has it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_file(path: Path) -> str:
    """
    Return the text of a file.

    :raises OSError: The file cannot be read.
    :raises ValueError: It is not a regular file, is too large, or is not UTF-8.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise ValueError("it is not a regular file")
    # Some files below /proc are regular files, but a read waits for data.
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(_too_large())
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start + 1})") from None


def read_text(text: str) -> tuple[Any, dict[str, int]]:
    """
    Return the content of a text, and the line of each place in it, for example ``{"pipelines[0].id": 2}``.

    A text that begins with ``{`` is first read as JSON.

    :raises ValueError: The syntax is wrong, or a limit is exceeded. The message names the line if it is known.
    """
    if len(text) > MAX_BYTES:
        raise ValueError(_too_large())
    text = text.removeprefix("\ufeff")
    if not text.lstrip().startswith("{"):
        return _from_yaml(text)
    try:
        content = plain(_from_json(text))
    except json.JSONDecodeError as error:
        try:
            return _from_yaml(text)
        except TemplateError:
            raise
        except ValueError:
            raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    return content, _lines_of_json(text)


class TemplateError(ValueError):
    """A template without quotes, whose braces YAML reads as a dict."""


def _too_large() -> str:
    return f"it is larger than {MAX_BYTES // 1024**2} MB"


# JSON


def _from_json(text: str) -> Any:
    try:
        return json.loads(
            text,
            object_pairs_hook=_without_repeats,
            parse_constant=_not_a_number,
            parse_float=_finite,
            parse_int=_whole_number,
        )
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels") from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} occurs twice in one dict")
        found[name] = value
    return found


def _not_a_number(word: str) -> Any:
    raise ValueError(f"{word} is not a number in JSON")


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError("a number is too large")
    return number


def _whole_number(text: str) -> int:
    if len(text.lstrip("-")) > MAX_DIGITS:
        raise ValueError(f"a number has more than {MAX_DIGITS} digits")
    return int(text)


def _lines_of_json(text: str) -> dict[str, int]:
    """Return the lines if YAML reads this JSON too, which it does unless there are tabs in it."""
    try:
        return _from_yaml(text)[1]
    except ValueError:
        return {}


# YAML


@dataclass
class _Built:
    """A value with the number of values in it."""

    value: Any
    size: int = 1


@dataclass
class _Builder:
    """Builds the content from the events of the YAML parser."""

    events: Iterator[Any]
    lines: dict[str, int] = field(default_factory=dict)
    count: int = 0
    _anchors: dict[str, _Built | None] = field(default_factory=dict)

    def node(self, event: Any, place: str, of: schema.Node, depth: int) -> _Built:
        """
        Build the node that begins with *event*.

        :param place: The place of the node in the document.
        :param of: What the schema says about this place.
        :param depth: How many dicts and lists are around the node.
        """
        line = event.start_mark.line + 1
        self.lines.setdefault(place, line)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, line)
        self.count += 1
        check_limits(self.count, depth, line)
        if event.anchor:
            self._anchors[event.anchor] = None
        if event.tag not in (None, "!", _TAG):
            raise ValueError(f"line {line}: tags are not supported; put text that begins with '!' in quotes")
        before = self.count
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event, of)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._list(place, of, depth)
        else:
            value = self._dict(event, place, of, depth)
        built = _Built(value, 1 + self.count - before)
        if event.anchor:
            self._anchors[event.anchor] = built
        return built

    def _alias(self, name: str | None, line: int) -> _Built:
        if name is None or name not in self._anchors:
            raise ValueError(f"line {line}: the alias is not defined; put text that begins with '*' in quotes")
        built = self._anchors[name]
        if built is None:
            raise ValueError(f"line {line}: an anchor contains itself")
        self.count += built.size
        check_limits(self.count, 0, line)
        return built

    def _list(self, place: str, of: schema.Node, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, f"{place}[{len(items)}]", of.item(), depth + 1).value)
        return items

    def _dict(self, start: Any, place: str, of: schema.Node, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, start)
            inside = f"{place}.{key}" if place else key
            if key in found:
                raise ValueError(f"line {event.start_mark.line + 1}: {key!r} occurs twice in one dict")
            self.lines[inside] = event.start_mark.line + 1
            value = self.node(next(self.events), inside, of.field(key), depth + 1).value
            if key == "<<" and event.implicit[0]:
                merged = {**_merged(value, event.start_mark.line + 1), **merged}
            else:
                found[key] = value
        return {**merged, **found}

    def _key(self, event: Any, start: Any) -> str:
        if isinstance(event, yaml.ScalarEvent):
            return str(event.value)
        line = event.start_mark.line + 1
        if start.flow_style and isinstance(event, yaml.MappingStartEvent):
            raise TemplateError(f'line {line}: put templates in quotes, for example "{{{{ params.name }}}}"')
        raise ValueError(f"line {line}: the keys of a dict must be text")


def _from_yaml(text: str) -> tuple[Any, dict[str, int]]:
    events: Iterator[Any] = iter(yaml.parse(text, Loader=_LOADER))
    builder = _Builder(events)
    try:
        next(events)  # the start of the stream
        if isinstance(next(events), yaml.StreamEndEvent):
            return None, {}
        content = builder.node(next(events), "", schema.root(), 0).value
        next(events)  # the end of the document
        if not isinstance(event := next(events), yaml.StreamEndEvent):
            raise ValueError(f"line {event.start_mark.line + 1}: a second document begins")
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text) from None
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML ({type(error).__name__})") from None
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    return content, builder.lines


def _scalar(event: Any, of: schema.Node) -> Any:
    text = event.value
    if not event.implicit[0] or event.style:  # in quotation marks, or tagged as text
        return text
    if of.is_text:
        return text if text not in ("", "null") else None
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if not _NUMBER.fullmatch(text):
        return text
    if text.lstrip("-").isdecimal():
        return int(text) if len(text.lstrip("-")) <= MAX_DIGITS else text
    return number if math.isfinite(number := float(text)) else text


def _merged(value: Any, line: int) -> dict[str, Any]:
    """Return the fields that ``<<`` inserts: those of one dict, or of several, of which the first has priority."""
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, dict) for part in parts):
        raise ValueError(f"line {line}: '<<' needs a dict or a list of dicts")
    return {name: part for one in reversed(parts) for name, part in one.items()}


def _syntax_error(error: yaml.MarkedYAMLError, text: str) -> ValueError:
    """Return an error with the line. libyaml reports a missing end on the line after the last one."""
    said = re.sub(r"(alias|anchor|tag|handle|character) '.*'", r"\1", error.problem or "wrong syntax")
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return ValueError(said)
    lines = text.splitlines() or [""]
    line, column = (mark.line, mark.column) if mark.line < len(lines) else (len(lines) - 1, len(lines[-1]))
    where = f"line {line + 1}, column {column + 1}: {said}"
    if "{{" in lines[line] or "{%" in lines[line]:
        return TemplateError(f"{where}; put templates in quotes")
    return ValueError(where)


def line_of(place: str, lines: Mapping[str, int]) -> int | None:
    """Return the line of a place, or of the nearest place around it; None if no line is known."""
    while place and place not in lines:
        place = re.sub(r"(\.[^.\[]*|\[\d+\]|^[^.\[]*)$", "", place)
    return lines.get(place) if place else None
