"""Defines an empty operator, which shows the minimal cost of an operator in a DAG file."""

from __future__ import annotations

from typing import Any

from airflow.providers.common.compat.sdk import BaseOperator


class BareOperator(BaseOperator):
    """Does nothing."""

    template_fields = ("name",)

    def __init__(self, *, name: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.name = name

    def execute(self, context: Any) -> None:
        """Do nothing."""
