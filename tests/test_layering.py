"""Imports go down only: every module's imports, read with ``ast``, against one table."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_mparticle

PACKAGE = "airflow_provider_mparticle"
ROOT = Path(airflow_provider_mparticle.__file__).parent

# Module -> what it may import besides the standard library, at its top, in a function or for types: modules of this
# package, and other packages by the name at their top. From bottom to top: a module may import only from rows above
# its own. "simulator" stands for all of its modules, "." for the package itself.
MAY_IMPORT: dict[str, set[str]] = {
    "simulator": {"simulator"},
    ".": set(),
    "connection_form": set(),
    "provider_info": {".", "connection_form"},
    "client": set(),
    "client.errors": set(),
    "client.run_fields": set(),
    "client.run_states": set(),
    "client.routes": {"client.errors"},
    "client.models": {"client.run_fields", "client.run_states"},
    "client.kinds": {"client.models"},
    "client.config": {"client.errors", "client.routes", "client.run_fields", "client.run_states"},
    "client.endpoints": {"client.config", "client.errors", "client.kinds", "client.models"},
    "client.exchange": {"client.config", "client.endpoints", "client.errors", "client.models", "client.routes"},
    "client.retrying": {"client.endpoints", "client.errors", "tenacity"},
    "client.tokens": {"client.config", "client.errors", "client.exchange"},
    "client.pace": {"client.errors", "client.exchange"},
    "client.single_flight": set(),
    "client.sync": {
        *("client.config", "client.endpoints", "client.errors", "client.exchange", "client.retrying", "client.tokens"),
        *("requests", "tenacity", "urllib3"),
    },
    "client.aio": {
        *("client.config", "client.endpoints", "client.errors", "client.exchange", "client.pace", "client.retrying"),
        *("client.single_flight", "client.tokens", "aiohttp", "tenacity"),
    },
    "problems": set(),
    "pipeline_settings": set(),
    "sql_checks": {"problems", "sqlglot"},
    "resources": {"client.kinds", "client.models", "problems", "sql_checks"},
    "document_text": {"yaml"},
    "document": {"client.errors", "client.kinds", "document_text", "problems", "resources"},
    "planning": {"client.kinds", "client.models", "document", "resources"},
    "probing": {
        *("client.config", "client.endpoints", "client.errors", "client.kinds", "client.models", "client.routes"),
        "client.sync",
    },
    "steps": {"client.endpoints", "client.errors"},
    "rhythm": {"client.models", "client.run_states"},
    "listing": {"client.endpoints", "client.errors", "client.models", "rhythm", "steps"},
    "outcome": {"client.errors", "client.models", "client.run_states"},
    "finding": {"client.endpoints", "client.errors", "client.models", "outcome", "steps"},
    "coverage": {"client.endpoints", "client.errors", "client.models", "client.run_states", "listing", "steps"},
    "waiting": {
        *("client.errors", "client.models", "coverage", "finding", "listing", "outcome", "rhythm", "steps"),
    },
    "polling": {
        *("client.endpoints", "client.errors", "client.models", "client.run_states", "client.single_flight"),
        *("rhythm", "steps"),
    },
    "gates": {"client.errors"},
    "slice_arguments": {"client.errors"},
    "windows": {"client.errors", "client.models", "slice_arguments"},
    "slice_planning": {"client.errors", "slice_arguments", "windows"},
    "slice_sql": {"client.errors", "slice_arguments", "windows"},
    "claiming": {
        *("client.endpoints", "client.errors", "client.kinds", "client.models"),
        *("resources", "slice_sql", "steps", "windows"),
    },
    "decision": {"client.models", "client.run_states"},
    "starting": {
        *("client.endpoints", "client.errors", "client.models", "client.run_states"),
        *("claiming", "coverage", "decision", "finding", "listing", "rhythm", "steps"),
    },
    # --------------------------------------------------------------------------- THE_LINE: no Airflow above this row
    "connection": {
        *("client.config", "client.errors", "client.routes", "client.run_fields", "client.run_states"),
        "airflow",
    },
    "failures": {"client.errors", "gates", "airflow"},
    "dag_runs": {"client.errors", "windows", "airflow"},
    "tasks": set(),
    "tasks.declared": {
        *("client.models", "decision", "gates", "resources", "slice_arguments", "airflow", "jinja2"),
    },
    "slice_templates": {"client.errors", "tasks.declared", "airflow", "jinja2"},
    "sharing": {
        *("client.aio", "client.endpoints", "client.errors", "client.single_flight", "connection", "polling"),
        *("rhythm", "airflow"),
    },
    "hooks": {
        *("client.endpoints", "client.errors", "client.kinds", "client.models", "client.sync"),
        *("connection", "connection_form", "listing", "sharing", "steps", "airflow", "wtforms"),
    },
    "ensuring": {"client.endpoints", "client.errors", "client.kinds", "client.models", "hooks", "resources"},
    "applying": {"client.endpoints", "client.errors", "client.kinds", "ensuring", "hooks", "planning"},
    "deferred": {"client.models", "coverage", "finding", "outcome", "sharing", "steps", "waiting"},
    "triggers": {"client.models", "client.single_flight", "deferred", "outcome", "waiting", "airflow"},
    "tasks.masking": {"planning", "airflow"},
    "tasks.apply": {
        *("applying", "document", "failures", "hooks", "planning", "tasks.declared", "tasks.masking", "airflow"),
    },
    "tasks.plan_slices": {
        *("client.errors", "failures", "slice_arguments", "slice_planning", "slice_sql", "slice_templates"),
        *("tasks.declared", "windows", "airflow"),
    },
    "tasks.platform": {"failures", "hooks"},
    "tasks.resources": {
        *("client.endpoints", "client.errors", "client.kinds"),
        *("ensuring", "failures", "hooks", "resources", "tasks.declared"),
    },
    "tasks.pipelines": {"client.kinds", "ensuring", "failures", "hooks", "tasks.declared", "tasks.resources"},
    "tasks.waiting": {"failures", "gates", "hooks", "outcome", "steps", "tasks.declared", "triggers", "waiting"},
    "tasks.trigger": {
        *("client.errors", "client.models", "dag_runs", "decision", "failures", "finding", "outcome", "starting"),
        *("steps", "tasks.declared", "tasks.waiting", "waiting", "windows", "airflow"),
    },
    "tasks.sync_slice": {
        *("claiming", "client.errors", "client.kinds", "dag_runs", "ensuring", "outcome", "rhythm", "slice_arguments"),
        *("slice_sql", "slice_templates", "starting", "steps", "tasks.declared", "tasks.trigger", "windows", "airflow"),
    },
    "tasks.sensor": {
        *("client.errors", "coverage", "dag_runs", "failures", "finding", "outcome"),
        *("steps", "tasks.declared", "tasks.waiting", "waiting", "windows", "airflow"),
    },
    # Operators import most of this for types, or in a method; tests/test_imports.py lists what a DAG file loads.
    "operators.apply": {"connection_form", "tasks.apply", "airflow"},
    "operators.plan_slices": {"slice_arguments", "tasks.plan_slices", "airflow"},
    "operators.platform": {"connection_form", "tasks.platform", "airflow"},
    "operators.resources": {"connection_form", "resources", "tasks.masking", "tasks.resources", "airflow"},
    "operators.pipelines": {
        *("client.kinds", "connection_form", "operators.resources", "resources", "tasks.pipelines", "airflow"),
    },
    "operators.trigger": {"client.models", "connection_form", "decision", "gates", "tasks.trigger", "airflow"},
    "operators.sync_slice": {"decision", "operators.trigger", "slice_arguments", "tasks.sync_slice", "airflow"},
    "operators": {
        *("operators.apply", "operators.pipelines", "operators.plan_slices", "operators.platform"),
        *("operators.resources", "operators.sync_slice", "operators.trigger"),
    },
    "sensors": {"client.models", "connection_form", "gates", "tasks.sensor", "airflow"},
    "doctor": {
        *("client.config", "client.endpoints", "client.errors", "client.kinds", "client.models", "client.routes"),
        *("client.sync", "hooks", "probing"),
    },
    "exit_codes": set(),
    "commands": {
        *("applying", "client.errors", "client.models", "doctor", "document", "exit_codes", "hooks", "planning"),
        *("rich", "yaml"),
    },
    "cli": {".", "client.errors", "commands", "exit_codes", "airflow"},
    "__main__": {"cli"},
}
THE_LINE = "connection"


def names_of(path: Path) -> tuple[str, str]:
    """Return a file's name as a module, and that of its row in the table."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts) or "."
    return module, "simulator" if parts[0] == "simulator" else module


