"""Holds what is wrong with a description, and where."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """
    One thing that is wrong.

    :param place: Where, for example ``"sync_mode.from"`` or ``"pipelines[2].sync_mode.from"``.
    :param text: What, so that "place text" reads as a sentence.
    :param is_warning: Whether it may well work: only older documentation, or a guess, speaks against it.
    """

    place: str
    text: str
    is_warning: bool = False

    def __str__(self) -> str:
        return f"{self.place} {self.text}"

    def inside(self, place: str, more: str = "") -> Problem:
        """Return the same problem with its place given from further outside, and *more* said of it."""
        return Problem(f"{place}.{self.place}", f"{self.text}{more}", self.is_warning)
