"""
Each folder imports only what one table allows, and the picture in docs/explanation/architecture.md shows that table.

The imports are read with ``ast``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_mparticle

PACKAGE = "airflow_provider_mparticle"
ROOT = Path(airflow_provider_mparticle.__file__).parent
PICTURE = ROOT.parent / "docs" / "explanation" / "architecture.md"

# Folder, or module at the top of the package -> which of them it may import, anywhere: at its top, in a function, for
# types. The lowest comes first, and each may import only from rows before its own.
MAY_IMPORT: dict[str, set[str]] = {
    "simulator": set(),
    "pipeline_settings": set(),
    "client": set(),
    "runs": {"client"},
    "configuration": {"client"},
    "slices": {"client", "runs", "configuration"},
    "assets": set(),
    "telemetry": {"client", "runs", "configuration", "assets"},
    "connection": {"client"},
    "provider_info": {"connection"},
    "triggerer": {"client", "runs", "connection", "telemetry"},
    "hooks": {"client", "runs", "connection", "triggerer", "telemetry"},
    "triggers": {"client", "runs", "triggerer"},
    "event_triggers": {"client", "runs", "connection", "triggerer", "triggers"},
    "links": {"client", "hooks"},
    "notifications": {"client", "hooks", "links"},
    "tasks": {
        "client",
        "runs",
        "configuration",
        "slices",
        "connection",
        "hooks",
        "triggers",
        "links",
        "assets",
        "telemetry",
    },
    "operators": {"client", "runs", "configuration", "slices", "connection", "links", "telemetry", "tasks"},
    "sensors": {"client", "runs", "connection", "tasks", "operators"},
    "task_groups": {"operators"},
    "cli": {"client", "configuration", "hooks", "tasks"},
    "__main__": {"cli"},
}
NO_AIRFLOW = {"simulator", "pipeline_settings", "client", "runs", "configuration", "slices"}
# The one exception: a task receives the operator that declares it, so its annotations name the operator's type.
TYPES_FROM_ABOVE = {"tasks": {"operators", "sensors"}}
# Libraries that only one module may import, so that they can be replaced and are not loaded by accident.
LIBRARIES = {"aiohttp": "client/aiohttp_transport.py", "requests": "client/requests_transport.py"}

FILES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def folder_of(path: Path) -> str:
    """Return the row of the table that a file belongs to."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


def imports_of(path: Path) -> set[str]:
    """Return what a file imports: rows of the table, and other packages by the name at their top."""
    tree = ast.parse(path.read_text())
    type_only = {id(node) for block in _type_checking(tree) for node in ast.walk(block)}
    names: set[str] = set()
    for node in ast.walk(tree):
        found = set(_named_by(node))
        if id(node) in type_only:
            found -= TYPES_FROM_ABOVE.get(folder_of(path), set())
        names |= found
    return names - sys.stdlib_module_names - {folder_of(path), "__version__"}


def _type_checking(tree: ast.AST) -> Iterator[ast.If]:
    return (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )


def _named_by(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports are not read here"
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        return
    for name in names:
        top, *rest = name.split(".")
        yield rest[0] if top == PACKAGE else top


def test_every_folder_has_a_row() -> None:
    """The table decides for every folder what it may import."""
    advice = "add a row for a new folder to MAY_IMPORT in tests/test_layering.py, and to the picture"
    assert {folder_of(path) for path in FILES} == set(MAY_IMPORT), advice


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_folder_may(path: Path) -> None:
    """A change in one folder can only affect the folders that import it."""
    of_ours = imports_of(path) & MAY_IMPORT.keys()

    advice = f"{folder_of(path)} must not import these; see MAY_IMPORT in tests/test_layering.py"
    assert set() == of_ours - MAY_IMPORT[folder_of(path)], advice


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_go_down_only(folder: str) -> None:
    """The table itself has no cycle."""
    rows = [*MAY_IMPORT]

    assert MAY_IMPORT[folder] <= {*rows[: rows.index(folder)]}


@pytest.mark.interpreter
def test_the_lower_folders_do_not_import_airflow() -> None:
    """The rules about runs, documents and slices can be used and tested without Airflow."""
    knowing = {folder_of(path) for path in FILES if imports_of(path) & {"airflow", "jinja2", "wtforms"}}

    assert set() == knowing & NO_AIRFLOW


@pytest.mark.parametrize("library", LIBRARIES)
def test_one_module_imports_an_http_library(library: str) -> None:
    """A worker does not load aiohttp, and the triggerer does not load requests."""
    knowing = [str(path.relative_to(ROOT)) for path in FILES if library in imports_of(path)]

    assert [LIBRARIES[library]] == knowing


def test_the_picture_shows_the_table() -> None:
    """The picture lists every row once, above all that it may import; below its line, nothing imports Airflow."""
    picture = PICTURE.read_text().split("```")[1].splitlines()
    shown = [(line.split("  ")[0].split(), line) for line in picture if line.strip() and not line.startswith(" ")]
    rows = [name.removesuffix("/").removesuffix(".py") for names, line in shown for name in names if "---" not in line]
    line = next(number for number, (_, text) in enumerate(shown) if "---" in text)
    below = {name.removesuffix("/").removesuffix(".py") for names, _ in shown[line + 1 :] for name in names}

    assert sorted(MAY_IMPORT) == sorted(rows)
    assert all(rows.index(folder) < rows.index(lower) for folder in MAY_IMPORT for lower in MAY_IMPORT[folder])
    assert below == NO_AIRFLOW
