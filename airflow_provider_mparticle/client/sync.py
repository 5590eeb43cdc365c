"""The blocking driver: moves the bytes of an exchange with requests. Used in tasks."""

from __future__ import annotations

import os
import ssl
import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar

import requests
import tenacity
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProxyError, SSLError

from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import MParticleError, NoAnswerError
from airflow_provider_mparticle.client.exchange import exchange
from airflow_provider_mparticle.client.login import obtain_token
from airflow_provider_mparticle.client.messages import HttpRequest, HttpResponse, TokenMinted, TokenNeeded
from airflow_provider_mparticle.client.retrying import policy

T = TypeVar("T")

# Only one thread of a process mints a token at a time; those that wait find it minted.
_minting = threading.Lock()


def _fresh_lock() -> None:
    global _minting
    _minting = threading.Lock()


os.register_at_fork(after_in_child=_fresh_lock)


class Client:
    """
    Carries out calls, one at a time.

    :param config: The workspace and how to reach it.
    :param on_token: Called with every new token before its first use, for instance to mask it in logs.
    """

    def __init__(self, config: ApiConfig, on_token: Callable[[str], object] = lambda _: None) -> None:
        self.config = config
        self._on_token = on_token
        self._session = requests.Session()
        # Our own Authorization header stands; without this, requests would replace it from a ~/.netrc.
        self._session.auth = lambda request: request

    def send(self, call: Call[T], *, retry: bool = True) -> T:
        """
        Carry out *call* and return its decoded answer.

        :param call: What to do, see :mod:`~airflow_provider_mparticle.client.endpoints`.
        :param retry: Whether to repeat it under the retry policy; waiting loops repeat by themselves.
        :raises MParticleError: The error whose class names the cause.
        """
        if not retry:
            return self._send_once(call)
        answer: T = tenacity.Retrying(**policy(call))(self._send_once, call)
        return answer

    def log_in(self) -> None:
        """
        Make sure that there is a token.

        :raises AuthenticationError: The credentials were refused.
        """
        self._token(TokenNeeded())

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _send_once(self, call: Call[T]) -> T:
        return self._drive(exchange(call, self.config))

    def _drive(self, steps: Generator[Any, Any, T]) -> T:
        try:
            step = next(steps)
            while True:
                try:
                    answer = self._answer(step)
                except MParticleError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result

    def _answer(self, step: TokenNeeded | TokenMinted | HttpRequest) -> str | HttpResponse | None:
        if isinstance(step, HttpRequest):
            return self._move(step)
        if isinstance(step, TokenMinted):
            self._on_token(step.value)
            return None
        return self._token(step)

    def _token(self, needed: TokenNeeded) -> str:
        with _minting:
            return self._drive(obtain_token(self.config, needed.refused))

    def _move(self, request: HttpRequest) -> HttpResponse:
        try:
            response = self._session.request(
                request.method,
                request.url,
                params=request.params,
                headers=request.headers,
                data=request.body,
                timeout=request.timeout_s,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise NoAnswerError(
                f"No answer from {request.method} {request.url}: {_cause(error)}",
                may_have_executed=not _never_left(error),
            ) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpResponse(response.status_code, headers, response.content)


def _never_left(error: requests.RequestException) -> bool:
    """Tell whether the request certainly did not leave: requests has one class for that and for a broken answer."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, ProxyError):
        reason = reason.original_error
    if isinstance(reason, SSLError):  # also what a TLS stream that breaks under the answer raises
        reason = reason.args[0] if reason.args else None
    return isinstance(reason, NewConnectionError | ConnectTimeoutError | ssl.SSLCertVerificationError)


def _cause(error: requests.RequestException) -> str:
    reason = error.args[0] if error.args else error
    return f"{type(error).__name__}: {getattr(reason, 'reason', reason)}"
