"""
How far mParticle's clock is ahead of this machine's, read off the ``Date`` header of an answer. Pure.

Instants of runs are on mParticle's clock, and those of our requests on ours; nothing else tells how the two compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime


def clock_skew_s(headers: Mapping[str, str], sent: float, received: float) -> float | None:
    """
    Return mParticle's clock minus ours, in seconds, to about a second; None if the answer tells no date.

    :param headers: The answer's headers, their names in lower case.
    :param sent: When the request left, in seconds since the epoch.
    :param received: When the answer arrived, in seconds since the epoch.
    """
    try:
        date = parsedate_to_datetime(headers["date"])
    except (KeyError, TypeError, ValueError, OverflowError, IndexError):  # the parser lets all of them out
        return None
    told = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    return told + 0.5 - (sent + received) / 2  # the header has whole seconds, cut
