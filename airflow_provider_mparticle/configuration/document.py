"""
Reads the whole configuration of a workspace as one document, and checks it before anything is sent.

A document is a dict with the sections ``connections``, ``data_models``, ``field_transformations`` and ``pipelines``.
Each is a list of descriptions with mParticle's field names and an ``id``. ``document.schema.json`` has the rules, and
:mod:`~airflow_provider_mparticle.configuration.resource_rules` those that a JSON Schema cannot express.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.resource_kinds import KINDS, Kind
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.configuration import schema
from airflow_provider_mparticle.configuration.document_parser import line_of, read_file, read_text
from airflow_provider_mparticle.configuration.plain_values import plain
from airflow_provider_mparticle.configuration.problems import Problem
from airflow_provider_mparticle.configuration.resource_rules import more_problems, with_defaults

SUFFIXES = (".yaml", ".yml", ".json")
SECTIONS = tuple(kind.plural for kind in KINDS)


@dataclass(frozen=True)
class Document:
    """
    A document as it was read, valid or not.

    :param content: Its content as plain values; it may have secrets.
    :param origin: Its path, or "the document", for messages.
    :param lines: The line of each place in its text; empty if it was not read from text.
    """

    content: Any = field(repr=False)
    origin: str = "the document"
    lines: Mapping[str, int] = field(default_factory=dict, repr=False)

    def with_content(self, content: Any) -> Document:
        """
        Return the document with other content, for example after its templates were rendered.

        :raises ConfigError: It has a value that JSON does not have, or a limit is exceeded.
        """
        try:
            return replace(self, content=plain(content))
        except ValueError as problem:
            raise ConfigError(f"{self.origin} cannot be read: {problem}. Nothing was sent to mParticle.") from None

    def names(self, kind: Kind[Any]) -> bool:
        """Return whether it has a section for this kind, even an empty one."""
        return kind.plural in self.content

    def descriptions(self, kind: Kind[Any]) -> list[dict[str, Any]]:
        """Return its descriptions of a kind, in their order, with the schema's defaults and without blank fields."""
        return [with_defaults(kind, given) for given in self.content.get(kind.plural, ())]


def load_document(spec: Mapping[str, Any] | str | Path) -> Document:
    """
    Read a document; :func:`document_problems` checks its content.

    :param spec: The document itself, or the path of a ``.yaml``, ``.yml`` or ``.json`` file of at most 8 MB.
    :raises ConfigError: The file is missing, not a regular file or too large, its suffix is unknown, or its syntax is
        wrong; the message names the line.
    """
    if isinstance(spec, Mapping):
        return Document(None).with_content(spec)
    path = Path(spec)
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"A document is a .yaml, .yml or .json file, not {shown(str(spec))}.")
    try:
        text = read_file(path)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error  # an OSError repeats the path
        raise ConfigError(f"Cannot read the document {shown(str(spec))}: {why}.") from error
    return parse_document(text, str(spec))


def parse_document(text: str, origin: str = "the document") -> Document:
    """
    Read a document from its text, YAML or JSON.

    :param text: The text. If the schema says string, a value without quotation marks stays text.
    :param origin: The path of the document, for messages. Default: "the document".
    :raises ConfigError: The syntax is wrong or a limit is exceeded. The message names the line, but does not quote the
        text, because it may have a secret.
    """
    try:
        content, lines = read_text(text)
    except ValueError as problem:
        raise ConfigError(f"{origin} cannot be read: {problem}.") from None
    return Document(content, origin, lines)


def document_problems(document: Document) -> list[Problem]:
    """
    Return all problems of a document, each with its place, for example ``pipelines[1].sync_mode.from``.

    Whether mParticle has a resource to which the document only refers is checked when the plan is made.
    """
    content = document.content
    found = schema.problems(content)
    if isinstance(content, Mapping):
        found += [problem for kind in KINDS for problem in _section(kind, content)]
    return [_located(problem, document) for problem in found]


def check_document(document: Document) -> list[Problem]:
    """
    Return the warnings about a document.

    :raises ConfigError: The document is invalid; the message has all its problems.
    """
    found = document_problems(document)
    if errors := [str(problem) for problem in found if not problem.is_warning]:
        raise ConfigError(f"{document.origin} is wrong: {'; '.join(errors)}. Nothing was sent to mParticle.")
    return found


# Problems


def _section(kind: Kind[Any], content: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problems of a section that the schema does not find."""
    section = content.get(kind.plural)
    first_of: dict[str, int] = {}
    for number, given in enumerate(section if isinstance(section, list) else ()):
        place = f"{kind.plural}[{number}]"
        if not isinstance(given, Mapping):
            continue
        yield from (problem.inside(place) for problem in more_problems(kind, with_defaults(kind, given)))
        earlier = first_of.setdefault(str(given.get("id", place)), number)
        if earlier != number:
            yield Problem(f"{place}.id", f"is {given['id']!r}, which is already the id of {kind.plural}[{earlier}]")


def _located(problem: Problem, document: Document) -> Problem:
    """Return the problem with the id of its resource and its line."""
    line = line_of(problem.place, document.lines)
    known = [_resource(problem.place, document.content), f"line {line}" if line else ""]
    where = ", ".join(text for text in known if text)
    return replace(problem, text=f"{problem.text} ({where})") if where else problem


def _resource(place: str, content: Any) -> str:
    section, _, rest = place.partition("[")
    number = rest.partition("]")[0]
    if not number.isdecimal() or section not in SECTIONS or "." not in place or place in content:
        return ""
    given = content[section][int(number)]
    kind = next(kind for kind in KINDS if kind.plural == section)
    return f"{kind.title} {given['id']!r}" if isinstance(given, Mapping) and given.get("id") else ""
