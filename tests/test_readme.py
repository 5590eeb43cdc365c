"""README can be read on PyPI: its links are absolute and lead to pages that exist, and its figures are measured."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
RESULTS = (ROOT / "benchmarks/RESULTS.md").read_text()
SITE = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Documentation"]
# Row of README -> section of RESULTS.md, and the column there.
MEASURED = {
    "import of operators and sensors, for every DAG file, ms": ("Import of operators and sensors", "ms"),
    "worst stall of the triggerer's event loop, 20 triggers, ms": ("Worst stall of the event loop", "ms"),
    "the same with a slow secrets backend, ms": ("Worst stall of the event loop", "slow lookups, ms"),
    "requests of 20 triggers, each for its own run": ("What 20 triggers ask", "requests"),
    "requests of 100 triggers that wait for one run": ("Requests when several triggers wait", "100 waiting"),
    "lookups of the Airflow connection, 20 triggers": ("What 20 triggers ask", "lookups"),
    "CPU for one poll, microseconds": ("CPU and memory", "CPU per poll, microseconds"),
    "memory of a deferred run, KB": ("CPU and memory", "memory per run, KB"),
}


def table(text: str) -> list[list[str]]:
    """The cells of the first table in a text, its head first."""
    lines = re.search(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    assert lines, text
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[0].splitlines()]
    return [rows[0], *rows[2:]]


def test_every_link_is_absolute() -> None:
    """PyPI has no files for a relative link."""
    targets = re.findall(r"\]\(([^)]+)\)", README) + re.findall(r"^\[[^\]]+\]: (\S+)$", README, re.MULTILINE)

    assert targets
    assert [] == [target for target in targets if not target.startswith("https://")]


def test_every_link_with_a_name_has_an_address() -> None:
    """A name without an address is shown in its brackets."""
    text = re.sub(r"```.*?```|`[^`]*`", "", README, flags=re.DOTALL)
    defined = set(re.findall(r"^\[([^\]]+)\]: ", text, re.MULTILINE))
    used = re.findall(r"(?<!\])\[([^\]]+)\](?![(:\[])|\]\[([^\]]+)\]", text)

    assert {" ".join((one or other).lower().split()) for one, other in used} == defined


def test_every_page_of_the_site_exists() -> None:
    """A page is made from a Markdown file, a picture is copied."""
    paths = {Path(path) for path in re.findall(re.escape(SITE) + r"([^\s)]*)", README)}
    sources = {
        ROOT / "docs/images" / path.name if path.parent.name == "_images" else (ROOT / path).with_suffix(".md")
        for path in paths
    }

    assert sources
    assert [] == [str(source) for source in sources if not source.exists()]


@pytest.mark.parametrize("row", table(README.partition("These figures were measured:")[2])[1:], ids=lambda row: row[0])
def test_every_figure_is_measured(row: list[str]) -> None:
    """After `make bench`, README has the new figures, too."""
    providers = ["mparticle (ours)", *table(README.partition("These figures were measured:")[2])[0][2:]]
    section, column = MEASURED[row[0]]
    head, *rows = table(RESULTS.partition(f"## {section}")[2])

    measured = {one[0]: one[head.index(column)].partition(" ")[0] for one in rows}

    assert [measured[provider] for provider in providers] == row[1:]
