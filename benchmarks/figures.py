"""Computes the figures of several repetitions, and whether they meet a target. It does no I/O."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Repetition = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """
    What several repetitions measured.

    :param values: One value for each repetition; empty if it could not be measured.
    :param error: Why it could not be measured, or what went wrong during the measurement.
    """

    values: tuple[float, ...] = ()
    error: str = ""

    @property
    def median(self) -> float:
        """The median; NaN if nothing was measured."""
        return statistics.median(self.values) if self.values else float("nan")

    def __str__(self) -> str:
        """Return median and spread, or the error."""
        if not self.values:
            return f"fails: {self.error or 'not measured'}"
        low, high = _short(min(self.values)), _short(max(self.values))
        spread = "" if low == high else f" ({low} to {high})"
        return f"{_short(self.median)}{spread}" + (f", fails: {self.error}" if self.error else "")

    def over(self, other: Figure) -> str:
        """Return this figure as a multiple of *other*, by the medians, or an empty text if that is unknown."""
        if not (self.values and other.values and other.median):
            return ""
        return f"{_short(self.median / other.median)}x"


def figure(repetitions: Iterable[Repetition], key: str, scale: float = 1.0) -> Figure:
    """
    Return the values of *key* in the repetitions, times *scale*, with the first error of a repetition.

    :param scale: For example 1000, to get milliseconds from seconds.
    """
    all_of_them = [*repetitions]
    values = tuple(repetition[key] * scale for repetition in all_of_them if key in repetition)
    errors = [str(repetition["error"]) for repetition in all_of_them if "error" in repetition]
    return Figure(values, errors[0] if errors else "")


@dataclass(frozen=True)
class Target:
    """
    What we want to reach, and what was measured in this run.

    :param what: What is measured.
    :param at_most: The largest value that meets the target.
    :param unit: The unit of both values; empty for a count.
    :param measured: What was measured. Its median counts.
    """

    what: str
    at_most: float
    unit: str
    measured: Figure

    @property
    def verdict(self) -> str:
        """Whether the target is met. A failed measurement does not meet any target."""
        if not self.measured.values:
            return "**not measured**"
        return "met" if self.measured.median <= self.at_most and not self.measured.error else "**missed**"

    @property
    def row(self) -> tuple[str, ...]:
        """The row in the report."""
        unit = f" {self.unit}" if self.unit else ""
        measured = f"{self.measured}{unit}" if self.measured.values else str(self.measured)
        return self.what, f"<= {_short(self.at_most)}{unit}", measured, self.verdict


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown. The first column is text, the others are numbers and aligned to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _short(value: float) -> str:
    """Return a number with three digits, or with all its digits before the decimal point."""
    return f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
