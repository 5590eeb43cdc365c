"""The tutorial does what it says: every block is executed, in order, in one shell, as a reader would."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dev import tutorial

PROGRAMS = Path(sys.executable).parent


@pytest.mark.slow
def test_every_block_of_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    """A file is saved, commands succeed, and each line of text under commands is in their output."""
    assert {"python", "shell", "text"} == set(tutorial.follow(tmp_path, PROGRAMS))


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("```shell\nfalse\n```", "These commands have failed"),
        ("```shell\nexit 0\n```", "These commands have failed"),
        ("```shell\necho one\n```\n```text\ntwo\n```", "two"),
    ],
)
def test_a_block_that_does_something_else_is_found(
    page: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check above can fail."""
    (tmp_path / "page.md").write_text(page)
    monkeypatch.setattr(tutorial, "PAGE", tmp_path / "page.md")

    with pytest.raises(tutorial.TutorialError, match=said):
        tutorial.follow(tmp_path, PROGRAMS)
