"""
Slows down the calls of one client, depending on what mParticle's answers say about its rate limit.

``X-mp-rate-limit-percentage-used`` may come with any answer, ``Retry-After`` with a 429. Source: Platform API overview,
"Rate limits".
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from airflow_provider_mparticle.client.errors import RateLimitedError
from airflow_provider_mparticle.client.messages import HttpResponse

# Up to this percentage of the limit, pauses keep their length. Above it they grow, up to this factor at the limit.
FREE_PERCENT = 50.0
MAX_SLOWDOWN = 4.0
# A 429 counts as 100 %. Each later answer without the header lowers the percentage by this much.
RECOVERY_PERCENT = 5.0


class RateLimit:
    """The rate limit of one client, as mParticle's answers have reported it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._used_percent = 0.0
        self._refusal: tuple[RateLimitedError, float] | None = None

    def observe(self, response: HttpResponse) -> None:
        """Remember what an answer reports about the limit."""
        if response.status == 429:
            self._used_percent = 100.0
        else:
            used = _percent(response.headers.get("x-mp-rate-limit-percentage-used", ""))
            self._used_percent = max(0.0, self._used_percent - RECOVERY_PERCENT) if used is None else used

    def hold_back(self, refusal: RateLimitedError) -> None:
        """Hold back every call of the client for as long as this refusal asks us to wait."""
        if refusal.retry_after_s:
            self._refusal = refusal, self._clock() + refusal.retry_after_s

    @property
    def refusal(self) -> RateLimitedError | None:
        """The error to raise instead of sending a call too early, with the seconds that are left; None: send it."""
        error, until = self._refusal or (None, 0.0)
        left_s = until - self._clock()
        if error is None or left_s <= 0:
            return None
        return RateLimitedError(
            f"Not sent: mParticle asked us to wait {left_s:.0f} s. Its earlier answer: {error}",
            status=error.status,
            reasons=error.reasons,
            retry_after_s=left_s,
        )

    @property
    def slowdown(self) -> float:
        """The factor by which pauses are longer, 1.0 or more."""
        over = max(0.0, min(100.0, self._used_percent) - FREE_PERCENT) / (100.0 - FREE_PERCENT)
        return 1.0 + over * (MAX_SLOWDOWN - 1.0)


def _percent(value: str) -> float | None:
    try:
        percent = float(value.strip().strip('"%'))
    except ValueError:
        return None
    return percent if math.isfinite(percent) else None
