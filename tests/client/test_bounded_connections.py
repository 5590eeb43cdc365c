"""One deadline and one size limit hold for everything that a connection of urllib3 sends and reads."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest
import urllib3

from airflow_provider_mparticle.client.bounded_connections import LONGEST_HEAD, POOLS, bounded_by
from airflow_provider_mparticle.client.sending import Sending
from tests.hostile.raw_server import RawServer, answer, endless

HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def server() -> Iterator[RawServer]:
    """A server that sends what the test says."""
    with RawServer(lambda _: [answer(b"{}")]) as running:
        yield running


def get(server: RawServer, sending: Sending) -> urllib3.BaseHTTPResponse:
    """Send one request within the limits of *sending*."""
    with bounded_by(sending), POOLS["http"]("127.0.0.1", server.port) as pool:
        return pool.urlopen("GET", "/", retries=False)


def test_whether_the_request_has_left_is_recorded(server: RawServer) -> None:
    """A trigger that has not left can be sent again."""
    sending = Sending.within(10)

    assert 200 == get(server, sending).status
    assert sending.has_left


def test_after_the_deadline_nothing_is_sent(server: RawServer) -> None:
    """The login may have taken all the time that the call had."""
    sending = Sending(1.0, ends_at=0.0)

    with pytest.raises(urllib3.exceptions.ProtocolError, match="timed out"):
        get(server, sending)

    assert not sending.has_left
    assert [] == server.requests


def test_all_reads_share_the_deadline(server: RawServer) -> None:
    """Each byte comes in time for its own read."""
    server.script = lambda _: endless(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n", 0.02)

    with pytest.raises(urllib3.exceptions.HTTPError) as ended:
        get(server, Sending.within(0.2))

    assert isinstance(ended.value, urllib3.exceptions.ReadTimeoutError)


@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints"])
def test_informational_answers_are_skipped(server: RawServer, status: str) -> None:
    """http.client alone returns a 103 as the answer."""
    server.script = lambda _: [f"HTTP/1.1 {status}\r\n\r\n".encode(), answer(b"{}", "201 Created")]

    assert 201 == get(server, Sending.within(10)).status


def test_a_head_without_end_is_too_long(server: RawServer) -> None:
    """http.client limits one header line and their number, but not the answers before the final one."""
    hint = b"HTTP/1.1 103 Early Hints\r\n" + b"X: " + b"a" * 60_000 + b"\r\n\r\n"
    server.script = lambda _: endless(hint)

    with pytest.raises(urllib3.exceptions.ProtocolError, match="too long"):
        get(server, Sending.within(60))

    assert len(hint) < LONGEST_HEAD


def test_a_malformed_header_is_refused_without_showing_it(server: RawServer, caplog: pytest.LogCaptureFixture) -> None:
    """It may have a secret in it, and urllib3 would log it."""
    server.script = lambda _: [HEAD + b"s3cret without a colon\r\nContent-Length: 0\r\n\r\n"]

    with pytest.raises(urllib3.exceptions.ProtocolError) as refused:
        get(server, Sending.within(10))

    assert isinstance(refused.value.args[-1], http.client.HTTPException)
    assert "s3cret" not in f"{refused.value}{caplog.text}"
