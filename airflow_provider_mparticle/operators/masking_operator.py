"""The base class of the operators whose arguments may contain secrets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_mparticle.operators.operator_arguments import EnumTemplates

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class MaskingOperator(EnumTemplates, BaseOperator):
    """The base of the operators whose arguments may contain secrets, which are masked in all that Airflow stores."""

    def __init__(self, **kwargs: Any) -> None:
        # Without a constructor of its own, a class with a mixin before BaseOperator gives mapped tasks None as inlets.
        super().__init__(**kwargs)

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Context, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        """
        Render the templates and mask every secret, before Airflow stores the rendered fields.

        Airflow calls this method for every task, but ``render_template_fields`` only for tasks that are not mapped.
        """
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        if parent is self:  # and not an object in one of the fields
            from airflow_provider_mparticle.tasks.masking import mask_rendered_fields

            mask_rendered_fields(self, self._rendered_fields())

    def _rendered_fields(self) -> dict[str, Any]:
        """Return the rendered fields, in which secrets are found by the names of dicts at any depth."""
        return {name: getattr(self, name) for name in self.template_fields}
