"""
Computes how far mParticle's clock is ahead of this machine's clock, from the ``Date`` header of an answer.

The instants of runs are on mParticle's clock and those of our requests on ours. Only this header shows the difference.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime


def clock_skew_s(headers: Mapping[str, str], sent: float, received: float) -> float | None:
    """
    Return mParticle's clock minus ours, in seconds, exact to about one second; None if the answer has no date.

    :param headers: The answer's headers, their names in lower case.
    :param sent: When the request left, in seconds since the epoch.
    :param received: When the answer arrived, in seconds since the epoch.
    """
    try:
        date = parsedate_to_datetime(headers["date"])
    except (KeyError, TypeError, ValueError, OverflowError, IndexError):  # the parser raises all of these
        return None
    theirs = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    return theirs + 0.5 - (sent + received) / 2  # the header is rounded down to whole seconds
