"""Applies a configuration document to a workspace, for ``MParticleApplyOperator``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.configuration.apply import apply_plan, read_workspace, require_applicable
from airflow_provider_mparticle.configuration.document import (
    SUFFIXES,
    Document,
    check_document,
    load_document,
    parse_document,
)
from airflow_provider_mparticle.configuration.plan import plan
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.tasks.arguments import read_switch, refuse_nothing
from airflow_provider_mparticle.tasks.failures import fail_without_retry
from airflow_provider_mparticle.tasks.kept_forms_variable import remembered_forms
from airflow_provider_mparticle.tasks.masking import mask_secrets

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_mparticle.operators.apply import MParticleApplyOperator

_ONE_TEMPLATE = re.compile(r"\s*\{\{((?!\}\}).)*\}\}\s*", re.DOTALL)


def apply_document(operator: MParticleApplyOperator, context: Context) -> dict[str, Any]:
    """Check the document, plan the changes, and apply them. Return what the task returns."""
    with fail_without_retry():
        prune, is_dry_run = read_switch("prune", operator.prune), read_switch("dry_run", operator.is_dry_run)
        document = _document(operator, context)
        for problem in check_document(document):
            operator.log.warning("%s.", problem)
        hook = MParticleHook(operator.mparticle_conn_id)
        with remembered_forms() as kept:
            planned = plan(document, read_workspace(hook), prune=prune, kept=kept)
            for line in planned.lines():
                operator.log.info("%s", line)
            require_applicable(planned)
            if is_dry_run:
                return {"changed": not planned.is_empty, "dry_run": True, "steps": planned.as_dict()["steps"]}
            return {"dry_run": False, **apply_plan(hook, planned, kept=kept)}


def content_of(spec: Mapping[str, Any] | str | Path) -> Any:
    """Return what the argument contains, to mask its secrets. A file is read later, and its secrets are masked then."""
    parsed = parsed_text(spec)
    return parsed.content if parsed else spec


def parsed_text(spec: Mapping[str, Any] | str | Path) -> Document | None:
    """
    Return the document if *spec* is its text, or None.

    Templates in the text are values of the document. So the text is parsed before they are rendered: otherwise the
    password ``abc #1`` would end at its space, and the rest would not be masked. A text that is one template as a whole
    is not parsed, because it renders to a document.
    """
    if not _is_text(spec) or _ONE_TEMPLATE.fullmatch(spec):
        return None
    with fail_without_retry():
        return parse_document(spec)


def _document(operator: MParticleApplyOperator, context: Context) -> Document:
    """Read the document. Airflow has rendered the values of a dict and of a text; those of a file are rendered here."""
    if isinstance(operator.spec, Mapping):
        document = replace(load_document(operator.spec), lines=operator.lines)
    elif _is_text(operator.spec):
        document = parse_document(operator.spec)
    elif not isinstance(operator.spec, str | Path):
        raise ConfigError(
            f"spec must be a dict, a path or the text of a document, not a {type(operator.spec).__name__}. "
            "Nothing was sent to mParticle."
        )
    else:
        read = load_document(_found(operator, Path(operator.spec)))
        document = read.with_content(operator.render_template(read.content, context))
    mask_secrets(document.content)
    refuse_nothing(document.content)
    return document


def _is_text(spec: object) -> TypeGuard[str]:
    """Return whether *spec* is the text of a document, and not a path or a dict."""
    if not isinstance(spec, str) or not any(mark in spec for mark in "\n:{["):
        return False
    return "\n" in spec.strip() or not spec.endswith(SUFFIXES)


def _found(operator: MParticleApplyOperator, path: Path) -> Path:
    """Search a relative path where Airflow searches templates: in the DAG's folder, then in its search path."""
    loader = operator.get_template_env().loader
    folders = [Path(folder) for folder in getattr(loader, "searchpath", ())]
    try:
        return next((folder / path for folder in folders if (folder / path).exists()), path)
    except OSError:  # for example a name that is too long; to read it says so
        return path
