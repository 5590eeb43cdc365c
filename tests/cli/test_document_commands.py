"""``plan`` and ``apply`` of many resources: the progress, the log, and the messages."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from airflow_provider_mparticle.cli.document_commands import STEPS_A_LINE
from airflow_provider_mparticle.cli.parser import main
from airflow_provider_mparticle.client import retrying
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


def test_without_a_terminal_the_progress_is_a_line_from_time_to_time(
    simulator: Simulator, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each of a thousand steps would hide the important lines."""
    assert 0 == main(["apply", str(document), "--yes"])

    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if " done: " in line]
    assert [
        f"{STEPS_A_LINE} of {NUMBER} done: + data model m{STEPS_A_LINE - 1}",
        f"{2 * STEPS_A_LINE} of {NUMBER} done: + data model m{2 * STEPS_A_LINE - 1}",
    ] == lines
    assert f"Applied: {NUMBER} created, 0 updated, 0 deleted." in said.out
    assert "Done: + data model m0" not in said.err + said.out


def test_a_value_that_is_rendered_to_nothing_is_refused(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As by the operator: it would be sent as the text "None"."""
    path = tmp_path / "workspace.json"
    path.write_text(
        '{"data_models": [{"id": "m", "name": "{{ none }}", "config": {"sql_query": "SELECT a FROM a.b.c"}}]}'
    )

    assert 2 == main(["apply", str(path), "--yes", "--set", "x=1"])

    assert "data_models[0].name was rendered to 'None'" in capsys.readouterr().err
    assert [] == simulator.requests


def test_on_a_terminal_a_bar_shows_the_progress(
    simulator: Simulator, document: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """At the end the bar is complete."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    assert 0 == main(["apply", str(document), "--yes"])

    said = capsys.readouterr()
    assert f"{NUMBER}/{NUMBER}" in said.err
    assert f"{NUMBER}/{NUMBER}" not in said.out


def test_verbose_logs_each_step(simulator: Simulator, document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The user sees which steps take long. The lines have no name of a module and no line number."""
    assert 0 == main(["apply", str(document), "--yes", "--verbose"])

    assert NUMBER == sum(line.startswith("Done: ") for line in capsys.readouterr().err.splitlines())


def test_a_retry_is_one_plain_line(
    simulator: Simulator, document: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user sees why the command takes long. The name of a module and a line number would not help."""
    monkeypatch.setattr(retrying, "_jitter_s", lambda _: 0.01)
    simulator.fail_next(503, "/data-models")

    assert 0 == main(["plan", str(document)])

    [line] = [line for line in capsys.readouterr().err.splitlines() if "Trying again in" in line]
    assert line.startswith("mParticle answered 503")


def test_a_value_that_the_document_does_not_use_is_a_warning(
    simulator: Simulator, document: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The name may be misspelled."""
    assert 0 == main(["plan", str(document), "--set", "fed=1"])

    assert f"Warning: --set gives a value for 'fed', but {document} does not use it." in capsys.readouterr().err


@pytest.mark.parametrize(("content", "said"), [("", "is empty"), ("pipelines: {}", "has 1 problem, see above")])
def test_what_is_wrong_is_counted_and_named(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, said: str
) -> None:
    """The message says "1 problem" and not "1 problems", and it says that a file is empty."""
    path = tmp_path / "workspace.yaml"
    path.write_text(content)

    assert 2 == main(["plan", str(path)])

    assert said in capsys.readouterr().err
