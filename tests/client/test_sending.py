"""The deadline of a request, and the words of the error if no answer arrives."""

from __future__ import annotations

import http.client
import ssl
import time

import pytest

from airflow_provider_mparticle.client.errors import NoAnswerError, UnreadableAnswerError
from airflow_provider_mparticle.client.messages import HttpRequest
from airflow_provider_mparticle.client.network import Network
from airflow_provider_mparticle.client.sending import Sending

REQUEST = HttpRequest("POST", "https://api.mparticle.com/trigger", {}, {})
BY_PROXY = Network({"HTTPS_PROXY": "http://us:PROXYPASS@proxy.example.com:3128"})


def test_an_exchange_whose_time_is_over_sends_nothing() -> None:
    """The libraries take a timeout of zero for no timeout."""
    with pytest.raises(TimeoutError):
        Sending(1.0, time.monotonic() - 0.1).left_s()


@pytest.mark.parametrize("has_left", [False, True])
def test_whether_it_has_left_decides_whether_it_may_have_been_carried_out(has_left: bool) -> None:
    """Only a request that certainly did not leave may be sent again."""
    failure = Sending(60.0, 0.0, has_left).error(REQUEST, ConnectionResetError("reset"), Network({}))

    assert (NoAnswerError, has_left) == (type(failure), failure.may_have_executed)


def test_what_is_not_http_is_an_answer_that_cannot_be_read() -> None:
    """It arrived after the request was sent."""
    failure = Sending(60.0, 0.0, True).error(REQUEST, http.client.BadStatusLine("SSH-2.0"), Network({}))

    assert (UnreadableAnswerError, True) == (type(failure), failure.may_have_executed)


def test_a_certificate_error_says_whom_this_process_trusts() -> None:
    """Its cause may be wrapped in several other errors."""
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_message = "unable to get local issuer certificate"

    said = str(Sending(60.0, 0.0).error(REQUEST, OSError(cause), Network({"SSL_CERT_FILE": "/x/ca.pem"})))

    assert "not trusted (unable to get local issuer certificate)" in said
    assert "SSL_CERT_FILE=/x/ca.pem" in said
    assert "REQUESTS_CA_BUNDLE" in said


def test_a_proxy_that_wants_a_login_is_said_so_by_the_name_of_its_variable() -> None:
    """Its address is shown, but not the login in it."""
    said = str(Sending(60.0, 0.0).error(REQUEST, OSError("Tunnel connection failed: 407 Proxy"), BY_PROXY))

    assert "through the proxy http://proxy.example.com:3128 (HTTPS_PROXY): the proxy refused" in said
    assert "PROXYPASS" not in said


@pytest.mark.parametrize("words", [http.client.BadStatusLine, ValueError, ConnectionResetError])
def test_a_server_cannot_speak_for_the_proxy(words: type[Exception]) -> None:
    """A server may use the words with which a proxy is reported; only the library's own error counts."""
    said = str(Sending(60.0, 0.0).error(REQUEST, words("Tunnel connection failed: 407"), BY_PROXY))

    assert "the proxy refused" not in said
