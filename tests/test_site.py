"""The site of the documentation is built without a warning, and no link in it leads nowhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

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
        (
            "results",
            ["PipelineRun", "successful_records", "last_modified_by", "Who changed it last."],
        ),
        ("triggers", ["MParticlePipelineRunEventTrigger"]),
        ("errors", ["StartAmbiguousError", "has not known run"]),
        ("connection", ["workspace_id", "Client secret"]),
        ("routes", ["/inputs/data-pipelines", "dataset_triggered", "records_mapped"]),
        ("command-line", ["--detailed-exitcode"]),
        ("limits", ["24,000,000", "July 2025"]),
        ("calls", ["POST", "stated-for-sibling", "Query: accountId", "A run is in progress", "iterator_data_type"]),
        ("document", ["sync_mode", "iterator_field"]),
        ("examples", ["trigger_and_wait.py"]),
        ("../how-to/metrics", ["mparticle.run.duration", "lost", "mparticle.retries"]),
    ],
)
def test_the_reference_has_what_the_code_has(built_site: Path, page: str, words: list[str]) -> None:
    """A directive that finds nothing would leave an empty page."""
    text = re.sub("<[^>]+>", "", (built_site / f"docs/reference/{page}.html").read_text())

    assert [] == [word for word in words if word not in text]


@pytest.mark.parametrize("page", ["calls", "document"])
def test_the_reference_names_every_field_of_every_schema(built_site: Path, page: str) -> None:
    """A schema that combines others or that is in another one is not left out."""
    described = {
        "calls": lambda: yaml.safe_load((site.ROOT / "docs/openapi.yaml").read_text()),
        "document": lambda: json.loads((site.ROOT / "docs/reference/document.schema.json").read_text()),
    }[page]()
    shown = set(re.findall(r"<code[^>]*>(.*?)</code>", (built_site / f"docs/reference/{page}.html").read_text()))
    shown = {re.sub("<[^>]+>", "", one).rpartition(".")[2] for one in shown}

    names = set(fields_in(described))
    assert len(names) > 20
    assert set() == names - shown


def fields_in(schema: Any) -> Iterator[str]:
    """Yield the name of every field at any depth, and of every parameter of a call."""
    if isinstance(schema, list):
        for one in schema:
            yield from fields_in(one)
    if isinstance(schema, dict):
        yield from schema["properties"] if isinstance(schema.get("properties"), dict) else ()
        if "name" in schema and "in" in schema:
            yield schema["name"]
        for name, one in schema.items():
            if name not in ("example", "examples"):
                yield from fields_in(one)
