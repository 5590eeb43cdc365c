"""The asynchronous driver: sends the requests of an exchange with aiohttp. Used in the triggerer."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from types import SimpleNamespace
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import aiohttp
import tenacity

from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.client.answer_body import AnswerBody
from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.driving import adrive
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import MParticleError, RateLimitedError
from airflow_provider_mparticle.client.exchange import exchange
from airflow_provider_mparticle.client.login import obtain_token
from airflow_provider_mparticle.client.messages import HttpRequest, HttpResponse, TokenMinted, TokenNeeded
from airflow_provider_mparticle.client.network import CONNECT_TIMEOUT_S, Network
from airflow_provider_mparticle.client.rate_limit import RateLimit
from airflow_provider_mparticle.client.retrying import OnRetry, policy, tell_nobody
from airflow_provider_mparticle.client.sending import LONGEST_HEADER, OWN_HEADERS, Sending
from airflow_provider_mparticle.client.single_flight import SingleFlight

T = TypeVar("T")

# Open TCP connections of one client. A thousand waits that poll twice a minute keep ten busy where an answer takes
# 0.3 s, and all of these where it takes 3 s; a request that finds none free waits for one.
CONNECTIONS = 96
# An idle connection outlasts the default pause between two polls, so that not every poll begins with a handshake.
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
    :param on_retry: Called before a call is sent again, with the call and the error that makes it so.
    :raises ConfigError: A proxy variable of the environment is malformed.
    """

    def __init__(
        self,
        config: ApiConfig,
        on_token: Callable[[str], Awaitable[object]] = _ignore,
        on_retry: OnRetry = tell_nobody,
    ) -> None:
        self.config = config
        self._on_retry = on_retry
        self.rate_limit = RateLimit()
        self._on_token = on_token
        self._network = Network(os.environ)
        self._tls: ssl.SSLContext | None = None
        self._tls_loading = SingleFlight()
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_note_that_it_has_left)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
            trace_configs=[tracing],
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
        return await tenacity.AsyncRetrying(**policy(call, self._on_retry))(self._send_once, call)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

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
                return await self._move(sending.of_same_exchange(), step)
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
        # Others may join this login, so it takes its own time, whatever is left to the caller that began it.
        sending = Sending.within(self.config.timeout_s)
        return await adrive(obtain_token(self.config, needed.refused), partial(self._answer, sending))

    async def _move(self, sending: Sending, request: HttpRequest) -> HttpResponse:
        try:
            response = await self._response_to(request, sending)
        except MParticleError:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            failure = sending.error(request, error, self._network)
        else:
            self.rate_limit.observe(response)
            return response
        raise failure  # here, so that no logged traceback shows the library's own errors

    async def _response_to(self, request: HttpRequest, sending: Sending) -> HttpResponse:
        proxy = self._network.proxy_for(request.url)
        async with self._session.request(
            request.method,
            request.url,
            params=request.params,
            headers={**OWN_HEADERS, **request.headers},
            data=request.body,
            # aiohttp would declare the missing body of a POST as application/octet-stream.
            skip_auto_headers=("Content-Type",) if request.method == "POST" else None,
            allow_redirects=False,
            proxy=proxy.url if proxy else None,
            proxy_headers=proxy.headers if proxy else None,
            ssl=await self._trust(request.url),
            timeout=aiohttp.ClientTimeout(total=sending.left_s(), sock_connect=CONNECT_TIMEOUT_S),
            trace_request_ctx=sending,
        ) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            body = AnswerBody(headers.get("content-encoding", ""))
            async for data in answer.content.iter_any():
                body.add(data)
                if body.flaw:
                    break
            return HttpResponse(answer.status, headers, body.end(), body.flaw)

    async def _trust(self, url: str) -> ssl.SSLContext | bool:
        if not url.startswith("https:"):
            return True
        if self._tls is None:  # in a thread, since the loop must not stand still for 100 ms
            load = partial(asyncio.to_thread, self._network.tls_context)
            self._tls = await self._tls_loading.do("tls", load)
        return self._tls


async def _note_that_it_has_left(_: aiohttp.ClientSession, context: SimpleNamespace, __: Any) -> None:
    context.trace_request_ctx.has_left = True
