"""The command line of a trial on a real Airflow: choose a plan, carry it out, print its figures in a table."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

Plan = TypeVar("Plan")
Figures = TypeVar("Figures")


def run_plan(
    carry_out: Callable[[Plan, Path], Figures],
    report: Callable[[Figures], tuple[str, bool]],
    full: Plan,
    short: Plan | None = None,
) -> int:
    """
    Carry out a plan in a new folder, and print the report.

    :param carry_out: The trial: plan and folder to figures.
    :param report: What to print, and whether the figures are as they should be.
    :param full: The plan.
    :param short: The plan for ``--short``, if there is one.
    :return: The exit code: 0 if the figures are as they should be, else 1.
    """
    name = carry_out.__name__
    parser = argparse.ArgumentParser(prog=f"python -m dev.{name}", description=carry_out.__doc__)
    if short is not None:
        parser.add_argument("--short", action="store_true", help="the version that CI runs")
    is_short = getattr(parser.parse_args(), "short", False)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    folder.chmod(0o755)  # PostgreSQL's own user needs access
    print(f"Logs in {folder}", flush=True)
    text, is_good = report(carry_out(short if is_short and short is not None else full, folder))
    print(text)
    return 0 if is_good else 1


def table(rows: Mapping[str, Any]) -> str:
    """Return figures by name as a table in Markdown."""
    wide = max(map(len, rows))
    return "\n".join(f"| {name:<{wide}} | {value:>6} |" for name, value in rows.items())
