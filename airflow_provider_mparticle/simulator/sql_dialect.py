"""
Rewrite the SQL of a data model for sqlite. Only text goes in and out.

Assumed, so that SQL written for a warehouse runs:
- a name in double quotes or backticks is a name, part by part or whole; a text is in single quotes, and a quote
  in it is doubled;
- comments (``--`` to the end of the line, ``/* */``) are ignored;
- ``TIMESTAMP '...'``, ``DATETIME '...'``, ``DATE '...'``, ``'...'::TIMESTAMP_NTZ`` and
  ``CAST('...' AS TIMESTAMP)``, with any suffix, precision or time zone clause, mean the text;
- a table without an alias can be called by the last part of its name or by its whole name.

Not imitated: casts of anything but a text (sqlite reads ``CAST(column AS TIMESTAMP)`` as a number), backslashes
in texts, a warehouse's own functions, case in quoted names. sqlite takes a name in double quotes that it does not
know for a text, and it accepts ``WITH``, which mParticle may refuse.
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

# What may follow a table without being its alias.
_ALIAS = re.compile(
    r"\s*(?!(?:ON|USING|WHERE|JOIN|LEFT|RIGHT|FULL|INNER|OUTER|CROSS|NATURAL|GROUP|HAVING|WINDOW|ORDER|LIMIT|OFFSET"
    r"|UNION|INTERSECT|EXCEPT)\b)[\w\"`]",
    re.IGNORECASE,
)


def quoted(name: str) -> str:
    """A name as one identifier of sqlite."""
    return '"' + name.replace('"', '""') + '"'


def plain(name: str) -> str:
    """A name without quotes: ``"shop".`public`.Orders`` is ``shop.public.Orders``."""
    return ".".join(_unquoted(part) for part in re.findall(_PART, name))


def names_in(sql: str) -> set[str]:
    """Every whole name in the SQL, plain and in lower case, outside texts and comments."""
    return {plain(one["name"]).lower() for one in _TOKEN.finditer(_without_comments(sql)) if one["name"]}


def for_sqlite(sql: str, tables: Mapping[str, str]) -> str:
    """
    Rewrite the SQL for sqlite.

    :param sql: The SQL of a data model.
    :param tables: What sqlite calls each table, by its whole name, plain and in lower case.
    """
    return _TOKEN.sub(lambda found: _rewritten(found, tables), _without_comments(sql))


def _without_comments(sql: str) -> str:
    return _COMMENT.sub(lambda found: found[1] or " ", sql)


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part[0] in '"`' else part


def _rewritten(found: re.Match[str], tables: Mapping[str, str]) -> str:
    """A text without its type, a table under sqlite's name, anything else as it is."""
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
