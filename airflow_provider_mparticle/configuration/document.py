"""
The whole configuration of a workspace as one document: read, and checked before anything is sent.

A document is a dict with the sections ``connections``, ``data_models``, ``field_transformations`` and ``pipelines``,
each a list of descriptions under mParticle's names, with ``id``. ``document.schema.json`` describes it for editors; the
rules that decide are those of :mod:`~airflow_provider_mparticle.configuration.resource_rules`, whose messages say what
to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.resource_kinds import KINDS, Kind
from airflow_provider_mparticle.configuration.problems import Problem
from airflow_provider_mparticle.configuration.resource_rules import problems, with_defaults

SUFFIXES = (".yaml", ".yml", ".json")
SECTIONS = tuple(kind.plural for kind in KINDS)
# Editors read it.
SCHEMA_KEY = "$schema"


@dataclass(frozen=True)
class Document:
    """
    A document as it was read, sound or not.

    :param content: What stands in it; it may hold secrets.
    :param origin: Where it comes from, for messages: a path, or "the document".
    """

    content: Any = field(repr=False)
    origin: str = "the document"

    def names(self, kind: Kind[Any]) -> bool:
        """Whether it has a section for this kind, be it an empty one."""
        return kind.plural in self.content

    def descriptions(self, kind: Kind[Any]) -> list[dict[str, Any]]:
        """Return what it describes of a kind, in its order, with mParticle's defaults and without blanks."""
        return [with_defaults(kind, given) for given in self.content.get(kind.plural, ())]


def load_document(spec: Mapping[str, Any] | str | Path) -> Document:
    """
    Read a document; what is wrong with its content is a matter of :func:`document_problems`.

    :param spec: The document itself, or a path to a ``.yaml``, ``.yml`` or ``.json`` file.
    :raises ConfigError: The file is missing, its suffix unknown, or its syntax wrong; the message names the line.
    """
    if isinstance(spec, Mapping):
        return Document(_plain(spec))
    path = Path(spec)
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"A document is a .yaml, .yml or .json file, not {str(spec)!r}.")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the document {str(spec)!r}: {error}.") from error
    return parse_document(text, str(spec))


def parse_document(text: str, origin: str = "the document") -> Document:
    """
    Read a document from its text, YAML or JSON.

    :param text: The text. Instants may stand without quotation marks; they stay text.
    :param origin: Where it comes from, for messages.
    :raises ConfigError: The syntax is wrong. The message names the line,
        not what stands there: that may be a secret.
    """
    from airflow_provider_mparticle.configuration.document_parser import read_text

    try:
        return Document(_plain(read_text(text)), origin)
    except ValueError as problem:
        raise ConfigError(f"{origin} cannot be read: {problem}.") from None


def document_problems(document: Document) -> list[Problem]:
    """
    Name everything that is wrong with a document, each with its place, for example ``pipelines[1].sync_mode.from``.

    What it refers to without naming it is looked for in the workspace, when the plan is made.
    """
    content = document.content
    if not isinstance(content, Mapping):
        return [Problem("the document", f"must be a dict with the sections {', '.join(SECTIONS)}")]
    return [*_section_names(content), *(problem for kind in KINDS for problem in _section(kind, content))]


def check_document(document: Document) -> list[Problem]:
    """
    Return the warnings about a document.

    :raises ConfigError: It is wrong; the message names everything that is.
    """
    found = document_problems(document)
    if errors := [str(problem) for problem in found if not problem.is_warning]:
        raise ConfigError(f"{document.origin} is wrong: {'; '.join(errors)}. Nothing was sent to mParticle.")
    return found


# Problems


def _section_names(content: Mapping[Any, Any]) -> Iterator[Problem]:
    for name in content:
        if name not in (*SECTIONS, SCHEMA_KEY):
            yield Problem(str(name), f"is no section of a document; the sections are {', '.join(SECTIONS)}")


def _section(kind: Kind[Any], content: Mapping[str, Any]) -> Iterator[Problem]:
    section = content.get(kind.plural, [])
    if not isinstance(section, list):
        yield Problem(kind.plural, "must be a list; write [] for none, or leave the section out to let them be")
        return
    first_of: dict[str, int] = {}
    for number, given in enumerate(section):
        place = f"{kind.plural}[{number}]"
        if not isinstance(given, Mapping):
            yield Problem(place, f"must be a dict, not a {type(given).__name__}")
            continue
        yield from _description(kind, place, given)
        earlier = first_of.setdefault(str(given.get("id", place)), number)
        if earlier != number:
            yield Problem(f"{place}.id", f"is {given['id']!r}, as that of {kind.plural}[{earlier}] is")


def _description(kind: Kind[Any], place: str, given: Mapping[str, Any]) -> Iterator[Problem]:
    who = f" ({kind.title} {given['id']!r})" if given.get("id") else ""
    for problem in problems(kind, with_defaults(kind, given)):
        yield Problem(f"{place}.{problem.place}", f"{problem.text}{who}", problem.is_warning)


def _plain(value: Any) -> Any:
    """Return a copy as JSON has it; instants become ISO 8601."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value
