"""The asynchronous driver: carries out calls with aiohttp, in the triggerer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import tenacity

from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.client.aiohttp_transport import AiohttpTransport
from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.driving import adrive
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import RateLimitedError
from airflow_provider_mparticle.client.exchange import exchange
from airflow_provider_mparticle.client.login import obtain_token
from airflow_provider_mparticle.client.messages import HttpRequest, HttpResponse, TokenMinted, TokenNeeded
from airflow_provider_mparticle.client.network import Network
from airflow_provider_mparticle.client.rate_limit import RateLimit
from airflow_provider_mparticle.client.retrying import OnRetry, do_nothing, policy
from airflow_provider_mparticle.client.sending import Sending
from airflow_provider_mparticle.client.single_flight import SingleFlight

T = TypeVar("T")


async def _ignore(_: str) -> None:
    return None


# Clients with the same credentials share one login. For each event loop: the logins in progress.
_minting: WeakKeyDictionary[asyncio.AbstractEventLoop, SingleFlight] = WeakKeyDictionary()


class AsyncClient:
    """
    Sends calls, many at a time, over one pool of connections. Belongs to the event loop in which it is created.

    :param config: The workspace and how to reach it.
    :param on_token: Awaited with every new token before its first use, for example to mask it in logs.
    :param on_retry: Called before a call is sent again, with the call and the error that is the reason.
    :raises ConfigError: A proxy variable of the environment is malformed.
    """

    def __init__(
        self,
        config: ApiConfig,
        on_token: Callable[[str], Awaitable[object]] = _ignore,
        on_retry: OnRetry = do_nothing,
    ) -> None:
        self.config = config
        self._on_retry = on_retry
        self.rate_limit = RateLimit()
        self._on_token = on_token
        self._transport = AiohttpTransport(Network(os.environ))

    async def send(self, call: Call[T], *, retry: bool = True) -> T:
        """
        Send *call* and return its decoded answer.

        :param call: What to send, see :mod:`~airflow_provider_mparticle.client.endpoints`.
        :param retry: Whether the retry policy applies. A wait passes False, since it polls again anyway.
        :raises MParticleError: The error whose class names the cause.
        """
        if not retry:
            return await self._send_once(call)
        return await tenacity.AsyncRetrying(**policy(call, self._on_retry))(self._send_once, call)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def _send_once(self, call: Call[T]) -> T:
        if refusal := self.rate_limit.refusal:
            raise refusal
        sending = Sending.within(min(self.config.timeout_s, call.within_s))
        try:
            return await adrive(exchange(call, self.config), partial(self._answer, sending))
        except RateLimitedError as error:
            self.rate_limit.hold_back(error)
            raise

    async def _answer(self, sending: Sending, step: TokenNeeded | TokenMinted | HttpRequest) -> Any:
        match step:
            case HttpRequest():
                return await self._response_to(step, sending.of_same_exchange())
            case TokenMinted():
                return await self._on_token(step.value)
            case _:
                return await self._token(sending, step)

    async def _token(self, sending: Sending, needed: TokenNeeded) -> str:
        credentials = self.config.credentials
        if token := token_cache.kept(credentials, needed.refused):
            return token
        minting = _minting.setdefault(asyncio.get_running_loop(), SingleFlight())
        try:
            async with asyncio.timeout(sending.left_s()):
                return await minting.do(credentials, partial(self._mint, needed))
        except TimeoutError:
            failure = sending.no_token(credentials.token_url)
        raise failure

    async def _mint(self, needed: TokenNeeded) -> str:
        # Other callers may join this login, so its timeout does not depend on the caller that began it.
        sending = Sending.within(self.config.timeout_s)
        return await adrive(obtain_token(self.config, needed.refused), partial(self._answer, sending))

    async def _response_to(self, request: HttpRequest, sending: Sending) -> HttpResponse:
        response = await self._transport.response_to(request, sending)
        self.rate_limit.observe(response)
        return response
