"""The operator that owns the whole configuration of a workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

from airflow_provider_mparticle.applying import apply_plan, read_workspace, require_applicable
from airflow_provider_mparticle.document import SUFFIXES, Document, check_document, load_document, parse_document
from airflow_provider_mparticle.failures import failing_by_cause
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.operators.masking import mask_secrets
from airflow_provider_mparticle.planning import plan

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context


class MParticleApplyOperator(BaseOperator):
    """
    Make the workspace's Warehouse Sync configuration what one document says.

    Checks the whole document, reads what mParticle has, logs the plan, and carries it out. What the document does not
    name is let be. Applying it again changes nothing; after a failure half-way, the retry does the rest.

    :param spec: The document: a dict, a path to a ``.yaml``, ``.yml`` or ``.json`` file, absolute or relative to the
        DAG's folder, or the text of one. Templates in the values of a dict or a file are rendered; in a file this is
        done after reading it, so a secret may hold any character and Airflow stores the path alone. (templated)
    :param dry_run: Only log the plan. Default: False.
    :param prune: Delete what the document does not name, in the sections that it has. Default: False.
    :param mparticle_conn_id: Id of the Airflow connection. Default: ``"mparticle_default"``. (templated)
    :return: ``{"changed": bool, "dry_run": bool, "steps": [...]}``; after a dry run *changed* tells whether there is
        something to change.
    :raises AirflowFailException: The document is wrong, or mParticle cannot do what it says; the message names
        everything that is wrong, and nothing was changed. Or mParticle refused a step.
    """

    template_fields: Sequence[str] = ("spec", "mparticle_conn_id")
    template_fields_renderers: ClassVar[dict[str, str]] = {"spec": "json"}

    def __init__(
        self,
        *,
        spec: Mapping[str, Any] | str | Path,
        dry_run: bool = False,
        prune: bool = False,
        mparticle_conn_id: str = MParticleHook.default_conn_name,
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
        mask_secrets(self.spec)
        if isinstance(self.spec, str) and not self.spec.endswith(SUFFIXES):
            with failing_by_cause():
                mask_secrets(parse_document(self.spec).content)

    def execute(self, context: Context) -> dict[str, Any]:
        """Check, plan, and apply."""
        with failing_by_cause():
            document = self._document(context)
            for problem in check_document(document):
                self.log.warning("%s.", problem)
            hook = MParticleHook(self.mparticle_conn_id)
            planned = plan(document, read_workspace(hook), prune=self.prune)
            for line in planned.lines():
                self.log.info("%s", line)
            require_applicable(planned)
            if self.is_dry_run:
                return {"changed": not planned.is_empty, "dry_run": True, "steps": planned.as_dict()["steps"]}
            return {"dry_run": False, **apply_plan(hook, planned)}

    def _document(self, context: Context) -> Document:
        """Read the document; the values of a file are rendered here, those of a dict were by Airflow."""
        if isinstance(self.spec, Mapping):
            document = load_document(self.spec)
        elif isinstance(self.spec, str) and not self.spec.endswith(SUFFIXES):
            document = parse_document(self.spec)
        else:
            read = load_document(self._found(Path(self.spec)))
            document = Document(self.render_template(read.content, context), read.origin)
        mask_secrets(document.content)
        return document

    def _found(self, path: Path) -> Path:
        """Look for a relative path where Airflow looks for templates: the DAG's folder, then its search path."""
        loader = self.get_template_env().loader
        folders = [Path(folder) for folder in getattr(loader, "searchpath", ())]
        return next((folder / path for folder in folders if (folder / path).exists()), path)
