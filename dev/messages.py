"""Collects the messages in the code of the package: what errors and logs say, with a gap for each value."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "airflow_provider_mparticle"
GAP = "\N{HORIZONTAL ELLIPSIS}"
_PLACEHOLDER = re.compile(r"%[sdrg]")


def text_of(node: ast.AST) -> str | None:
    """Return the text of a string or an f-string, with a gap for each value; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _PLACEHOLDER.sub(GAP, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)
    return None


def nodes() -> Iterator[tuple[str, ast.AST]]:
    """Yield all nodes of the package, each with its place. The simulator is left out: it does not run in production."""
    for module in sorted(PACKAGE.rglob("*.py")):
        if "simulator" not in module.parts:
            for node in ast.walk(ast.parse(module.read_text())):
                yield f"{module.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}", node


def texts() -> set[str]:
    """Return all texts in the code, each on one line."""
    return {text.replace("\n", " ") for _, node in nodes() if (text := text_of(node))}


def warnings() -> Iterator[tuple[str, str]]:
    """
    Yield the text of every warning, with its place.

    Most are calls of a logger. Others are made as a `Problem` that is a warning. A call that only logs a value, such
    as ``log.warning("%s", error)``, has no text of its own, and is left out.
    """
    for place, node in nodes():
        if not isinstance(node, ast.Call):
            continue
        logs = isinstance(node.func, ast.Attribute) and node.func.attr in ("warning", "exception", "error")
        is_problem = any(one.arg == "is_warning" and getattr(one.value, "value", None) is True for one in node.keywords)
        candidate = node.args[0] if logs and node.args else node.args[1] if is_problem else None
        text = text_of(candidate) if candidate else None
        if text and len(re.findall(r"[a-z]+", text)) > 1:
            yield place, text


def errors() -> Iterator[tuple[str, str]]:
    """Yield the name of the class and the text of every error that is created with a text."""
    for _, node in nodes():
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name.endswith("Error") and (text := text_of(node.args[0])):
                yield name, text
