"""The words that arguments accept, and their check while Airflow parses a DAG file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_mparticle.operators.mapped import is_mapped

# Tasks check the same words again, since an argument of a mapped task is known only there.
WORDS: Mapping[str, Sequence[str]] = {
    "on_empty": ("success", "skip", "fail"),
    "if_exists": ("fail", "reuse", "update"),
    "kind": ("connection", "data_model", "field_transformation", "pipeline"),
}


def check_word(operator: Any, argument: str, words: Sequence[str] = ()) -> None:
    """
    Refuse a word that an argument does not accept, so that the DAG file has an import error.

    :param words: The words that it accepts. Default: those of :data:`WORDS`.
    :raises ConfigError: The value is another one, and the task is not mapped.
    """
    value, accepted = getattr(operator, argument), words or WORDS[argument]
    if is_mapped(operator) or (isinstance(value, str) and value in accepted):
        return
    from airflow_provider_mparticle.tasks.arguments import read_choice

    read_choice(argument, value, accepted)
