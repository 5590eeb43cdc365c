"""The blocking driver: sends the requests of an exchange with requests. Used in tasks."""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable
from functools import partial
from http.client import HTTPException
from typing import Any, TypeVar

import requests
import tenacity
from urllib3.exceptions import HTTPError

from airflow_provider_mparticle.client.answer_body import AnswerBody
from airflow_provider_mparticle.client.bounded_connections import POOLS, bounded_by
from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.driving import drive
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.client.exchange import exchange
from airflow_provider_mparticle.client.login import obtain_token
from airflow_provider_mparticle.client.messages import HttpRequest, HttpResponse, TokenMinted, TokenNeeded
from airflow_provider_mparticle.client.network import Network
from airflow_provider_mparticle.client.retrying import OnRetry, policy, tell_nobody
from airflow_provider_mparticle.client.sending import OWN_HEADERS, Sending
from airflow_provider_mparticle.client.server_clock import clock_skew_s

T = TypeVar("T")

READ_AT_ONCE = 2**16

# Only one thread of a process logs in at a time; the others wait, and use its token.
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
    :param on_retry: Called before a call is sent again, with the call and the error that makes it so.
    :raises ConfigError: A proxy variable of the environment is malformed.
    """

    def __init__(
        self,
        config: ApiConfig,
        on_token: Callable[[str], object] = lambda _: None,
        on_retry: OnRetry = tell_nobody,
    ) -> None:
        self.config = config
        # How far mParticle's clock is ahead of ours, in seconds, by its last answer; None if that told no date.
        self.clock_skew_s: float | None = None
        self._on_retry = on_retry
        self._on_token = on_token
        self._network = Network(os.environ)
        self._adapter = _Adapter(self._network)

    def send(self, call: Call[T], *, retry: bool = True) -> T:
        """
        Carry out *call* and return its decoded answer.

        :param call: What to do, see :mod:`~airflow_provider_mparticle.client.endpoints`.
        :param retry: Whether to repeat it under the retry policy; waiting loops repeat by themselves.
        :raises MParticleError: The error whose class names the cause.
        """
        if not retry:
            return self._send_once(call)
        answer: T = tenacity.Retrying(**policy(call, self._on_retry))(self._send_once, call)
        return answer

    def log_in(self) -> None:
        """
        Make sure that there is a token.

        :raises AuthenticationError: The credentials were refused.
        """
        self._answer(Sending.within(self.config.timeout_s), TokenNeeded())

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()

    def _send_once(self, call: Call[T]) -> T:
        sending = Sending.within(min(self.config.timeout_s, call.within_s))
        return drive(exchange(call, self.config), partial(self._answer, sending))

    def _answer(self, sending: Sending, step: TokenNeeded | TokenMinted | HttpRequest) -> Any:
        match step:
            case HttpRequest():
                return self._move(sending.of_same_exchange(), step)
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

    def _move(self, sending: Sending, request: HttpRequest) -> HttpResponse:
        sent = time.time()
        try:
            with bounded_by(sending):
                response = self._adapter.response_to(request, sending.left_s())
        except MParticleError:
            raise
        except (OSError, HTTPError, HTTPException, ValueError) as error:  # a RequestException is an OSError
            failure = sending.error(request, error, self._network)
        else:
            if request.url.startswith(self.config.base_url):  # the login is another server's
                self.clock_skew_s = clock_skew_s(response.headers, sent, time.time())
            return response
        raise failure  # here, so that no logged traceback shows the library's own errors


class _Adapter(requests.adapters.HTTPAdapter):
    """Sends one request. There is no session: it would read ~/.netrc, keep cookies, and load the body of a redirect."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._tls: ssl.SSLContext | None = None
        super().__init__()

    def response_to(self, request: HttpRequest, left_s: float) -> HttpResponse:
        proxy = self._network.proxy_for(request.url)
        headers = {**OWN_HEADERS, **request.headers}
        prepared = requests.Request(request.method, request.url, headers, None, request.body, request.params).prepare()
        if request.url.startswith("https:"):
            self._trust()
        proxies = dict.fromkeys(("http", "https"), proxy.url) if proxy else {}
        with self.send(prepared, stream=True, timeout=left_s, proxies=proxies) as answer:
            received = {name.lower(): value for name, value in answer.headers.items()}
            body = AnswerBody(received.get("content-encoding", ""))
            while not body.flaw and (data := answer.raw.read(READ_AT_ONCE, decode_content=False)):
                body.add(data)
            return HttpResponse(answer.status_code, received, body.end(), body.flaw)

    def _trust(self) -> None:
        if self._tls is None:
            self._tls = self._network.tls_context()
            self.poolmanager.connection_pool_kw["ssl_context"] = self._tls

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, ssl_context=self._tls, proxy_ssl_context=self._tls, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        return self._network.proxy_headers(proxy)

    def cert_verify(self, *args: Any) -> None:
        """Leave trust to the context; requests would add its own bundle."""