FILES = sorted(ROOT.rglob("*.py"))
ROWS = {names_of(path)[1] for path in FILES}
MODULES = {names_of(path)[0] for path in FILES}


def imported_by(path: Path) -> set[str]:
    """Return what a file imports anywhere, without the standard library."""
    statements = [
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    names = {name for statement in statements for name in _named_by(statement)}
    return {name for name in names if name.split(".")[0] not in sys.stdlib_module_names or name in MODULES}


def _named_by(statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """Name what a statement imports as the table does."""
    if isinstance(statement, ast.Import):
        found = [alias.name for alias in statement.names]
    else:
        assert statement.level == 0, "relative imports are not read here"
        found = [f"{statement.module}.{alias.name}" for alias in statement.names]
    for name in found:
        top, _, rest = name.partition(".")
        yield _own(rest) if top == PACKAGE else top


def _own(name: str) -> str:
    """Return the row of the module that a dotted name of this package lies in."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return "simulator" if name.startswith("simulator") else name or "."


def test_every_module_has_a_row() -> None:
    """Whoever adds a module says where it stands and what it may know."""
    assert set(MAY_IMPORT) == ROWS


@pytest.mark.parametrize("path", FILES, ids=lambda path: names_of(path)[0])
def test_a_module_imports_only_what_its_row_allows(path: Path) -> None:
    """The layers are what lets one part change without the others."""
    allowed = MAY_IMPORT.get(names_of(path)[1], set())

    assert set() == imported_by(path) - allowed


@pytest.mark.parametrize("module", MAY_IMPORT)
def test_imports_go_down_only(module: str) -> None:
    """Two modules that import each other are one."""
    rows = [*MAY_IMPORT]
    of_ours = MAY_IMPORT[module] & {*rows} - ({"simulator"} if module == "simulator" else set())

    assert set() == of_ours - {*rows[: rows.index(module)]}


def test_below_the_line_nobody_knows_airflow() -> None:
    """The client and the rules of waiting and starting run, and are tested, without it."""
    rows = [*MAY_IMPORT]
    below = rows[: rows.index(THE_LINE)]

    assert [] == [module for module in below if "airflow" in MAY_IMPORT[module]]
    assert {"waiting", "polling", "starting", *(row for row in rows if row.startswith("client"))} <= {*below}


def test_the_drivers_do_not_know_each_other() -> None:
    """A task must not load aiohttp, nor the triggerer requests."""
    assert "client.aio" not in MAY_IMPORT["client.sync"]
    assert "client.sync" not in MAY_IMPORT["client.aio"]


@pytest.mark.parametrize(("package", "module"), [("aiohttp", "client.aio"), ("requests", "client.sync")])
def test_an_http_library_is_known_to_one_module(package: str, module: str) -> None:
    """So that another can take its place, and nothing loads it by accident."""
    assert [module] == [row for row, allowed in MAY_IMPORT.items() if package in allowed]


def test_the_simulator_and_the_rest_know_nothing_of_each_other() -> None:
    """With shared code a misreading of the contract would agree with itself."""
    assert {"simulator"} == MAY_IMPORT["simulator"]
    assert ["simulator"] == [row for row, allowed in MAY_IMPORT.items() if "simulator" in allowed]
