"""Provides the command line of all trials on a real Airflow: chooses a plan, runs it, and prints the results."""

from __future__ import annotations

import argparse
import signal
import sys
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
    Run a plan in a new folder, and print the report.

    :param carry_out: The trial: a function of plan and folder that returns the results.
    :param report: Function that returns the text to print, and whether the results are good.
    :param full: The plan.
    :param short: The plan for ``--short``. Default: none.
    :return: The exit code: 0 if the results are good, otherwise 1.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything that the trial has started ends too
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
    """Return named values as a table in Markdown."""
    wide = max(map(len, rows))
    return "\n".join(f"| {name:<{wide}} | {value:>6} |" for name, value in rows.items())
