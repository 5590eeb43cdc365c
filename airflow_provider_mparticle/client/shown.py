"""Shows a refused value or a number of things in a message."""

from __future__ import annotations

# How many characters of a value a message shows: enough to recognize it in the DAG.
LONGEST = 200


def shown(value: object) -> str:
    """Return the repr of *value*, cut to 200 characters, or the name of its type if the repr fails."""
    try:
        text = repr(value)
    except Exception:  # broad, since the repr of a user's class may raise anything; so does an int of 5,000 digits
        return f"<{type(value).__name__}>"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, for example ``"1 fault"`` or ``"2 faults"``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
