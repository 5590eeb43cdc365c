"""The blocking driver: carries out calls with requests, in tasks."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import tenacity

from airflow_provider_mparticle.client.clocks import clock_skew_s, steady_clock
from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.driving import drive
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.exchange import exchange
from airflow_provider_mparticle.client.login import obtain_token
from airflow_provider_mparticle.client.messages import HttpRequest, HttpResponse, TokenMinted, TokenNeeded
from airflow_provider_mparticle.client.network import Network
from airflow_provider_mparticle.client.requests_transport import RequestsTransport
from airflow_provider_mparticle.client.retrying import OnRetry, do_nothing, policy
from airflow_provider_mparticle.client.sending import Sending

T = TypeVar("T")

# Only one thread of a process logs in at a time. The others wait and then use its token.
_minting = threading.Lock()


def _fresh_lock() -> None:
    global _minting
    _minting = threading.Lock()


os.register_at_fork(after_in_child=_fresh_lock)


class Client:
    """
    Sends calls, one at a time.

    :param config: The workspace and how to reach it.
    :param on_token: Called with every new token before its first use, for example to mask it in logs.
    :param on_retry: Called before a call is sent again, with the call and the error that is the reason.
    :raises ConfigError: A proxy variable of the environment is malformed.
    """

    def __init__(
        self,
        config: ApiConfig,
        on_token: Callable[[str], object] = lambda _: None,
        on_retry: OnRetry = do_nothing,
    ) -> None:
        self.config = config
        # How far mParticle's clock is ahead of ours, in seconds, by its last answer; None if that has no date.
        self.clock_skew_s: float | None = None
        self._now = steady_clock()
        self._on_retry = on_retry
        self._on_token = on_token
        self._transport = RequestsTransport(Network(os.environ))

    def send(self, call: Call[T], *, retry: bool = True) -> T:
        """
        Send *call* and return its decoded answer.

        :param call: What to send, see :mod:`~airflow_provider_mparticle.client.endpoints`.
        :param retry: Whether the retry policy applies. A wait passes False, since it polls again anyway.
        :raises MParticleError: The error whose class names the cause.
        """
        if not retry:
            return self._send_once(call)
        answer: T = tenacity.Retrying(**policy(call, self._on_retry))(self._send_once, call)
        return answer

    def log_in(self) -> None:
        """
        Get a token now, if none is kept.

        :raises AuthenticationError: The credentials were refused.
        """
        self._answer(Sending.within(self.config.timeout_s), TokenNeeded())

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _send_once(self, call: Call[T]) -> T:
        sending = Sending.within(min(self.config.timeout_s, call.within_s))
        return drive(exchange(call, self.config), partial(self._answer, sending))

    def _answer(self, sending: Sending, step: TokenNeeded | TokenMinted | HttpRequest) -> Any:
        match step:
            case HttpRequest():
                return self._response_to(step, sending.of_same_exchange())
            case TokenMinted():
                return self._on_token(step.value)
            case _:
                return self._token(sending, step)

    def _token(self, sending: Sending, needed: TokenNeeded) -> str:
        if not _minting.acquire(timeout=max(0.0, sending.ends_at - time.monotonic())):
            raise sending.no_token(self.config.credentials.token_url)
        try:
            return drive(obtain_token(self.config, needed.refused), partial(self._answer, sending))
        finally:
            _minting.release()

    def _response_to(self, request: HttpRequest, sending: Sending) -> HttpResponse:
        sent = self._now()
        response = self._transport.response_to(request, sending)
        if request.url.startswith(self.config.base_url):  # not of the login, which is another server
            self.clock_skew_s = clock_skew_s(response.headers, sent, self._now(), self.clock_skew_s)
        return response
