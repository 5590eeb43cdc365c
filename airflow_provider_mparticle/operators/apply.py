"""The operator that applies the whole configuration of a workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_mparticle.connection.form import DEFAULT_CONN_NAME
from airflow_provider_mparticle.lazy_links import LazyLinks

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class MParticleApplyOperator(BaseOperator):
    """
    Make the workspace's Warehouse Sync configuration what one document says.

    Checks the whole document, reads what mParticle has, logs the plan, and carries it out. What the document does not
    name is left as it is. Applying it again changes nothing; after a failure half-way, the retry does the rest.

    :param spec: The document: a dict, a path to a ``.yaml``, ``.yml`` or ``.json`` file, absolute or relative to the
        DAG's folder, or the text of one. Templates in the values of a dict or a file are rendered; in a file this is
        done after reading it, so a secret may hold any character and Airflow stores the path alone. (templated)
    :param dry_run: Only log the plan. Default: False.
    :param prune: Delete what the document does not name, in the sections that it has. Default: False.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"changed": bool, "dry_run": bool, "steps": [...]}``; after a dry run *changed* says whether there is
        something to change.
    :raises AirflowFailException: The document is wrong, or mParticle cannot do what it says; the message names
        everything that is wrong, and nothing was changed. Or mParticle refused a step.
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

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Render, then mask every secret, before Airflow stores the rendered fields."""
        super().render_template_fields(context, jinja_env)
        from airflow_provider_mparticle.tasks.apply import mask_secrets_of

        mask_secrets_of(self.spec)

    def execute(self, context: Context) -> dict[str, Any]:
        """Check, plan, and apply."""
        from airflow_provider_mparticle.tasks.apply import apply_document

        return apply_document(self, context)
