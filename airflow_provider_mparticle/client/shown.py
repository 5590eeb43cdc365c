"""Shows a refused value in a message. Pure."""

from __future__ import annotations

# Characters of a value that a message shows: enough to recognize it in the DAG.
LONGEST = 200


def shown(value: object) -> str:
    """Return the repr of *value*, cut to 200 characters; the name of its type if it has no repr."""
    try:
        text = repr(value)
    except Exception:  # an integer of 5,000 digits, or whatever a foreign class raises
        return f"<{type(value).__name__}>"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
