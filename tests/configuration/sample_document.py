"""The document ``tests/samples/workspace.yaml``: a realistic workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow_provider_mparticle.configuration.document import load_document

SAMPLE = Path(__file__).parents[1] / "samples" / "workspace.yaml"


def sample() -> dict[str, Any]:
    """Return its content, a new copy for each call."""
    content: dict[str, Any] = load_document(SAMPLE).content
    return content
