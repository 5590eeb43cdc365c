"""Finds the name that a user means by another spelling of it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# How similar a word is to a name that is meant by it. window_size, 0.7 like window_start, is another word.
SIMILAR = 0.85


def meant_by(word: object, names: Iterable[str]) -> str | None:
    """Return the name of which *word* is another spelling, such as accountId or acount_id of account_id, or None."""
    spelled = {_letters(name): name for name in names}
    near = difflib.get_close_matches(_letters(str(word)), spelled, n=1, cutoff=SIMILAR)
    return spelled[near[0]] if near else None


def _letters(name: str) -> str:
    """Return a name without separators and case."""
    return re.sub(r"[\W_]", "", name).casefold()
