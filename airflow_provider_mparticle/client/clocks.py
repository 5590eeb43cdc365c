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

# An exchange that takes no longer shows the skew exactly enough to compare the instants of runs with it.
QUICK_S = 1.0


def steady_clock() -> Callable[[], float]:
    """Return a clock in seconds since the epoch that ignores later changes of the system's clock."""
    offset_s = time.time() - time.monotonic()
    return lambda: offset_s + time.monotonic()


def clock_skew_s(headers: Mapping[str, str], sent: float, received: float, known: float | None = None) -> float | None:
    """
    Return mParticle's clock minus ours, in seconds, exact to about one second; None if the answer has no date.

    A slow answer does not show when mParticle has set its date. So it only counts if it contradicts what is known.

    :param headers: The answer's headers, their names in lower case.
    :param sent: When the request left, in seconds since the epoch.
    :param received: When the answer arrived, in seconds since the epoch.
    :param known: What an earlier answer has shown. Default: none, so that the clocks are assumed to agree.
    """
    theirs = http_date(headers.get("date", ""))
    if theirs is None:
        return None
    skew_s = theirs + 0.5 - (sent + received) / 2  # the header is rounded down to whole seconds
    took_s = received - sent
    if took_s > QUICK_S and abs(skew_s - (known or 0.0)) <= 0.5 + took_s / 2:
        return known or 0.0
    return skew_s


def http_date(text: str) -> float | None:
    """Return the instant of a date in a header, in seconds since the epoch, or None for any other text."""
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError, IndexError):  # the parser raises all of these
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
