"""``plan`` and ``apply`` of many resources: progress that a person can follow, and messages in plain English."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from airflow_provider_mparticle.cli.document_commands import STEPS_A_LINE
from airflow_provider_mparticle.cli.parser import main
from airflow_provider_mparticle.simulator import Simulator

NUMBER = 2 * STEPS_A_LINE + 1


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A document with many data models."""
    path = tmp_path / "workspace.json"
    models = [
        {"id": f"m{number}", "name": "M", "config": {"sql_query": "SELECT a FROM a.b.c"}} for number in range(NUMBER)
    ]
    path.write_text(json.dumps({"data_models": models}))
    return path


def test_without_a_terminal_a_line_now_and_then_shows_the_progress(
    simulator: Simulator, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A thousand log lines hide the one that matters."""
    assert 0 == main(["apply", str(document), "--yes"])

    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if " done: " in line]
    assert [
        f"{STEPS_A_LINE} of {NUMBER} done: + data model m{STEPS_A_LINE - 1}",
        f"{2 * STEPS_A_LINE} of {NUMBER} done: + data model m{2 * STEPS_A_LINE - 1}",
    ] == lines
    assert f"Applied: {NUMBER} created, 0 updated, 0 deleted." in said.out
    assert "Done: + data model m0" not in said.err + said.out


def test_on_a_terminal_a_bar_shows_the_progress(
    simulator: Simulator, document: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends full."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    assert 0 == main(["apply", str(document), "--yes"])

    said = capsys.readouterr()
    assert f"{NUMBER}/{NUMBER}" in said.err
    assert f"{NUMBER}/{NUMBER}" not in said.out


def test_each_step_is_logged_when_asked_for(
    simulator: Simulator, document: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """To see where the time goes."""
    assert 0 == main(["apply", str(document), "--yes", "--verbose"])

    assert NUMBER == sum(line.startswith("Done: ") for line in caplog.messages)


@pytest.mark.parametrize(("content", "said"), [("", "is empty"), ("pipelines: {}", "has 1 problem, see above")])
def test_what_is_wrong_is_counted_and_named(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    """One problem is not "1 problems", and an empty file is called so."""
    path = tmp_path / "workspace.yaml"
    path.write_text(content)

    assert 2 == main(["plan", str(path)])

    assert said in capsys.readouterr().err
