"""Both drivers over HTTP, against the simulator: which requests arrive there, and how often."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from airflow_provider_mparticle.client import endpoints, errors, token_cache
from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.endpoints import Call, Scope
from airflow_provider_mparticle.client.models import Pipeline
from airflow_provider_mparticle.client.resource_kinds import PIPELINE
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.simulator import Fault, Simulator

Send = Callable[..., Any]

LOGIN = "/oauth/token"
PIPELINES = "/inputs/data-pipelines"
GET = endpoints.get_resource(PIPELINE, "orders")
TRIGGER = endpoints.trigger_pipeline("orders")

INVOICES = {
    "id": "invoices",
    "name": "Invoices",
    "connection_id": "warehouse",
    "data_model_id": "orders-model",
    "partner_feed_id": 11,
    "partner_feed_key": "f33d-key",
    "sync_mode": {"type": "full"},
    "schedule": {"type": "on_demand"},
}


# The calls


def test_a_pipeline_lives_from_creation_to_deletion(send: Send, simulator: Simulator) -> None:
    """All calls on one pipeline, in the order in which a user makes them."""
    created = send(endpoints.create_resource(PIPELINE, INVOICES))
    listed = send(endpoints.list_resources(PIPELINE))
    updated = send(endpoints.update_resource(PIPELINE, "invoices", {**INVOICES, "state": "paused"}))
    read = send(endpoints.get_resource(PIPELINE, "invoices"))
    deleted = send(endpoints.delete_resource(PIPELINE, "invoices"))

    assert ("Invoices", "active", {"type": "full"}) == (created.name, created.state, created.sync_mode)
    assert ["orders", "invoices"] == [pipeline.id for pipeline in listed]
    assert ("paused", "paused", None) == (updated.state, read.state, deleted)
    with pytest.raises(errors.NotFoundError):
        send(endpoints.get_resource(PIPELINE, "invoices"))


@pytest.mark.sends_anything(reason="a body with more in it than a pipeline has")
def test_a_body_arrives_as_it_was_given(send: Send, simulator: Simulator) -> None:
    """Umlauts, nulls and nesting are the same with both libraries."""
    body = {**INVOICES, "name": "Rechnungen für Zoë ✓", "data_plan_id": None, "sync_mode": {"type": "full", "x": [1.5]}}

    send(endpoints.create_resource(PIPELINE, body))

    arrived = simulator.requests[-1]
    assert {name: value for name, value in body.items() if name != "partner_feed_key"} == arrived["body"]
    assert "application/json" == arrived["headers"]["content-type"]


def test_an_update_without_an_answer_is_what_was_sent(send: Send, simulator: Simulator) -> None:
    """The Platform API answers a PUT with 202, maybe without a body."""
    simulator.inject(Fault(method="PUT", body=""))

    updated = send(endpoints.update_resource(PIPELINE, "orders", {"name": "Renamed"}))

    assert Pipeline(id="orders", name="Renamed") == updated


@pytest.mark.parametrize(("answer", "expected"), [("id", 13325), ("no_id", None), ("empty", None)])
def test_a_trigger_answers_the_run_where_mparticle_says_it(
    send: Send,
    start_simulator: Callable[..., Simulator],
    config_of: Callable[..., ApiConfig],
    answer: str,
    expected: Any,
) -> None:
    """The answer may be empty. Then the run must be found by other means."""
    simulator = start_simulator(trigger_answer=answer)
    simulator.add_pipeline("orders")

    assert expected == send(TRIGGER, config_of(simulator))
    assert 1 == simulator.starts("orders")


def test_a_trigger_has_no_body(send: Send, simulator: Simulator) -> None:
    """None is documented, and a Content-Type without a body may be refused."""
    send(TRIGGER)

    assert None is simulator.requests[-1]["body"]
    assert "content-type" not in simulator.requests[-1]["headers"]


def test_a_status_shows_the_latest_run(send: Send, simulator: Simulator) -> None:
    """If mParticle has no run routes, this is the only way to see a run."""
    run = simulator.add_run("orders", "failed", errors=["No warehouse."])

    status = send(endpoints.get_pipeline_status("orders"))

    assert ("orders", "healthy", "healthy", "healthy", ()) == (
        status.pipeline_id,
        status.status,
        status.connection_status,
        status.data_model_status,
        status.errors,
    )
    assert status.latest_pipeline_run.is_run(run["pipeline_run_id"])
    assert (Progress.FAILED, ("No warehouse.",)) == (
        status.latest_pipeline_run.progress,
        status.latest_pipeline_run.errors,
    )


def test_the_status_of_a_pipeline_that_never_ran_has_no_run(send: Send, simulator: Simulator) -> None:
    """The first start of a pipeline depends on it."""
    assert None is send(endpoints.get_pipeline_status("orders")).latest_pipeline_run


def test_one_run_is_read_by_its_id(send: Send, simulator: Simulator) -> None:
    """It has the counts that a user reports."""
    made = simulator.add_run("orders", "success", successful_records=990, failed_records=10)

    run = send(endpoints.get_pipeline_run("orders", made["pipeline_run_id"]))

    assert ("success", Progress.SUCCEEDED, 990, 10) == (
        run.state,
        run.progress,
        run.successful_records,
        run.failed_records,
    )


def test_runs_are_listed_page_by_page(send: Send, simulator: Simulator) -> None:
    """A page has 100 runs, and the page after the last is empty."""
    start = datetime(2025, 7, 1, tzinfo=UTC)
    for hour in range(101):
        simulator.add_run("orders", "success", logical_date=start + timedelta(hours=hour))

    pages = [send(endpoints.list_pipeline_runs("orders", page=page)) for page in (1, 2, 3)]

    assert [100, 1, 0] == [len(page) for page in pages]
    assert start == pages[1][0].logical_date


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-5, minutes=-30))])
def test_runs_are_listed_by_logical_date_in_any_zone(send: Send, simulator: Simulator, zone: dt.tzinfo) -> None:
    """If the range were 9 hours off, a wrong run could be adopted, or a run missed."""
    noon = datetime(2025, 7, 1, 12, tzinfo=UTC)
    for hour in range(-2, 3):
        simulator.add_run("orders", "success", logical_date=noon + timedelta(hours=hour))
    since, until = ((noon + timedelta(hours=hour)).astimezone(zone) for hour in (-1, 1))

    found = send(endpoints.list_pipeline_runs("orders", since=since, until=until))

    assert {"2025-07-01T11:00:00Z", "2025-07-01T13:00:00Z", "1", "100"} == set(simulator.requests[-1]["query"].values())
    assert [noon + timedelta(hours=hour) for hour in (1, 0, -1)] == [run.logical_date for run in found]


@pytest.mark.sends_anything(reason="no such id can exist, but a template can make one")
@pytest.mark.parametrize("pipeline_id", ["odd id/ä?#%+:&=@;,", "%2F", "a\\b", "..x"])
def test_an_odd_id_arrives_as_it_is(send: Send, simulator: Simulator, pipeline_id: str) -> None:
    """The two libraries quote different characters."""
    with pytest.raises(errors.NotFoundError) as caught:
        send(endpoints.get_resource(PIPELINE, pipeline_id))

    assert (f"This workspace has no pipeline {pipeline_id!r}.",) == caught.value.reasons


@pytest.mark.sends_anything(reason="parameters of every type, even those that mParticle does not know")
def test_a_platform_request_answers_the_data(send: Send, simulator: Simulator) -> None:
    """Any call of the Platform API: the account is added, and the envelope is removed."""
    params = {"name": "a b&c/ä", "active": True, "page": 2, "none": None}

    apps = send(endpoints.request("GET", "/apps", Scope.ACCOUNT, params))
    created = send(endpoints.request("post", "/apps", Scope.ACCOUNT, json={"name": "Kiosk"}))
    deleted = send(endpoints.request("DELETE", "/apps/501", Scope.ACCOUNT))

    expected = {"name": "a b&c/ä", "active": "true", "page": "2", "accountId": "5678"}
    assert expected == next(one["query"] for one in simulator.requests if one["path"] == "/v1/apps")
    assert ["Shop", "Shop web"] == [app["name"] for app in apps]
    assert ("Kiosk", None) == (created[0]["name"], deleted)


def test_audiences_may_come_bare(send: Send, simulator: Simulator) -> None:
    """Both shapes are documented, for two routes of the same group."""
    bare = send(endpoints.request("GET", "/workspace/1234/audiences", Scope.ACCOUNT))
    wrapped = send(endpoints.request("GET", "/audiences", Scope.ACCOUNT))

    assert [701, 702] == [audience["id"] for audience in bare]
    assert bare == wrapped


def test_a_workspace_request_answers_the_json(send: Send, simulator: Simulator) -> None:
    """Any call below the workspace, without the account."""
    attributes = send(endpoints.request("GET", "/calculatedattributes", Scope.WORKSPACE))
    connections = send(endpoints.request("GET", "/connections", Scope.WORKSPACE, {"serviceProvider": "Redshift"}))

    assert ("Lifetime value", []) == (attributes[0]["name"], connections)
    assert {"serviceProvider": "Redshift"} == simulator.requests[-1]["query"]


def test_the_layout_of_v1_works_with_the_routes_of_its_connection(
    send: Send, start_simulator: Callable[..., Simulator], config_of: Callable[..., ApiConfig]
) -> None:
    """All calls on pipelines and runs, with the paths and the field names of 2023."""
    simulator = start_simulator(layout="v1", run_s=0.0)
    simulator.add_pipeline("orders")
    config = config_of(simulator)

    run_id = send(TRIGGER, config)
    run = send(endpoints.get_pipeline_run("orders", run_id), config)
    listed = send(endpoints.list_pipeline_runs("orders"), config)
    status = send(endpoints.get_pipeline_status("orders"), config)

    assert (13325, Progress.SUCCEEDED, "manual", 1000) == (run_id, run.progress, run.type, run.successful_records)
    assert [run] == listed
    assert run == status.latest_pipeline_run
    assert "orders" == send(GET, config).id
    assert ["orders"] == [pipeline.id for pipeline in send(endpoints.list_resources(PIPELINE), config)]
    assert 0 == simulator.count(None, PIPELINES)


# Which calls are sent again


@pytest.mark.parametrize(
    "fault",
    [
        Fault(path="/orders", status=503, times=2),
        Fault(path="/orders", status=429),
        Fault(path="/orders", lose="before"),
        Fault(path="/orders", lose="after"),
        Fault(path="/orders", body="<html>"),
    ],
)
@pytest.mark.parametrize("call", [GET, endpoints.update_resource(PIPELINE, "orders", {"name": "Orders"})])
def test_an_idempotent_call_is_repeated(send: Send, simulator: Simulator, fault: Fault, call: Call[Any]) -> None:
    """It is safe, and most failures are short."""
    simulator.inject(fault)

    assert "orders" == send(call).id
    assert 1 + (fault.times or 0) == simulator.count(call.method, "/orders")


@pytest.mark.parametrize(
    ("fault", "starts"),
    [
        (Fault(path="/trigger", status=502), 0),
        (Fault(path="/trigger", status=502, after=True), 1),
        (Fault(path="/trigger", lose="before"), 0),
        (Fault(path="/trigger", lose="after"), 1),
        (Fault(path="/trigger", body="<html>"), 1),
    ],
)
def test_a_trigger_that_may_have_arrived_is_not_repeated(
    send: Send, simulator: Simulator, fault: Fault, starts: int
) -> None:
    """The answer does not say whether a run was started, so a second request could start a second run."""
    send(GET)  # the usual case: there is a token, and a connection is open
    simulator.inject(fault)

    with pytest.raises(errors.MParticleError) as caught:
        send(TRIGGER)

    assert caught.value.may_have_executed
    assert (1, starts) == (simulator.count("POST", "/trigger"), simulator.starts("orders"))


def test_a_trigger_that_takes_too_long_is_not_repeated(send: Send, simulator: Simulator, config: ApiConfig) -> None:
    """The request arrived, but its answer did not."""
    simulator.inject(Fault(path="/trigger", latency_s=3600.0))
    hurried = dataclasses.replace(config, timeout_s=1.0)

    with pytest.raises(errors.NoAnswerError) as caught:
        send(TRIGGER, hurried)

    assert caught.value.may_have_executed
    assert (1, 1) == (simulator.count("POST", "/trigger"), simulator.starts("orders"))


def test_creating_is_not_repeated_after_a_lost_answer(send: Send, simulator: Simulator) -> None:
    """mParticle would refuse the second request because of the first, and the error would hide what happened."""
    simulator.inject(Fault(method="POST", path=PIPELINES, lose="after"))

    with pytest.raises(errors.NoAnswerError):
        send(endpoints.create_resource(PIPELINE, INVOICES))

    assert 1 == simulator.count("POST", PIPELINES)


def test_a_trigger_is_repeated_after_a_rate_limit(send: Send, simulator: Simulator) -> None:
    """A 429 says that nothing was executed."""
    simulator.fail_next(429, path="/trigger", times=2)

    assert 13325 == send(TRIGGER)
    assert (3, 1) == (simulator.count("POST", "/trigger"), simulator.starts("orders"))


class _StartsAtTheFirstRepetition(logging.Handler):
    """Starts the simulator when a driver reports that it will try again."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__()
        self.simulator = simulator

    def emit(self, record: logging.LogRecord) -> None:
        self.simulator.start()


