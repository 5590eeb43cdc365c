"""The operator that applies a configuration document to a workspace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_mparticle.connection.form import DEFAULT_CONN_NAME
from airflow_provider_mparticle.operators.lazy_links import LazyLinks
from airflow_provider_mparticle.operators.masking_operator import MaskingOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class MParticleApplyOperator(MaskingOperator):
    """
    Apply a document that describes the Warehouse Sync configuration of a workspace.

    The task checks the whole document, reads the configuration from mParticle, logs a plan of the changes, and applies
    it. Resources that the document does not name stay unchanged. To apply a document a second time changes nothing. If
    a task fails halfway, its retry applies the rest.

    :param spec: The document: a dict, a path to a ``.yaml``, ``.yml`` or ``.json`` file, absolute or relative to the
        DAG's folder, or the text of such a file. Templates in its values are rendered. A file or a text is rendered
        after it is parsed, so a secret may contain any character, and Airflow stores only the path of a file. A text
        may also be one template that renders to a document. (templated)
    :param dry_run: Whether to log the plan only. Default: False.
    :param prune: Whether to delete resources that the document does not name, in the sections that it has. Default:
        False.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"changed": bool, "dry_run": bool, "steps": [...]}``. After a dry run, *changed* says whether the
        document and the workspace differ.
    :raises AirflowFailException: The document is invalid, or mParticle cannot make a change that it needs: the message
        names every problem, and nothing was changed. Or mParticle refused a step.
    """

    operator_extra_links = LazyLinks()
    template_fields: Sequence[str] = ("spec", "mparticle_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"spec": "json"}

    def __init__(
        self,
        *,
        spec: Mapping[str, Any] | str | Path,
        dry_run: bool = False,
        prune: bool = False,
        mparticle_conn_id: str = DEFAULT_CONN_NAME,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.spec = spec
        self.is_dry_run = dry_run  # Airflow's operators have a method dry_run
        self.prune = prune
        self.mparticle_conn_id = mparticle_conn_id
        self.lines: Mapping[str, int] = {}

    def execute(self, context: Context) -> dict[str, Any]:
        """Check the document, plan the changes, and apply them."""
        from airflow_provider_mparticle.tasks.apply import apply_document

        return apply_document(self, context)

    def _do_render_template_fields(
        self, parent: Any, template_fields: Iterable[str], context: Context, jinja_env: Any, seen_oids: set[int]
    ) -> None:
        """Parse the text of a document before its values are rendered."""
        if parent is self:
            from airflow_provider_mparticle.tasks.apply import parsed_text

            parsed = parsed_text(self.spec)
            if parsed and isinstance(parsed.content, dict):
                self.spec, self.lines = parsed.content, parsed.lines
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)

    def _rendered_fields(self) -> dict[str, Any]:
        from airflow_provider_mparticle.tasks.apply import content_of

        return {**super()._rendered_fields(), "spec": content_of(self.spec)}
