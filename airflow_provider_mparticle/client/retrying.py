"""
When a call is sent again, and how long to wait before: one policy for both drivers.

A call is repeated if its error is passing and repeating does no harm: the call is idempotent, or it certainly did
not arrive. 400, 401, 403, 404, 405, 422 and 505 are not passing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import tenacity

from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import MParticleError

log = logging.getLogger(__name__)

ATTEMPTS = 5
# Full jitter: any pause up to 0.5, 1, 2, 4 s. Platform API overview: "retry with exponential backoff".
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
# A Retry-After that reaches beyond this ends the call: holding a worker longer is the caller's decision.
LONGEST_RETRYING_S = 300.0


OnRetry = Callable[[Call[Any], MParticleError], object]


def tell_nobody(_: Call[Any], __: MParticleError) -> None:
    """Do nothing when a call is sent again."""


def policy(call: Call[Any], on_retry: OnRetry) -> dict[str, Any]:
    """
    Return the arguments of tenacity's ``Retrying`` and ``AsyncRetrying`` for *call*.

    :param on_retry: Called before the call is sent again, with the error that makes it so.
    """

    def before_sleep(state: tenacity.RetryCallState) -> None:
        _say(state)
        on_retry(call, _error(state))

    return {
        "retry": tenacity.retry_if_exception(lambda error: is_repeatable(error, idempotent=call.idempotent)),
        "wait": _pause_s,
        "stop": tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_before_delay(LONGEST_RETRYING_S),
        "before_sleep": before_sleep,
        "reraise": True,
    }


def is_repeatable(error: BaseException, *, idempotent: bool) -> bool:
    """Tell whether sending the same call again may help and does no harm."""
    return isinstance(error, MParticleError) and error.is_transient and (idempotent or not error.may_have_executed)


_jitter_s = tenacity.wait_random_exponential(multiplier=FIRST_PAUSE_S, max=LONGEST_PAUSE_S)


def _pause_s(state: tenacity.RetryCallState) -> float:
    """Wait as long as mParticle asks, and a little of our own so that a thousand tasks do not return at once."""
    return (_error(state).retry_after_s or 0.0) + _jitter_s(state)


def _say(state: tenacity.RetryCallState) -> None:
    pause_s = state.next_action.sleep if state.next_action else 0.0
    log.info("%s Trying again in %.1f s.", _error(state), pause_s)


def _error(state: tenacity.RetryCallState) -> MParticleError:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, MParticleError) else MParticleError(str(error))
