"""
Remembers in which form mParticle keeps a value, if that is neither a mask nor another spelling of the value.

"mParticle keeps X as Y" is a fact about a field, not about one resource. It is learned from the answer right after a
write. Only digests of X and Y are stored, not the values. See docs/adr/0012-remember-kept-forms.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from airflow_provider_mparticle.client.models import Resource
from airflow_provider_mparticle.client.resource_kinds import Kind
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.configuration import schema
from airflow_provider_mparticle.configuration.resource_diff import Difference, same_word

# About 60 kB as JSON. The oldest facts are forgotten first.
MAX_FACTS = 1000


class KeptForms:
    """The known forms in which mParticle keeps values."""

    def __init__(self) -> None:
        self._load: Callable[[], Iterable[str]] | None = None
        self._facts: dict[str, None] = {}
        self.has_learned = False

    @property
    def facts(self) -> list[str]:
        """The facts as text without values, the oldest first."""
        return [*self._facts][-MAX_FACTS:]

    def load_from(self, load: Callable[[], Iterable[str]]) -> None:
        """Add the facts that *load* returns. It is called when the next difference is found."""
        self._load = load

    def changes(self, kind: Kind[Any], found: Iterable[Difference]) -> list[Difference]:
        """Return the differences that are changes, and not only the form in which mParticle keeps a value."""
        return [one for one in found if not self._knows(_fact(kind, one))]

    def learn(
        self, kind: Kind[Any], found: Iterable[Difference], before: Resource | None, after: Resource
    ) -> Iterator[str]:
        """
        Learn from the differences that remain after a write, and yield a sentence for each new fact.

        :param found: The differences between the resource after the write and its description.
        :param before: The resource before the write; None if it was created.
        :param after: The resource after the write.
        """
        for one in found:
            fact = _fact(kind, one)
            if not self._knows(fact) and _was_accepted(kind, one, before, after):
                self._facts[fact] = None
                self.has_learned = True
                yield _sentence(kind, after.id, one)

    def _knows(self, fact: str) -> bool:
        if self._load:
            load, self._load = self._load, None
            self._facts.update(dict.fromkeys(load()))
        return fact in self._facts


KNOWN = KeptForms()
"""The forms that this process has learned."""


def _was_accepted(kind: Kind[Any], one: Difference, before: Resource | None, after: Resource) -> bool:
    """
    Return whether mParticle accepted the value and shows it in another form.

    The value was not accepted if mParticle shows another word of the schema. It may not have been if mParticle shows
    the value from before the write, since that may be a stale answer.
    """
    if _is_word(kind, one.field, one.have):
        return False
    if before is None or _at(before, one.field) != one.have:
        return True
    return after.last_modified_on not in (None, before.last_modified_on)


def _is_word(kind: Kind[Any], field: str, value: Any) -> bool:
    parent, _, name = field.rpartition(".")
    if parent == "config":
        return False
    described = schema.definition(parent or kind.name)["properties"].get(name, {})
    return any(same_word(value, word) for word in schema.words(described))


def _at(resource: Resource, field: str) -> Any:
    name, _, inside = field.partition(".")
    value = getattr(resource, name)
    for key in inside.split(".") if inside else ():
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _fact(kind: Kind[Any], one: Difference) -> str:
    wanted = "" if one.is_secret else one.wanted
    return f"{kind.name}.{one.field}:{_digest(wanted)}:{_digest('' if one.is_secret else one.have)}"


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _sentence(kind: Kind[Any], resource_id: str, one: Difference) -> str:
    who = f"mParticle keeps {one.field} of {kind.title} {resource_id!r}"
    if one.is_secret:
        return f"{who} secret: a change of it cannot be seen"
    return f"{who} as {shown(one.have)}, not as {shown(one.wanted)}; from now on this does not count as a change"
