"""
Reads this machine's clock, and computes how far mParticle's clock is ahead of it.

The instants of runs are on mParticle's clock and those of our requests on ours. Only the ``Date`` header of
an answer shows the difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime


def steady_clock() -> Callable[[], float]:
    """Return a clock in seconds since the epoch that ignores later changes of the system's clock."""
    offset_s = time.time() - time.monotonic()
    return lambda: offset_s + time.monotonic()


def clock_skew_s(headers: Mapping[str, str], sent: float, received: float) -> float | None:
    """
    Return mParticle's clock minus ours, in seconds, exact to about one second; None if the answer has no date.

    :param headers: The answer's headers, their names in lower case.
    :param sent: When the request left, in seconds since the epoch.
    :param received: When the answer arrived, in seconds since the epoch.
    """
    theirs = http_date(headers.get("date", ""))
    return None if theirs is None else theirs + 0.5 - (sent + received) / 2  # rounded down to whole seconds


def http_date(text: str) -> float | None:
    """Return the instant of a date in a header, in seconds since the epoch, or None for any other text."""
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError, IndexError):  # the parser raises all of these
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
