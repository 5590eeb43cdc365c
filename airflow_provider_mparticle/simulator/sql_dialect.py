"""
Rewrites the SQL of a data model for SQLite, as text.

Assumed, so that SQL written for a warehouse runs:
- double quotes or backticks enclose a name or each part of it; single quotes enclose a text, in which a quote is
  doubled;
- comments (``--`` to the end of the line, ``/* */``) are ignored;
- ``TIMESTAMP '...'``, ``DATETIME '...'``, ``DATE '...'``, ``'...'::TIMESTAMP_NTZ`` and
  ``CAST('...' AS TIMESTAMP)``, with any suffix, precision or time zone clause, are read as the text;
- the last part of the name of a table, and its whole name, can be used like an alias.

Not simulated: casts of anything but a text (SQLite reads ``CAST(column AS TIMESTAMP)`` as a number), backslashes in
texts, a warehouse's own functions, case in quoted names. SQLite reads an unknown name in double quotes as a text, and
it accepts ``WITH``, which mParticle may refuse.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT = r"'(?:[^']|'')*'"
_QUOTED = r'"(?:[^"]|"")+"|`[^`]+`'
_PART = rf"(?:{_QUOTED}|[^\W\d][\w$]*)"
_INSTANT = r"(?:TIMESTAMP\w*|DATETIME|DATE)\b"
_PRECISION = r"(?:\s*\(\s*\d+\s*\))?(?:\s+WITH(?:OUT)?\s+(?:LOCAL\s+)?TIME\s+ZONE\b)?"

_COMMENT = re.compile(rf"({_TEXT}|{_QUOTED})|--[^\n]*|/\*.*?\*/", re.DOTALL)
_TOKEN = re.compile(
    rf"CAST\s*\(\s*(?P<cast>{_TEXT})\s+AS\s+{_INSTANT}{_PRECISION}\s*\)"
    rf"|(?:{_INSTANT}\s*)?(?P<text>{_TEXT})(?:\s*::\s*{_INSTANT}{_PRECISION})?"
    rf"|(?P<name>{_PART}(?:\s*\.\s*{_PART})*)",
    re.IGNORECASE,
)

# The beginning of an alias. These keywords may follow a table too, but they are not aliases.
_ALIAS = re.compile(
    r"\s*(?!(?:ON|USING|WHERE|JOIN|LEFT|RIGHT|FULL|INNER|OUTER|CROSS|NATURAL|GROUP|HAVING|WINDOW|ORDER|LIMIT|OFFSET"
    r"|UNION|INTERSECT|EXCEPT)\b)[\w\"`]",
    re.IGNORECASE,
)


def quoted(name: str) -> str:
    """Return a name as one identifier of SQLite."""
    return '"' + name.replace('"', '""') + '"'


def plain(name: str) -> str:
    """Return a name without quotes: ``"shop".`public`.Orders`` is ``shop.public.Orders``."""
    return ".".join(_unquoted(part) for part in re.findall(_PART, name))


def names_in(sql: str) -> set[str]:
    """Return every whole name in the SQL outside of texts and comments, without quotes and in lower case."""
    return {plain(one["name"]).lower() for one in _TOKEN.finditer(_without_comments(sql)) if one["name"]}


def for_sqlite(sql: str, tables: Mapping[str, str]) -> str:
    """
    Rewrite the SQL for SQLite.

    :param sql: The SQL of a data model.
    :param tables: SQLite's name of each table, by its whole name without quotes and in lower case.
    """
    return _TOKEN.sub(lambda found: _rewritten(found, tables), _without_comments(sql))


def _without_comments(sql: str) -> str:
    return _COMMENT.sub(lambda found: found[1] or " ", sql)


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part[0] in '"`' else part


def _rewritten(found: re.Match[str], tables: Mapping[str, str]) -> str:
    """Return a text without its type, a table with its name in SQLite, anything else unchanged."""
    if not found["name"]:
        return str(found["cast"] or found["text"])
    whole = plain(found["name"])
    table, _, column = whole.rpartition(".")
    if "." in whole and whole.lower() in tables:
        has_alias = _ALIAS.match(found.string, found.end())
        return tables[whole.lower()] + ("" if has_alias else f" AS {quoted(column)}")
    if "." in table and table.lower() in tables:
        return f"{quoted(table.rpartition('.')[2])}.{quoted(column)}"
    return found[0]
