"""Checks the arguments of operators while Airflow parses a DAG file, and renders members of enumerations in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# Tasks check the same words again, since an argument of a mapped task is known only there.
WORDS: Mapping[str, Sequence[str]] = {
    "on_empty": ("success", "skip", "fail"),
    "if_exists": ("fail", "reuse", "update"),
    "kind": ("connection", "data_model", "field_transformation", "pipeline"),
}


def is_mapped(operator: Any) -> bool:
    """
    Return whether Airflow creates this operator for a mapped task.

    An error in a constructor normally becomes an import error of the DAG file. In a mapped task it would lead to a
    retry instead, so a mapped task checks its arguments when it is executed. Airflow 2 and 3 set the attribute before
    they call the constructor.
    """
    return getattr(operator, "_BaseOperator__from_mapped", False) is True


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


class EnumTemplates:
    """A base of all operators. Airflow itself renders a member of an enumeration of texts as ``"Pipelines.ORDERS"``."""

    def render_template(self, content: Any, *args: Any, **kwargs: Any) -> Any:
        """Render a value. Airflow calls this for each value in a field, at any depth."""
        plain = str.__str__(content) if isinstance(content, str) else content
        return super().render_template(plain, *args, **kwargs)  # type: ignore[misc]  # of the operator's other base
