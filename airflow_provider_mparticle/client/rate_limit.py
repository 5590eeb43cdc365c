"""
How fast mParticle lets the calls of one client go, by what its answers say of the rate limit.

``X-mp-rate-limit-percentage-used`` may come with any answer, ``Retry-After`` with a 429. Source: Platform API overview,
"Rate limits".
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from airflow_provider_mparticle.client.errors import RateLimitedError
from airflow_provider_mparticle.client.messages import HttpResponse

# Up to this share of the limit nobody slows down; from there on pauses grow, up to so many times at the limit.
FREE_PERCENT = 50.0
MAX_SLOWDOWN = 4.0
# A 429 counts as the whole limit; each answer that says nothing of the limit takes so much off again.
RECOVERY_PERCENT = 5.0


class RateLimit:
    """What the answers so far have said of the rate limit."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._used_percent = 0.0
        self._refusal: tuple[RateLimitedError, float] | None = None

    def observe(self, response: HttpResponse) -> None:
        """Note what an answer says."""
        if response.status == 429:
            self._used_percent = 100.0
        else:
            told = _percent(response.headers.get("x-mp-rate-limit-percentage-used", ""))
            self._used_percent = max(0.0, self._used_percent - RECOVERY_PERCENT) if told is None else told

    def hold_back(self, refusal: RateLimitedError) -> None:
        """Keep a refusal for as long as it asks to wait."""
        if refusal.retry_after_s:
            self._refusal = refusal, self._clock() + refusal.retry_after_s

    @property
    def refusal(self) -> RateLimitedError | None:
        """The refusal that still counts, for those who would ask too soon; it says how long to wait from now on."""
        error, until = self._refusal or (None, 0.0)
        left_s = until - self._clock()
        if error is None or left_s <= 0:
            return None
        return RateLimitedError(
            f"Not asked, since mParticle wants to be left alone for another {left_s:.0f} s. It said so before: {error}",
            status=error.status,
            reasons=error.reasons,
            retry_after_s=left_s,
        )

    @property
    def slowdown(self) -> float:
        """How many times as long as otherwise pauses should be."""
        over = max(0.0, min(100.0, self._used_percent) - FREE_PERCENT) / (100.0 - FREE_PERCENT)
        return 1.0 + over * (MAX_SLOWDOWN - 1.0)


def _percent(value: str) -> float | None:
    try:
        percent = float(value.strip().strip('"%'))
    except ValueError:
        return None
    return percent if math.isfinite(percent) else None
