"""The simulator's sockets pass requests to a function, here in the place of mParticle."""

from __future__ import annotations

import http.client
import socket

import pytest

from airflow_provider_mparticle.simulator.http_messages import Answer
from airflow_provider_mparticle.simulator.server import LoopbackServer


@pytest.fixture
def serve():
    """Serve a function, and return a connection to it."""
    running = []

    def start(respond):
        server = LoopbackServer(0, respond, clock=lambda: 0.0)
        server.start()
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
        running.append((server, connection))
        return server, connection

    yield start
    for server, connection in running:
        connection.close()
        server.stop()


def test_a_request_arrives_whole(serve):
    """Header names are in lower case, and a query is decoded."""
    received = []
    _, connection = serve(lambda request: received.append(request) or Answer(201, b"{}", {"X-A": "b"}))

    connection.request("PUT", "/pipelines/a%20b?c=d%20e&f=", b"body", {"X-Name": "value"})
    answer = connection.getresponse()

    [request] = received
    assert ("PUT", "/pipelines/a%20b", {"c": "d e", "f": ""}, b"body") == (
        request.method,
        request.path,
        request.query,
        request.raw,
    )
    assert "value" == request.headers["x-name"]
    assert (201, b"{}", "b") == (answer.status, answer.read(), answer.getheader("X-A"))
    assert "Thu, 01 Jan 1970 00:00:00 GMT" == answer.getheader("Date")


def test_one_connection_serves_many_requests(serve):
    """Clients keep connections, and tests count them."""
    server, connection = serve(lambda _: Answer())

    for _ in range(3):
        connection.request("GET", "/")
        connection.getresponse().read()

    assert 1 == server.opened


def test_no_answer_is_a_reset(serve):
    """It is how a lost answer looks to a client."""
    _, connection = serve(lambda _: None)
    connection.request("GET", "/")

    with pytest.raises((ConnectionResetError, http.client.RemoteDisconnected)):
        connection.getresponse()


def test_a_bug_of_the_simulator_does_not_look_like_a_lost_answer(serve, capsys):
    """A test would otherwise pass for the wrong reason."""
    _, connection = serve(lambda _: 1 // 0)
    connection.request("GET", "/")

    answer = connection.getresponse()

    assert (500, True) == (answer.status, b"A bug in the simulator" in answer.read())
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_body_of_unknown_length_is_refused(serve):
    """Without its length, the body would be read as the next request."""
    _, connection = serve(lambda _: Answer())
    connection.putrequest("POST", "/")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()  # and no body: the server answers before it comes, and closes the connection

    answer = connection.getresponse()

    assert (411, "close") == (answer.status, answer.getheader("Connection"))


def test_a_server_that_is_stopped_closes_its_connections(serve):
    """Then a stop looks like an outage."""
    server, connection = serve(lambda _: Answer())
    connection.request("GET", "/")
    connection.getresponse().read()
    sock = connection.sock

    server.stop()

    assert b"" == sock.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.server_port), timeout=60)
