"""
The syntax of a document, YAML or JSON; stricter than the parsers, which take a key that occurs twice.

What is wrong is said without quoting the text, since that may hold a secret.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Constructor(yaml.constructor.SafeConstructor):
    """Leaves instants as the text that they are: JSON has none."""


_Constructor.add_constructor(_TIMESTAMP, _Constructor.construct_yaml_str)  # type: ignore[type-var]  # its stubs are too narrow


def read_text(text: str) -> Any:
    """
    Return what the text says; text that begins with ``{`` is JSON as a rule.

    :raises ValueError: The syntax is wrong. The message names the line and holds none of the text.
    """
    if not text.lstrip().startswith("{"):
        return _from_yaml(text)
    try:
        return _from_json(text)
    except ValueError:
        with contextlib.suppress(ValueError):
            return _from_yaml(text)
        raise


def _from_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None


def _without_repeats(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} occurs twice in one dict")
        found[name] = value
    return found


def _from_yaml(text: str) -> Any:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        repeats = [] if root is None else [*_repeats(root, set())]
        content = None if root is None else _Constructor().construct_document(root)
    except yaml.MarkedYAMLError as error:
        raise ValueError(_said(error)) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ValueError(f"it is no YAML ({type(error).__name__})") from None
    for key in repeats:
        raise ValueError(f"line {key.start_mark.line + 1}: {key.value!r} occurs twice in one dict")
    return content


def _said(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    # A password that begins with '*', '&' or '!' reads as one of these, and the parser quotes it.
    return where + re.sub(r"(alias|anchor|tag|handle) '.*'", r"\1", error.problem or "wrong syntax")


def _repeats(node: yaml.Node, seen: set[int]) -> Iterator[yaml.Node]:
    """Yield the keys that occurred before in the same dict."""
    if id(node) in seen or isinstance(node, yaml.ScalarNode):
        return
    seen.add(id(node))
    known: set[str] = set()
    for part in node.value:
        if isinstance(node, yaml.SequenceNode):
            yield from _repeats(part, seen)
            continue
        key, value = part
        if isinstance(key, yaml.ScalarNode) and key.value != "<<":
            if key.value in known:
                yield key
            known.add(key.value)
        yield from _repeats(value, seen)
