"""The troubleshooting page has the messages that the code has: none is missing, none is out of date."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from airflow_provider_mparticle.client import errors

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "airflow_provider_mparticle"
PAGE = (ROOT / "docs/how-to/troubleshooting.md").read_text()
# The last section has the messages of Airflow itself.
OURS, _, AIRFLOW = PAGE.partition("## What Airflow says")

# A code span in the first cell of a row. One with a space is a message, "..." in it stands for any text.
FIRST_CELL = re.compile(r"^\| (?P<cell>(?:`[^`]*`|[^|`])*) \|", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
GAP = "\N{HORIZONTAL ELLIPSIS}"  # stands for a value in the text of a message
PLACEHOLDER = re.compile(r"%[sdrg]")


def rows(part: str) -> list[str]:
    """All code spans in the first cells of the tables."""
    return [code for cell in FIRST_CELL.findall(part) for code in CODE.findall(cell)]


def pattern_of(shown: str) -> re.Pattern[str]:
    """What finds a message of the page, or a part of one, among the texts of the code."""
    return re.compile(".*".join(re.escape(part.strip()) for part in re.split(r"\.{3,}", shown)))


SHOWN = {code: pattern_of(code) for code in rows(OURS) if " " in code}


def text_of(node: ast.AST) -> str | None:
    """The text of a string or an f-string, with a gap for each value; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return PLACEHOLDER.sub(GAP, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else GAP for part in node.values)
    return None


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """All nodes of the package, each with its place; the simulator is not part of what users run in production."""
    for module in sorted(PACKAGE.rglob("*.py")):
        if "simulator" not in module.parts:
            for node in ast.walk(ast.parse(module.read_text())):
                yield f"{module.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}", node


def warnings() -> Iterator[tuple[str, str]]:
    """
    The text of every warning, with its place.

    Most are calls of a logger. Others are made as a `Problem` that is a warning. A call that only passes a text on,
    such as ``log.warning("%s", error)``, has no words of its own.
    """
    for place, node in nodes():
        if not isinstance(node, ast.Call):
            continue
        logs = isinstance(node.func, ast.Attribute) and node.func.attr in ("warning", "exception", "error")
        is_problem = any(one.arg == "is_warning" and getattr(one.value, "value", None) is True for one in node.keywords)
        candidate = node.args[0] if logs and node.args else node.args[1] if is_problem else None
        text = candidate and text_of(candidate)
        if text and len(re.findall(r"[a-z]+", text)) > 1:
            yield place, text


def test_every_warning_has_a_row() -> None:
    """A user who finds a warning in a log finds it on the page."""
    missing = [f"{place}: {text}" for place, text in warnings() if not any(one.search(text) for one in SHOWN.values())]

    assert [] == missing, "Add a row to docs/how-to/troubleshooting.md for each."


def test_every_error_class_that_is_raised_has_a_row() -> None:
    """Airflow's log shows the class of an error first."""
    missing = sorted(errors._BY_NAME.keys() - set(rows(OURS)))

    assert [] == missing, "Add a row to docs/how-to/troubleshooting.md for each."


def test_every_shown_message_is_in_the_code() -> None:
    """A message that was reworded is reworded on the page, too."""
    texts = "\n".join({text.replace("\n", " ") for _, node in nodes() if (text := text_of(node))})

    stale = [shown for shown, pattern in SHOWN.items() if not pattern.search(texts)]

    assert SHOWN
    assert [] == stale, "The code no longer has these messages; correct them in docs/how-to/troubleshooting.md."


def test_every_row_says_what_to_do() -> None:
    """Each row of a table of messages has a message, a cause and something to do."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|") and not line.startswith(("|---", "| what arr"))]

    short = [line for line in lines if any(not cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])]

    assert [] == short
