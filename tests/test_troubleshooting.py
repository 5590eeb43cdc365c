"""The troubleshooting page has the messages that the code has: none is missing, none is out of date."""

from __future__ import annotations

import re
from pathlib import Path

from airflow_provider_mparticle.client import errors
from dev import messages

PAGE = (Path(__file__).parents[1] / "docs/how-to/troubleshooting.md").read_text()
# The last section has the messages of Airflow itself.
OURS = PAGE.partition("## What Airflow says")[0]

# A code span in the first cell of a row. One with a space is a message, "..." in it stands for any text.
FIRST_CELL = re.compile(r"^\| (?P<cell>(?:`[^`]*`|[^|`])*) \|", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")


def codes(part: str) -> list[str]:
    """All code spans in the first cells of the tables."""
    return [code for cell in FIRST_CELL.findall(part) for code in CODE.findall(cell)]


def pattern_of(shown: str) -> re.Pattern[str]:
    """What finds a message of the page, or a part of one, among the texts of the code."""
    return re.compile(".*".join(re.escape(part.strip()) for part in re.split(r"\.{3,}", shown)))


SHOWN = {code: pattern_of(code) for code in codes(OURS) if " " in code}


def test_every_warning_has_a_row() -> None:
    """A user who finds a warning in a log finds it on the page."""
    missing = [
        f"{place}: {text}"
        for place, text in messages.warnings()
        if not any(pattern.search(text) for pattern in SHOWN.values())
    ]

    assert [] == missing, "Add a row to docs/how-to/troubleshooting.md for each."


def test_every_error_class_that_is_raised_has_a_row() -> None:
    """Airflow's log shows the class of an error first."""
    missing = sorted(errors._BY_NAME.keys() - set(codes(OURS)))

    assert [] == missing, "Add a row to docs/how-to/troubleshooting.md for each."


def test_every_shown_message_is_in_the_code() -> None:
    """A message that was reworded is reworded on the page, too."""
    texts = "\n".join(messages.texts())

    stale = [shown for shown, pattern in SHOWN.items() if not pattern.search(texts)]

    assert SHOWN
    assert [] == stale, "The code no longer has these messages; correct them in docs/how-to/troubleshooting.md."


def test_every_row_says_what_to_do() -> None:
    """Each row of a table has a message, a cause and something to do."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|")]

    assert [] == [line for line in lines if not all(cell.strip() for cell in line.strip("|").split("|"))]
