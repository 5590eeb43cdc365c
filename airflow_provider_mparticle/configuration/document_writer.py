"""Writes a document as YAML that :mod:`~airflow_provider_mparticle.configuration.document_parser` can read again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

# Text of several lines that can be written as a block: YAML must not change a line or lose a space at its end.
_BLOCK = re.compile(r"(?!\s)([\x20-\x7e\xa1-\u2027\u202a-\ud7ff\ue000-\ufdcf\ufdf0-\ufffd]|\n)*\S")
_SPACE_BEFORE_LINE_END = re.compile(r"[ ]\n")
# Text that needs no quotation marks: it begins with a letter, and has no character with a meaning in YAML.
_PLAIN = re.compile(r"[A-Za-z][\w./@-]*( [\w./@(-][\w./@()-]*)*", re.ASCII)
# Words that some YAML readers do not read as text: the booleans of YAML 1.1, and numbers such as infinity.
_WORDS = re.compile(r"y|n|yes|no|on|off|true|false|null|inf|nan", re.IGNORECASE)


def as_yaml(content: Mapping[str, Any]) -> str:
    """
    Return a document as YAML, with each line of SQL on a line of its own.

    :param content: Plain values, as :func:`~airflow_provider_mparticle.configuration.apply.export_document` returns.
    """
    return str(yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100_000))


class _Dumper(yaml.SafeDumper):
    """Chooses the style of text, and does not use aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return True: a value that occurs twice is written twice."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> str | None:
    if "\n" in text and _BLOCK.fullmatch(text) and not _SPACE_BEFORE_LINE_END.search(text):
        return "|"
    return None if _PLAIN.fullmatch(text) and not _WORDS.fullmatch(text) else '"'


_Dumper.add_representer(str, _text)
