"""
Sends single requests with requests.

Must not know calls, tokens or retries.
"""

from __future__ import annotations

import ssl
from http.client import HTTPException
from typing import Any

import requests
from urllib3.exceptions import HTTPError

from airflow_provider_mparticle.client.answer_body import MAX_VALUES, AnswerBody
from airflow_provider_mparticle.client.bounded_connections import POOLS, bounded_by
from airflow_provider_mparticle.client.errors import MParticleError
from airflow_provider_mparticle.client.messages import HttpRequest, HttpResponse
from airflow_provider_mparticle.client.network import Network
from airflow_provider_mparticle.client.sending import OWN_HEADERS, Sending

# Bytes that one read takes from a connection.
READ_SIZE = 2**16


class RequestsTransport(requests.adapters.HTTPAdapter):
    """
    Sends requests, one at a time, over connections that it keeps open.

    It is an adapter without a session, since a session reads ~/.netrc, keeps cookies, and loads the body of a redirect.

    :param network: Proxies and certificates.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._tls: ssl.SSLContext | None = None
        super().__init__()

    def response_to(self, request: HttpRequest, sending: Sending) -> HttpResponse:
        """
        Send *request* and return its answer, whatever its status.

        :param sending: The deadline. Its ``has_left`` is set when the request has left this machine.
        :raises MParticleError: No usable answer arrived.
        """
        try:
            with bounded_by(sending):
                return self._send(request, sending.left_s())
        except MParticleError:
            raise
        except (OSError, HTTPError, HTTPException, ValueError) as error:  # a RequestException is an OSError
            failure = sending.error(request, error, self._network)
        raise failure  # outside the except block, so that a logged traceback does not show the library's own errors

    def _send(self, request: HttpRequest, left_s: float) -> HttpResponse:
        proxy = self._network.proxy_for(request.url)
        headers = {**OWN_HEADERS, **request.headers}
        prepared = requests.Request(request.method, request.url, headers, None, request.body, request.params).prepare()
        if request.url.startswith("https:"):
            self._trust()
        proxies = dict.fromkeys(("http", "https"), proxy.url) if proxy else {}
        with self.send(prepared, stream=True, timeout=left_s, proxies=proxies) as answer:
            received = {name.lower(): value for name, value in answer.headers.items()}
            body = AnswerBody(received.get("content-encoding", ""), MAX_VALUES)
            while not body.flaw and (data := answer.raw.read(READ_SIZE, decode_content=False)):
                body.add(data)
            return HttpResponse(answer.status_code, received, body.end(), body.flaw)

    def _trust(self) -> None:
        if self._tls is None:
            self._tls = self._network.tls_context()
            self.poolmanager.connection_pool_kw["ssl_context"] = self._tls

    # The methods below override those of requests' adapter.

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Use connections with a deadline."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Use connections with a deadline, and check the certificate of a proxy like that of any other host."""
        manager = super().proxy_manager_for(proxy, ssl_context=self._tls, proxy_ssl_context=self._tls, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Return the header with the login for a proxy; the address that requests knows has no login."""
        return self._network.proxy_headers(proxy)

    def cert_verify(self, *args: Any) -> None:
        """Use only the certificates of the TLS context; requests would add its own bundle."""
