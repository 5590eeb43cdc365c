"""The tokens of a process: minted once for all callers, and not used after they expire."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_mparticle.client import endpoints, token_cache
from airflow_provider_mparticle.client.aio import AsyncClient
from airflow_provider_mparticle.client.config import ApiConfig, Credentials
from airflow_provider_mparticle.client.errors import AuthenticationError
from airflow_provider_mparticle.client.messages import Token
from airflow_provider_mparticle.client.resource_kinds import PIPELINE
from airflow_provider_mparticle.client.sync import Client
from airflow_provider_mparticle.simulator import Fault, Simulator

CREDENTIALS = Credentials("an-id", "a-secret")
GET = endpoints.get_resource(PIPELINE, "orders")
LOGIN = "/oauth/token"
THREADS = 20
COROUTINES = 50


@pytest.fixture(autouse=True)
def no_tokens() -> None:
    """Every test starts without a token."""
    token_cache.forget()


def in_threads(work: Callable[[], Any]) -> list[Any]:
    """Do the same in many threads that begin together; return the results."""
    gate, done = threading.Barrier(THREADS), []

    def run() -> None:
        gate.wait(timeout=60)
        done.append(work())

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    return done


async def in_coroutines(config: ApiConfig, **hooks: Any) -> list[Any]:
    """Do the same in many coroutines of one client."""
    client = AsyncClient(config, **hooks)
    try:
        return await asyncio.gather(*(client.send(GET) for _ in range(COROUTINES)))
    finally:
        await client.close()


# Keeping


def test_a_token_is_kept_for_its_credentials() -> None:
    """Other credentials, or another server, do not get it."""
    token_cache.keep(CREDENTIALS, Token("t", 1000.0))

    assert "t" == token_cache.kept(Credentials("an-id", "a-secret"))
    assert None is token_cache.kept(dataclasses.replace(CREDENTIALS, client_secret="other"))
    assert None is token_cache.kept(dataclasses.replace(CREDENTIALS, token_url="https://example.com"))


def test_a_refused_token_is_not_handed_out_again() -> None:
    """But a token that was minted meanwhile is: it need not be minted twice."""
    token_cache.keep(CREDENTIALS, Token("new", 1000.0))

    assert None is token_cache.kept(CREDENTIALS, refused="new")
    assert "new" == token_cache.kept(CREDENTIALS, refused="old")


@pytest.mark.parametrize("lifetime_s", [0.0, -5.0])
def test_a_token_that_has_ended_is_not_handed_out(lifetime_s: float) -> None:
    """mParticle would answer 401."""
    token_cache.keep(CREDENTIALS, Token("t", lifetime_s))

    assert None is token_cache.kept(CREDENTIALS)


def test_a_short_token_keeps_most_of_its_life() -> None:
    """If it were renewed two minutes before its end, a token of one minute would be minted for every call."""
    token_cache.keep(CREDENTIALS, Token("t", token_cache.TOKEN_LEEWAY_S / 2))

    assert "t" == token_cache.kept(CREDENTIALS)


def test_no_secret_is_in_the_repr_of_what_is_kept() -> None:
    """A debugger or a log of local variables shows it."""
    token_cache.keep(CREDENTIALS, Token("t0ken", 1000.0))

    assert "t0ken" not in repr(token_cache._tokens)
    assert "a-secret" not in repr(token_cache._tokens)


# Minting once


def test_many_threads_mint_one_token(simulator: Simulator, config: ApiConfig) -> None:
    """A login takes seconds; 20 tasks of one process need only one."""
    simulator.inject(Fault(path=LOGIN, latency_s=0.2, times=None))

    read = in_threads(lambda: Client(config).send(GET).id)

    assert ["orders"] * THREADS == read
    assert 1 == simulator.count("POST", LOGIN)


def test_many_coroutines_mint_one_token(simulator: Simulator, config: ApiConfig) -> None:
    """A thousand deferred tasks need one login."""
    simulator.inject(Fault(path=LOGIN, latency_s=0.2, times=None))

    read = asyncio.run(in_coroutines(config))

    assert ["orders"] * COROUTINES == [pipeline.id for pipeline in read]
    assert 1 == simulator.count("POST", LOGIN)


def test_both_drivers_share_the_tokens(simulator: Simulator, config: ApiConfig) -> None:
    """They belong to the process, not to a client."""
    Client(config).send(GET)
    asyncio.run(in_coroutines(config))

    assert 1 == simulator.tokens_minted


def test_two_connections_of_one_api_user_share_a_token(simulator: Simulator, config: ApiConfig) -> None:
    """A token depends on the credentials only, and not on the workspace."""
    Client(config).send(GET)
    Client(dataclasses.replace(config, account_id=None, origin="another connection")).send(GET)

    assert 1 == simulator.tokens_minted


def test_two_clients_of_one_api_user_that_log_in_at_once_mint_one_token(
    simulator: Simulator, config: ApiConfig
) -> None:
    """A triggerer may have several Airflow connections with the same credentials."""
    elsewhere = dataclasses.replace(config, account_id=99)

    async def use() -> None:
        await asyncio.gather(in_coroutines(config), in_coroutines(elsewhere))

    asyncio.run(use())

    assert 1 == simulator.tokens_minted


def test_many_threads_with_a_refused_token_mint_one_more(simulator: Simulator, config: ApiConfig) -> None:
    """They get the 401 before any has a new token; the first mints it for all."""
    Client(config).send(GET)
    simulator.expire_tokens()
    simulator.inject(Fault(path="/orders", latency_s=0.3, times=THREADS))

    read = in_threads(lambda: Client(config).send(GET).id)

    assert ["orders"] * THREADS == read
    assert 2 == simulator.count("POST", LOGIN)
    assert 1 + THREADS < simulator.count("GET", "/orders") <= 1 + 2 * THREADS


def test_many_coroutines_with_a_refused_token_mint_one_more(simulator: Simulator, config: ApiConfig) -> None:
    """The same as with threads."""
    Client(config).send(GET)
    simulator.expire_tokens()
    simulator.inject(Fault(path="/orders", latency_s=0.3, times=COROUTINES))

    asyncio.run(in_coroutines(config))

    assert 2 == simulator.count("POST", LOGIN)
    assert 1 + COROUTINES < simulator.count("GET", "/orders") <= 1 + 2 * COROUTINES


def test_a_failed_login_lets_the_next_one_try(simulator: Simulator, config: ApiConfig) -> None:
    """A caller that waits while a login fails must neither hang nor fail with it."""
    simulator.fail_next(503, path=LOGIN)

    read = in_threads(lambda: Client(config).send(GET).id)

    assert ["orders"] * THREADS == read
    assert 1 == simulator.tokens_minted


def test_a_refused_login_is_not_asked_again_at_once(simulator: Simulator, config: ApiConfig) -> None:
    """A thousand waiting tasks with revoked credentials could otherwise lock the API user."""
    wrong = dataclasses.replace(config, credentials=Credentials("an-id", "wrong", config.credentials.token_url))

    async def all_ask() -> list[Any]:
        client = AsyncClient(wrong)
        try:
            return await asyncio.gather(*(client.send(GET) for _ in range(COROUTINES)), return_exceptions=True)
        finally:
            await client.close()

    errors = asyncio.run(all_ask())

    assert {AuthenticationError} == {*map(type, errors)}
    assert 1 == len({*map(str, errors)})
    assert 1 == simulator.count("POST", LOGIN)


def test_logging_in_mints_only_if_there_is_no_token(simulator: Simulator, config: ApiConfig) -> None:
    """The connection test logs in and reads, with one login."""
    Client(config).log_in()
    Client(config).log_in()

    assert [LOGIN] == [request["path"] for request in simulator.requests]


# Before its first use


def test_a_token_is_announced_once_and_before_its_first_use(simulator: Simulator, config: ApiConfig) -> None:
    """Airflow masks it in logs from then on, so no request may be sent with it earlier."""
    announced: list[tuple[str, int]] = []

    client = Client(config, on_token=lambda token: announced.append((token, simulator.count("GET", "/orders"))))
    client.send(GET)
    client.send(GET)

    assert [(token_cache.kept(config.credentials), 0)] == announced


def test_a_token_is_awaited_before_its_first_use(simulator: Simulator, config: ApiConfig) -> None:
    """The same as with the blocking driver, although masking may take a while."""
    announced: list[tuple[str, int]] = []

    async def announce(token: str) -> None:
        await asyncio.sleep(0.05)
        announced.append((token, simulator.count("GET", "/orders")))

    asyncio.run(in_coroutines(config, on_token=announce))

    assert [(token_cache.kept(config.credentials), 0)] == announced


# Renewal


def test_a_token_is_renewed_ahead_of_its_end(
    start_simulator: Callable[..., Simulator],
    config_of: Callable[..., ApiConfig],
    send: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token that expires while the call is sent would get a 401."""
    monkeypatch.setattr(token_cache, "LEEWAY_SHARE", 0.95)
    simulator = start_simulator(token_lifetime_s=6)
    simulator.add_pipeline("orders")
    config = config_of(simulator)

    send(GET, config)
    time.sleep(0.35)
    send(GET, config)

    assert 2 == simulator.tokens_minted
    assert {200} == {request["status"] for request in simulator.requests}


# Forks


def in_a_child(answer: Callable[[], str]) -> str:
    """Answer in a forked process, which is killed if it takes too long; return its answer."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            os.write(writing, answer().encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    os.waitpid(child, 0)
    return text


def test_a_forked_child_starts_without_tokens(simulator: Simulator, config: ApiConfig) -> None:
    """Tasks run in forked processes, which must not share the tokens of their parent."""
    Client(config).send(GET)

    assert "None" == in_a_child(lambda: str(token_cache.kept(config.credentials)))
    assert None is not token_cache.kept(config.credentials)


def test_a_child_that_is_forked_during_a_login_can_log_in(simulator: Simulator, config: ApiConfig) -> None:
    """The lock of the login is held by a thread that does not exist in the child."""
    simulator.inject(Fault(path=LOGIN, latency_s=1.0))
    logging_in = threading.Thread(target=lambda: Client(config).log_in())
    logging_in.start()
    while not simulator.count("POST", LOGIN):
        time.sleep(0.01)

    read = in_a_child(lambda: Client(config).send(GET).id)
    logging_in.join()

    assert "orders" == read
    assert 2 == simulator.tokens_minted
