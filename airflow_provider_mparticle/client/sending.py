"""
Keeps the deadline of a request, and words the error if no usable answer arrives.

Both drivers use it, so that an error reads the same in a worker and in a triggerer, whatever the HTTP library.
"""

from __future__ import annotations

import re
import ssl
import time
from dataclasses import dataclass
from http.client import HTTPException, IncompleteRead, RemoteDisconnected

from airflow_provider_mparticle import __version__
from airflow_provider_mparticle.client.answer_body import ACCEPT_ENCODING
from airflow_provider_mparticle.client.errors import MParticleError, NoAnswerError, UnreadableAnswerError
from airflow_provider_mparticle.client.messages import HttpRequest, place
from airflow_provider_mparticle.client.network import Network, Proxy

# Sent with every request. The encodings are those that `AnswerBody` can read.
OWN_HEADERS = {"Accept-Encoding": ACCEPT_ENCODING, "User-Agent": f"airflow-provider-mparticle/{__version__}"}

# Longest header line, in bytes. http.client has the same limit built in.
LONGEST_HEADER = 2**16

# http.client raises an OSError with these words, aiohttp an error with the status.
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")


@dataclass
class Sending:
    """
    One request that is being sent.

    :param limit_s: Seconds that the whole exchange may take, for error messages.
    :param ends_at: The deadline, as a value of `time.monotonic`.
    :param has_left: Whether a part of the request has left this machine.
    """

    limit_s: float
    ends_at: float
    has_left: bool = False

    @classmethod
    def within(cls, limit_s: float) -> Sending:
        """Return the first request of an exchange that begins now and may take *limit_s* seconds."""
        return cls(limit_s, time.monotonic() + limit_s)

    def left_s(self) -> float:
        """
        Return how many seconds are left.

        :raises TimeoutError: The deadline has passed.
        """
        left_s = self.ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        return left_s

    def of_same_exchange(self) -> Sending:
        """Return the next request of the same exchange, for example the call after a login, with the same deadline."""
        return Sending(self.limit_s, self.ends_at)

    def no_token(self, token_url: str) -> NoAnswerError:
        """Return the error for a login of another caller that did not end before the deadline of this one."""
        return NoAnswerError(f"No answer from POST {place(token_url)}: it took longer than {self.limit_s:g} s.")

    def error(self, request: HttpRequest, cause: BaseException, network: Network) -> MParticleError:
        """
        Return the error for a request without a usable answer.

        :param request: The request.
        :param cause: The error of the HTTP library.
        :param network: The proxies and certificates that were used.
        """
        chain = _chain(cause)
        proxy = network.proxy_for(request.url)
        way = f" through the proxy {proxy.url} ({proxy.variable})" if proxy else ""
        what = f"{request}{way}"
        if self.has_left and any(map(_is_malformed, chain)):
            return UnreadableAnswerError(
                f"The answer to {what} is not valid HTTP, or its head is too long ({type(chain[-1]).__name__}).",
                may_have_executed=True,
            )
        reason = self._reason(chain, network, proxy)
        return NoAnswerError(f"No answer from {what}: {reason}", may_have_executed=self.has_left)

    def _reason(self, chain: list[BaseException], network: Network, proxy: Proxy | None) -> str:
        for error in chain:
            if isinstance(error, ssl.SSLCertVerificationError) and (said := getattr(error, "verify_message", "")):
                return f"its certificate is not trusted ({said}). {network.trust}"
            if proxy and (status := _tunnel_status(error)):
                advice = (
                    f"Put a valid login into {proxy.variable}."
                    if status == 407
                    else "Ask the administrator of the proxy."
                )
                return f"the proxy refused the connection with {status}. {advice}"
        if any(isinstance(error, TimeoutError) for error in chain):
            return f"it took longer than {self.limit_s:g} s."
        return f"{_words(chain[-1])}."


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and its causes, the first cause last."""
    chain = [error]
    while (cause := _cause(chain[-1])) and cause not in chain:
        chain.append(cause)
    return chain


def _cause(error: BaseException) -> BaseException | None:
    # urllib3 keeps some causes only as arguments, for example the cause of an SSLError.
    kept = [getattr(error, "reason", None), *error.args]
    return error.__cause__ or error.__context__ or next((it for it in kept if isinstance(it, BaseException)), None)


def _is_malformed(error: BaseException) -> bool:
    if isinstance(error, RemoteDisconnected | IncompleteRead):  # the connection ended early
        return False
    # http.client raises a ValueError for a chunk of negative length.
    return isinstance(error, HTTPException | ValueError) or type(error).__name__ == "HttpProcessingError"


def _tunnel_status(error: BaseException) -> int | None:
    """Return the status with which a proxy refused a tunnel, or None for any other error."""
    if type(error).__name__ == "ClientHttpProxyError":
        return int(error.status)  # type: ignore[attr-defined]  # a class of aiohttp, which this module does not import
    found = _TUNNEL.match(str(error)) if type(error) is OSError else None
    return int(found[1]) if found else None


def _words(error: BaseException) -> str:
    """Return the message of an operating system's error. Other errors may quote an answer with a secret in it."""
    if not isinstance(error, OSError):
        return type(error).__name__
    return f"{type(error).__name__}: {error}".strip(": ")[:300].rstrip(".")
