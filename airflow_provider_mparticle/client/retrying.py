"""
Decides whether a call is sent again after an error, and how long to wait before that: one policy for both drivers.

A call is sent again if its error is transient, and if the call is idempotent or certainly did not reach mParticle.
400, 401, 403, 404, 405, 422 and 505 are not transient.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import tenacity

from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import MParticleError

log = logging.getLogger(__name__)

ATTEMPTS = 5
# Full jitter: a random pause of up to 0.5, 1, 2, 4 s. Platform API overview: "retry with exponential backoff".
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
# If Retry-After asks to wait longer than this, the call fails: the caller decides whether to hold a worker longer.
LONGEST_RETRYING_S = 300.0


OnRetry = Callable[[Call[Any], MParticleError], object]


def do_nothing(_: Call[Any], __: MParticleError) -> None:
    """Do nothing: the default for *on_retry*."""


def policy(call: Call[Any], on_retry: OnRetry) -> dict[str, Any]:
    """
    Return the arguments of tenacity's ``Retrying`` and ``AsyncRetrying`` for *call*.

    :param on_retry: Called before the call is sent again, with the call and the error that is the reason.
    """

    def before_sleep(state: tenacity.RetryCallState) -> None:
        log.info("%s Trying again in %.1f s.", _error(state), state.upcoming_sleep)
        on_retry(call, _error(state))

    return {
        "retry": tenacity.retry_if_exception(lambda error: is_repeatable(error, idempotent=call.idempotent)),
        "wait": _pause_s,
        "stop": tenacity.stop_after_attempt(ATTEMPTS) | tenacity.stop_before_delay(LONGEST_RETRYING_S),
        "before_sleep": before_sleep,
        "reraise": True,
    }


class Retries:
    """
    The retries of one call by the same policy, for a caller that has something to do before each of them.

    :param call: What the caller sends.
    :param on_retry: Called before the call is sent again, with the call and the error that is the reason.
    """

    def __init__(self, call: Call[Any], on_retry: OnRetry) -> None:
        self._pauses: list[float] = []
        self._attempts = iter(tenacity.Retrying(**policy(call, on_retry), sleep=self._pauses.append))
        self._attempt = next(self._attempts)

    def pause_s(self, error: MParticleError) -> float | None:
        """Return how long to wait before the call is sent again after this error; None: it is not sent again."""
        self._attempt.retry_state.set_exception((type(error), error, error.__traceback__))
        with suppress(MParticleError):
            self._attempt = next(self._attempts)
            return self._pauses.pop()
        return None


def is_repeatable(error: BaseException, *, idempotent: bool) -> bool:
    """Return whether the same call may succeed later, and may be sent again safely."""
    return isinstance(error, MParticleError) and error.is_transient and (idempotent or not error.may_have_executed)


_jitter_s = tenacity.wait_random_exponential(multiplier=FIRST_PAUSE_S, max=LONGEST_PAUSE_S)


def _pause_s(state: tenacity.RetryCallState) -> float:
    """Return the pause that mParticle asks for plus a random one, so that a thousand tasks do not return together."""
    return (_error(state).retry_after_s or 0.0) + _jitter_s(state)


def _error(state: tenacity.RetryCallState) -> MParticleError:
    return cast("MParticleError", state.outcome and state.outcome.exception())  # no other error is retried
