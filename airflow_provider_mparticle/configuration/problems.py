"""Defines a problem of a description: a place in it, and what is wrong there."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Problem:
    """
    One problem of a description.

    :param place: The place, for example ``"sync_mode.from"`` or ``"pipelines[2].sync_mode.from"``.
    :param text: What is wrong; place and text together are a sentence.
    :param is_warning: Whether mParticle may accept it: only older documentation or a guess says that it is wrong.
    """

    place: str
    text: str
    is_warning: bool = False

    def __str__(self) -> str:
        return f"{self.place} {self.text}"

    def inside(self, place: str) -> Problem:
        """Return the same problem with *place* in front of its place."""
        return replace(self, place=f"{place}.{self.place}")
