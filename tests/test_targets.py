"""The ways to build and check agree: Makefile, .ci/run, the workflow of a public host, and pre-commit."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))
# Another target calls it.
INTERNAL = {"run-airflow-2"}


def test_make_help_shows_every_target() -> None:
    """A target that `make help` does not show is not found."""
    help_ = ["make", "--no-print-directory", "help"]
    shown = subprocess.run(help_, cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert TARGETS - INTERNAL == {line.split()[0] for line in shown.splitlines()}


def test_no_target_is_taken_for_a_file() -> None:
    """A folder with the name of a target, such as docs, would make it do nothing."""
    phony = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)

    assert TARGETS == set(" ".join(phony).split())


def test_a_public_host_runs_what_ci_runs() -> None:
    """The workflow calls the targets of .ci/run, and nothing else."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    ours = re.findall(r"^make (\S+)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)

    assert ours == workflow["jobs"]["make"]["strategy"]["matrix"]["target"]
    assert set(ours) <= TARGETS


def test_pre_commit_runs_what_make_lint_runs() -> None:
    """The same tools, from the same environment."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    lint = MAKEFILE.partition("\nlint:")[2].partition("\n\n")[0]

    assert set(re.findall(r"\$\(BIN\)/(\w+)", lint)) == {
        re.findall(r"\.venv/bin/(\w+)", one["entry"])[0] for one in hooks
    }


def test_what_the_browser_tests_start_is_make_ui() -> None:
    """They start the module without make, so that they can end it."""
    recipe = MAKEFILE.partition("\nui:")[2].partition("\n\n")[0]

    assert ["@$(BIN)/python -m dev.ui"] == [line.strip() for line in recipe.splitlines()[1:]]
