"""Defines one step of a plan, and shows it without secrets."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from airflow_provider_mparticle.client.resource_kinds import Kind
from airflow_provider_mparticle.client.secrets import without_secrets
from airflow_provider_mparticle.configuration.resource_diff import Difference


class Action(StrEnum):
    """What a step does."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    DELETE = "delete"


# Control characters, with which a value could hide other lines in a terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")

SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.UNCHANGED: "=", Action.DELETE: "-"}


@dataclass(frozen=True)
class PlanStep:
    """
    What is done with one resource.

    :param action: Create, update, delete, or nothing.
    :param kind: The kind of the resource.
    :param resource_id: Its id.
    :param wanted: Its description in the document; empty if it is deleted. May have secrets.
    :param differences: For an update, the differences between the resource and its description.
    """

    action: Action
    kind: Kind[Any]
    resource_id: str
    wanted: Mapping[str, Any] = field(default_factory=dict, repr=False)
    differences: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        return f"{SIGNS[self.action]} {self.kind.title} {self.resource_id}"

    @property
    def is_change(self) -> bool:
        """Whether the step changes the workspace."""
        return self.action is not Action.UNCHANGED

    def as_dict(self) -> dict[str, Any]:
        """Return the step as JSON, without secrets."""
        shown: dict[str, Any] = {"action": self.action.value, "kind": self.kind.name, "id": self.resource_id}
        if self.differences:
            shown["differences"] = [_shown(difference) for difference in self.differences]
        return shown

    def lines(self) -> list[str]:
        """Return the step as lines of text, without secrets, with its differences indented."""
        lines = [str(self), *(f"    {line}" for one in self.differences for line in _difference_lines(one))]
        return [_CONTROL.sub(lambda found: repr(found[0])[1:-1], line) for line in lines]


def _shown(difference: Difference) -> dict[str, Any]:
    have, wanted = ("***", "***") if difference.is_secret else (difference.have, difference.wanted)
    return {"field": difference.field, "have": without_secrets(have), "wanted": without_secrets(wanted)}


def _difference_lines(difference: Difference) -> list[str]:
    """Return the lines for a difference: text of several lines, as SQL, line by line, and a list item by item."""
    have, wanted = difference.have, difference.wanted
    if difference.is_secret:
        return [str(difference)]
    if isinstance(have, list | tuple) and isinstance(wanted, list | tuple):
        return [f"{difference.field}:", *_items_changed([*map(str, have)], [*map(str, wanted)])]
    if isinstance(have, str) and isinstance(wanted, str) and "\n" in have + wanted:
        return [f"{difference.field}:", *_lines_changed(have.splitlines(), wanted.splitlines())]
    return [str(difference)]


def _lines_changed(have: list[str], wanted: list[str]) -> Iterator[str]:
    """Yield every line, with removed lines before the lines that replace them."""
    matcher = difflib.SequenceMatcher(None, [line.strip() for line in have], [line.strip() for line in wanted], False)
    for tag, first, last, begin, end in matcher.get_opcodes():
        if tag == "equal":
            yield from (f"      {line}" for line in wanted[begin:end])
        else:
            yield from (f"    - {line}" for line in have[first:last])
            yield from (f"    + {line}" for line in wanted[begin:end])


def _items_changed(have: list[str], wanted: list[str]) -> Iterator[str]:
    yield from (f"    - {item}" for item in (Counter(have) - Counter(wanted)).elements())
    yield from (f"    + {item}" for item in (Counter(wanted) - Counter(have)).elements())
