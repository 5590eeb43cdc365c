"""
Sends single requests with aiohttp.

Must not know calls, tokens or retries.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from types import SimpleNamespace

import aiohttp

from airflow_provider_mparticle.client.answer_body import MAX_VALUES_IN_LOOP, AnswerBody
from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.client.messages import HttpRequest, HttpResponse
from airflow_provider_mparticle.client.network import CONNECT_TIMEOUT_S, Network
from airflow_provider_mparticle.client.sending import LONGEST_HEADER, OWN_HEADERS, Sending
from airflow_provider_mparticle.client.single_flight import SingleFlight

# Largest number of open TCP connections of one client. A thousand waits that poll twice a minute use ten of them if an
# answer takes 0.3 s, and all of them if it takes 3 s. A request waits until a connection is free.
CONNECTIONS = 96
# An idle connection is kept for longer than the default pause between two polls, so that a poll needs no handshake.
KEEP_ALIVE_S = 75.0


class AiohttpTransport:
    """
    Sends requests over one pool of connections. Belongs to the event loop in which it is created.

    :param network: Proxies and certificates.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._tls: ssl.SSLContext | None = None
        self._tls_loading = SingleFlight()
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_mark_as_sent)
        self._connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE_S)
        self._session = self._new_session()
        # aiohttp's tracing adds a sixth to the time of a poll, so only requests that change something are traced.
        self._traced_session = self._new_session(tracing)

    async def response_to(self, request: HttpRequest, sending: Sending) -> HttpResponse:
        """
        Send *request* and return its answer, whatever its status.

        :param sending: The deadline. Its ``has_left`` is set when the request has left this machine; for a GET it is
            set at the beginning, since a GET can be sent again safely.
        :raises MParticleError: No usable answer arrived.
        """
        try:
            return await self._send(request, sending)
        except MParticleError:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:  # a TimeoutError is an OSError
            failure = sending.error(request, error, self._network)
        raise failure  # outside the except block, so that a logged traceback does not show the library's own errors

    async def close(self) -> None:
        """Close the connections."""
        await self._traced_session.close()
        await self._session.close()
        await self._connector.close()

    def _new_session(self, *tracing: aiohttp.TraceConfig) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=self._connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
            trace_configs=[*tracing],
        )

    async def _send(self, request: HttpRequest, sending: Sending) -> HttpResponse:
        proxy = self._network.proxy_for(request.url)
        sending.has_left = request.method == "GET"
        session = self._session if sending.has_left else self._traced_session
        async with session.request(
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
            body = AnswerBody(headers.get("content-encoding", ""), MAX_VALUES_IN_LOOP)
            async for data in answer.content.iter_any():
                body.add(data)
                if body.flaw:
                    break
            return HttpResponse(answer.status, headers, body.end(), body.flaw)

    async def _trust(self, url: str) -> ssl.SSLContext | bool:
        if not url.startswith("https:"):
            return True
        if self._tls is None:  # read in a thread, since it would block the event loop for 100 ms
            load = partial(asyncio.to_thread, self._network.tls_context)
            self._tls = await self._tls_loading.do("tls", load)
        return self._tls


async def _mark_as_sent(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.has_left = True
