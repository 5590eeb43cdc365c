"""Renders a member of an enumeration in a template field as its value."""

from __future__ import annotations

from typing import Any


class EnumTemplates:
    """A base of all operators. Airflow itself renders a member of an enumeration of texts as ``"Pipelines.ORDERS"``."""

    def render_template(self, content: Any, *args: Any, **kwargs: Any) -> Any:
        """Render a value. Airflow calls this for each value in a field, at any depth."""
        plain = str.__str__(content) if isinstance(content, str) else content
        return super().render_template(plain, *args, **kwargs)  # type: ignore[misc]  # of the operator's other base
