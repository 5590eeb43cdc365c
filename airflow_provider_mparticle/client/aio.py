"""The asynchronous driver: moves the bytes of an exchange with aiohttp. Used in the triggerer."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import aiohttp
import tenacity

from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import MParticleError, NoAnswerError, RateLimitedError
from airflow_provider_mparticle.client.exchange import exchange
from airflow_provider_mparticle.client.login import obtain_token
from airflow_provider_mparticle.client.messages import HttpRequest, HttpResponse, TokenMinted, TokenNeeded
from airflow_provider_mparticle.client.rate_limit import RateLimit
from airflow_provider_mparticle.client.retrying import policy
from airflow_provider_mparticle.client.single_flight import SingleFlight

T = TypeVar("T")

# Open TCP connections of one client. A thousand waits that look twice a minute keep ten busy where an answer takes
# 0.3 s, and all of these where it takes 3 s; who finds none free waits for one.
CONNECTIONS = 96
# An idle connection outlasts the default pause between two looks, so that each look need not begin with a handshake.
KEEP_ALIVE_S = 75.0


async def _ignore(_: str) -> None:
    return None


# Several clients may share credentials, and then one login serves them all.
_minting: WeakKeyDictionary[asyncio.AbstractEventLoop, SingleFlight] = WeakKeyDictionary()


class AsyncClient:
    """
    Carries out calls, many at a time, over one pool of connections. Belongs to the event loop that it is made in.

    :param config: The workspace and how to reach it.
    :param on_token: Awaited with every new token before its first use, for instance to mask it in logs.
    """

    def __init__(self, config: ApiConfig, on_token: Callable[[str], Awaitable[object]] = _ignore) -> None:
        self.config = config
        self.rate_limit = RateLimit()
        self._on_token = on_token
        self._proxy_for = functools.cache(_proxy_for)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S),
            timeout=aiohttp.ClientTimeout(total=config.timeout_s),
        )

    async def send(self, call: Call[T], *, retry: bool = True) -> T:
        """
        Carry out *call* and return its decoded answer.

        :param call: What to do, see :mod:`~airflow_provider_mparticle.client.endpoints`.
        :param retry: Whether to repeat it under the retry policy; waiting loops repeat by themselves.
        :raises MParticleError: The error whose class names the cause.
        """
        if not retry:
            return await self._send_once(call)
        return await tenacity.AsyncRetrying(**policy(call))(self._send_once, call)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def _send_once(self, call: Call[T]) -> T:
        if refusal := self.rate_limit.refusal:
            raise refusal
        try:
            return await self._drive(exchange(call, self.config))
        except RateLimitedError as error:
            self.rate_limit.hold_back(error)
            raise

    async def _drive(self, steps: Generator[Any, Any, T]) -> T:
        try:
            step = next(steps)
            while True:
                try:
                    answer = await self._answer(step)
                except MParticleError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result

    async def _answer(self, step: TokenNeeded | TokenMinted | HttpRequest) -> str | HttpResponse | None:
        if isinstance(step, HttpRequest):
            return await self._move(step)
        if isinstance(step, TokenMinted):
            await self._on_token(step.value)
            return None
        return await self._token(step)

    async def _token(self, needed: TokenNeeded) -> str:
        credentials = self.config.credentials
        if token := token_cache.kept(credentials, needed.refused):
            return token
        minting = _minting.setdefault(asyncio.get_running_loop(), SingleFlight())
        return await minting.do(credentials, lambda: self._drive(obtain_token(self.config, needed.refused)))

    async def _move(self, request: HttpRequest) -> HttpResponse:
        scheme, _, host = request.url.split("/", 3)[:3]
        try:
            async with self._session.request(
                request.method,
                request.url,
                params=request.params,
                headers=request.headers,
                data=request.body,
                # aiohttp would declare the body that a POST has not as application/octet-stream.
                skip_auto_headers=("Content-Type",) if request.method == "POST" else None,
                allow_redirects=False,
                proxy=self._proxy_for(scheme, host),
            ) as answer:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                response = HttpResponse(answer.status, headers, await answer.read())
                self.rate_limit.observe(response)
                return response
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NoAnswerError(
                f"No answer from {request.method} {request.url}: {type(error).__name__}: {error}",
                may_have_executed=not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError),
            ) from error


def _proxy_for(scheme: str, host: str) -> str | None:
    """
    Return the proxy that the environment names for a host.

    aiohttp's own ``trust_env`` would read ~/.netrc, in a thread, for every request.
    """
    return None if proxy_bypass(host) else getproxies().get(scheme.rstrip(":"))
