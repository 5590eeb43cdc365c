"""The site of the documentation is built without a warning, and no link in it leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dev import site

pytestmark = pytest.mark.slow


def test_every_link_leads_somewhere(built_site: Path) -> None:
    """Pages, anchors, images and downloads."""
    assert [] == list(site.broken_links(built_site))


def test_a_link_to_a_missing_page_or_anchor_is_found(tmp_path: Path) -> None:
    """The check above can fail."""
    (tmp_path / "a.html").write_text('<a href="b.html"></a><a href="#c"></a><a href="a.html#d" id="d"></a>')

    assert ["a.html: b.html", "a.html: #c"] == list(site.broken_links(tmp_path))


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("operators", ["MParticleTriggerPipelineOperator", "if_running"]),
        ("sensor", ["covers"]),
        ("hook", ["list_pipeline_runs", "88 requests"]),
        ("triggers", ["MParticlePipelineRunEventTrigger"]),
        ("errors", ["StartAmbiguousError", "has not known run"]),
        ("connection", ["workspace_id", "Client secret"]),
        ("routes", ["/inputs/data-pipelines", "dataset_triggered", "records_mapped"]),
        ("command-line", ["--detailed-exitcode"]),
        ("limits", ["24,000,000", "July 2025"]),
        ("calls", ["POST", "stated-for-sibling"]),
        ("document", ["sync_mode", "iterator_field"]),
        ("examples", ["trigger_and_wait.py"]),
    ],
)
def test_the_reference_has_what_the_code_has(built_site: Path, page: str, words: list[str]) -> None:
    """A directive that finds nothing would leave an empty page."""
    text = re.sub("<[^>]+>", "", (built_site / f"docs/reference/{page}.html").read_text())

    assert [] == [word for word in words if word not in text]
