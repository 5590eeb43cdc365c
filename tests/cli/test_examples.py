"""The command that lists and copies the example DAGs."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_mparticle.cli.parser import main

EXAMPLES = Path(__file__).parents[2] / "example_dags"


def test_the_examples_are_listed_with_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    """A new user chooses an example by its description."""
    assert 0 == main(["examples"])

    out = capsys.readouterr().out
    listed = [line for line in out.splitlines() if line and not line.startswith((" ", "--copy"))]
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == listed
    assert "trigger_and_wait\n    Start one run of an existing pipeline" in out


def test_the_examples_are_copied_with_the_files_that_they_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is created. Running the command again changes nothing."""
    for _ in range(2):
        assert 0 == main(["examples", "--copy", str(tmp_path / "dags" / "mparticle")])

    copies = {path.name: path.read_bytes() for path in (tmp_path / "dags" / "mparticle").iterdir()}
    assert {path.name: path.read_bytes() for path in EXAMPLES.iterdir() if path.is_file()} == copies
    assert f"Copied {len(copies)} files" in capsys.readouterr().out


def test_a_file_of_the_user_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Users change a copied example, and run the command again."""
    (tmp_path / "trigger_and_wait.py").write_text("mine")

    assert 2 == main(["examples", "--copy", str(tmp_path)])

    assert ["mine"] == [path.read_text() for path in tmp_path.iterdir()]
    assert "different files with these names: trigger_and_wait.py. Nothing was copied." in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error is one line without a traceback."""
    (tmp_path / "dags").touch()

    assert 2 == main(["examples", "--copy", str(tmp_path / "dags")])

    assert f"Error: The examples cannot be copied to {tmp_path / 'dags'}: File exists." in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["", " "])
def test_a_blank_folder_is_refused(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shell passes it for an unset variable, and the files would go to the current folder."""
    monkeypatch.chdir(tmp_path)

    assert 2 == main(["examples", "--copy", folder])

    assert "--copy needs the path of a folder" in capsys.readouterr().err
    assert [] == [*tmp_path.iterdir()]
