"""Scripts rely on the exit codes, so users can read about every one of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_mparticle.cli import exit_codes
from airflow_provider_mparticle.cli.parser import main

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "command-line.md"
CODES = {name: code for name, code in vars(exit_codes).items() if name.isupper()}


def test_every_exit_code_is_different() -> None:
    """A script tells them apart."""
    assert len(CODES) == len({*CODES.values()}) >= 5


def test_help_and_the_page_explain_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    """In the help a user looks for what a command may return; the code of Ctrl-C is that of every shell."""
    with pytest.raises(SystemExit):
        main(["--help"])
    explained = " ".join(capsys.readouterr().out.partition("Exit codes:")[2].split())
    page = PAGE.read_text()

    assert [] == [name for name, code in CODES.items() if f"| {code} |" not in page]
    assert ["INTERRUPTED"] == [name for name, code in CODES.items() if f" {code} " not in f" {explained}"]