@pytest.fixture
def outage(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Stop the simulator until the first connection to it has failed."""
    log = logging.getLogger("airflow_provider_mparticle.client.retrying")
    handler = _StartsAtTheFirstRepetition(simulator)
    level = log.level

    def begin() -> None:
        simulator.stop()
        log.addHandler(handler)
        log.setLevel(logging.INFO)

    yield begin
    log.removeHandler(handler)
    log.setLevel(level)


@pytest.mark.parametrize("logged_in", [True, False])
def test_a_trigger_is_repeated_after_a_refused_connection(
    send: Send, simulator: Simulator, config: ApiConfig, outage: Callable[[], None], logged_in: bool
) -> None:
    """A connection that was refused started nothing, whether it was for the login or for the trigger."""
    if logged_in:
        send(GET, config)
    outage()

    assert 13325 == send(TRIGGER, config)
    assert (1, 1) == (simulator.count("POST", "/trigger"), simulator.starts("orders"))


def test_a_refused_connection_never_left(send: Send, simulator: Simulator, config: ApiConfig) -> None:
    """The error says so, for callers that decide themselves whether to try again."""
    send(GET, config)
    simulator.stop()

    with pytest.raises(errors.NoAnswerError, match=r"No answer from POST 127\.0\.0\.1") as caught:
        send(TRIGGER, config, retry=False)

    assert not caught.value.may_have_executed


@pytest.mark.parametrize("fault", [Fault(path=LOGIN, status=503), Fault(path=LOGIN, lose="after")])
def test_a_trigger_whose_login_failed_is_sent_once(send: Send, simulator: Simulator, fault: Fault) -> None:
    """If the login fails, the trigger was not sent, so it can be sent; and a login can be repeated."""
    simulator.inject(fault)

    assert 13325 == send(TRIGGER)
    assert (2, 1, 1) == (
        simulator.count("POST", LOGIN),
        simulator.count("POST", "/trigger"),
        simulator.starts("orders"),
    )


# The login


def test_an_expired_token_costs_exactly_one_more(send: Send, simulator: Simulator) -> None:
    """A token may expire early; the call is sent again with a new one."""
    send(GET)
    simulator.expire_tokens()

    assert "orders" == send(GET).id
    assert (2, 3) == (simulator.tokens_minted, simulator.count("GET", "/orders"))


def test_refused_credentials_send_nothing_else(send: Send, simulator: Simulator, config: ApiConfig) -> None:
    """Neither the call nor the login again: repeated wrong logins may lock the API user."""
    wrong = dataclasses.replace(config.credentials, client_secret="wr0ng")

    with pytest.raises(errors.AuthenticationError, match="refused the login of the test with 401"):
        send(TRIGGER, dataclasses.replace(config, credentials=wrong))

    assert [LOGIN] == [request["path"] for request in simulator.requests]


def test_credentials_that_are_replaced_meanwhile_end_the_call(
    send: Send, simulator: Simulator, config: ApiConfig
) -> None:
    """The token is refused, and so is the login that should replace it."""
    send(GET, config)
    simulator.rotate_credentials()

    with pytest.raises(errors.AuthenticationError):
        send(GET, config)

    assert (2, 2) == (simulator.count("POST", LOGIN), simulator.count("GET", "/orders"))


def test_a_wrong_account_is_not_found(send: Send, simulator: Simulator, config: ApiConfig) -> None:
    """mParticle answers as if the object did not exist."""
    with pytest.raises(errors.NotFoundError, match="no access"):
        send(endpoints.request("GET", "/apps", Scope.ACCOUNT), dataclasses.replace(config, account_id=1))


def test_a_malformed_answer_is_unreadable(send: Send, simulator: Simulator) -> None:
    """The login page of a proxy also comes with status 200."""
    simulator.inject(Fault(path="/orders", body="<html>Please log in</html>"))

    with pytest.raises(errors.UnreadableAnswerError, match="saying: Please log in"):
        send(GET, retry=False)


# What must never happen


@pytest.mark.parametrize("path", [LOGIN, "/trigger"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(send: Send, simulator: Simulator, path: str, status: int) -> None:
    """It could send the secret, or the trigger, to another server."""
    simulator.fail_next(status, path=path, headers={"Location": f"{simulator.url}/elsewhere"})

    with pytest.raises(errors.ServerError):
        send(TRIGGER, retry=False)

    assert (1, 0) == (simulator.count("POST", path), simulator.count(None, "/elsewhere"))


def test_a_netrc_is_not_used(send: Send, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry for mParticle's host would replace our token with a password that is meant for a browser."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))

    assert "orders" == send(GET).id
    assert (1, 1) == (simulator.tokens_minted, simulator.count("GET", "/orders"))


# Encrypted connections


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for this machine, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "localhost.pem"
    path.write_bytes(
        signed.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


@pytest.fixture
def broken_tls(certificate: Path) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads a request over TLS and answers with noise: its address, and what it has read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    read: list[bytes] = []

    def answer(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listening.accept()
            encrypted = context.wrap_socket(connection, server_side=True)
            read.append(encrypted.recv(65536))
            with socket.socket(fileno=encrypted.detach()) as bare:
                bare.sendall(b"this is not TLS at all")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=answer, args=(listening,), daemon=True)
        thread.start()
        yield f"https://localhost:{listening.getsockname()[1]}", read
        listening.close()
        thread.join(timeout=5)


def test_an_untrusted_certificate_ends_the_call_before_the_request(
    send: Send, config: ApiConfig, broken_tls: tuple[str, list[bytes]]
) -> None:
    """The request, with its token, certainly did not leave."""
    url, read = broken_tls
    send(GET, config)

    with pytest.raises(errors.NoAnswerError, match=r"(?i)certificate") as caught:
        send(TRIGGER, dataclasses.replace(config, base_url=url), retry=False)

    assert (False, []) == (caught.value.may_have_executed, read)


@pytest.mark.parametrize("send", ["sync"], indirect=True)  # aiohttp has an error of its own for broken handshakes
def test_an_encrypted_answer_that_breaks_may_have_executed(
    send: Send,
    config: ApiConfig,
    certificate: Path,
    broken_tls: tuple[str, list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library has one error class for a failed handshake and for noise after a trigger request."""
    url, read = broken_tls
    send(GET, config)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))

    with pytest.raises(errors.NoAnswerError, match="SSL") as caught:
        send(TRIGGER, dataclasses.replace(config, base_url=url), retry=False)

    assert caught.value.may_have_executed
    assert read[0].startswith(b"POST /platform/v2/workspaces/1234/inputs/data-pipelines/orders/trigger")


def test_no_secret_is_in_any_log_or_error(
    send: Send, simulator: Simulator, config: ApiConfig, caplog: pytest.LogCaptureFixture
) -> None:
    """At level DEBUG, where the libraries also log, for an expired token, a lost answer and a refused login."""
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []
    simulator.inject(Fault(method="GET", path="/orders", lose="after"))

    send(GET, config)
    seen.append(_token_of(config))
    simulator.expire_tokens()
    send(endpoints.create_resource(PIPELINE, INVOICES), config)
    seen.append(_token_of(config))
    simulator.rotate_credentials()
    with pytest.raises(errors.AuthenticationError) as caught:
        send(TRIGGER, config)

    said = [*(record.getMessage() for record in caplog.records), repr(caught.value), repr(caught.value.facts())]
    assert 2 == len(set(seen))
    for secret in (config.credentials.client_secret, "f33d-key", *seen):
        assert secret not in "\n".join(said)


def _token_of(config: ApiConfig) -> str:
    token = token_cache.kept(config.credentials)
    assert token is not None
    return token
