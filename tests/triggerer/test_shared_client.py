"""All triggers of one event loop and Airflow connection share one client, which the last of them closes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client import endpoints, resource_kinds, token_cache
from airflow_provider_mparticle.client.errors import (
    AuthenticationError,
    ConfigError,
    NoAnswerError,
    NotFoundError,
)
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.triggerer import shared_client


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the Airflow connections that were looked up."""
    seen: list[str] = []
    really_look_up = shared_client.get_async_connection

    async def look_up(conn_id: str) -> Any:
        seen.append(conn_id)
        return await really_look_up(conn_id)

    monkeypatch.setattr(shared_client, "get_async_connection", look_up)
    return seen


def test_fifty_users_share_one_login_and_one_lookup(simulator: Simulator, lookups: list[str]) -> None:
    """A thousand deferred tasks in one triggerer must not cause a thousand logins."""

    async def use() -> str:
        async with MParticleHook().async_client() as client:
            pipeline = await client.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))
            await asyncio.sleep(0.1)
            await client.send(endpoints.get_pipeline_status("orders"))
            return pipeline.id

    async def use_all() -> list[str]:
        return await asyncio.gather(*(use() for _ in range(50)))

    used = asyncio.run(use_all())

    assert ["orders"] * 50 == used
    assert ["mparticle_default"] == lookups
    assert 1 == simulator.tokens_minted
    assert 100 == simulator.count("GET", "/data-pipelines/orders")
    assert simulator.connections_opened <= 51


def test_users_that_come_one_after_the_other_share_one_tcp_connection(simulator: Simulator) -> None:
    """Polls happen at different times, and each TLS handshake costs both sides."""

    async def use_one_by_one() -> None:
        async with MParticleHook().async_client():
            for _ in range(20):
                async with MParticleHook().async_client() as client:
                    await client.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))

    asyncio.run(use_one_by_one())

    assert 20 == simulator.count("GET", "/data-pipelines/orders")
    assert 1 == simulator.connections_opened


def test_the_last_user_closes_the_client(simulator: Simulator, lookups: list[str]) -> None:
    """A triggerer without waits keeps no TCP connection open. A later user reads the Airflow connection again."""

    async def use_twice() -> tuple[bool, bool]:
        hook = MParticleHook()
        async with hook.async_client() as first, hook.async_client() as second:
            await first.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))
            shared = first is second
        async with hook.async_client() as third:
            await third.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))
        with pytest.raises(RuntimeError, match="closed"):
            await first.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))
        return shared, third is first

    shared, reused = asyncio.run(use_twice())

    assert shared
    assert not reused
    assert ["mparticle_default"] * 2 == lookups
    assert 1 == simulator.tokens_minted


def test_the_client_is_closed_when_its_last_user_fails(simulator: Simulator) -> None:
    """A cancelled trigger must not leave TCP connections open."""

    async def fail() -> Any:
        async with MParticleHook().async_client() as client:
            await client.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))
            raise KeyError("the trigger's own mistake")

    async def fail_and_look() -> int:
        with pytest.raises(KeyError):
            await fail()
        return sum(map(len, shared_client._clients.values()))

    left = asyncio.run(fail_and_look())

    assert 0 == left


def test_a_token_is_masked_through_the_triggerers_own_event_loop(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Airflow 3.0 and 3.1 masking waits for the supervisor, and the connection to it belongs to that event loop."""
    loops: list[asyncio.AbstractEventLoop] = []

    async def tell_the_supervisor() -> None:
        loops.append(asyncio.get_running_loop())

    monkeypatch.setattr(shared_client, "mask_secret", lambda _: async_to_sync(tell_the_supervisor)())

    async def use() -> asyncio.AbstractEventLoop:
        async with MParticleHook().async_client() as client:
            await client.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))
        return asyncio.get_running_loop()

    assert [asyncio.run(use())] == loops


def test_users_in_different_event_loops_share_no_client(simulator: Simulator) -> None:
    """A TCP connection belongs to the event loop that opened it."""

    async def use() -> Any:
        async with MParticleHook().async_client() as client:
            await client.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))
            return client

    first, second = asyncio.run(use()), asyncio.run(use())

    assert first is not second
    assert 1 == simulator.tokens_minted


def test_users_of_different_connections_share_no_client(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Airflow connections may be for different workspaces."""
    elsewhere = simulator.airflow_connection()
    elsewhere["extra"]["workspace_id"] = 99
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", json.dumps(elsewhere))

    async def use_both() -> None:
        here, there = MParticleHook().async_client(), MParticleHook("elsewhere").async_client()
        async with here as known, there as unknown:
            await known.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))
            await unknown.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))

    with pytest.raises(NotFoundError):
        asyncio.run(use_both())

    assert ["1234", "99"] == [seen["path"].split("/")[4] for seen in simulator.requests if seen["method"] == "GET"]


def test_a_failed_lookup_is_tried_again(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """If Airflow does not answer for a minute, the waiting tasks must not fail."""
    really_look_up = shared_client.get_async_connection
    failures = [ConnectionError("Airflow's API server is away")]

    async def look_up(conn_id: str) -> Any:
        if failures:
            raise failures.pop()
        return await really_look_up(conn_id)

    async def use() -> tuple[NoAnswerError, str]:
        async with MParticleHook().async_client() as client:
            with pytest.raises(NoAnswerError, match="'mparticle_default'") as failed:
                await client.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))
            return failed.value, (await client.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))).id

    monkeypatch.setattr(shared_client, "get_async_connection", look_up)

    error, found = asyncio.run(use())

    assert error.is_transient
    assert not error.may_have_executed
    assert "orders" == found


def test_a_connection_that_was_missing_is_looked_up_again(
    airflow_db: None, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the user creates the connection, the next try of the task finds it."""
    fields = simulator.airflow_connection_json()
    monkeypatch.delenv("AIRFLOW_CONN_MPARTICLE_DEFAULT")

    async def use() -> str:
        async with MParticleHook().async_client() as client:
            with pytest.raises(ConfigError):
                await client.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))
            monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", fields)
            return (await client.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))).id

    found = asyncio.run(use())

    assert "orders" == found


def test_a_corrected_connection_is_read_after_a_refused_login(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, lookups: list[str]
) -> None:
    """A retry uses the corrected password, although other triggers still use the old client."""

    async def use() -> str:
        async with MParticleHook().async_client() as client:
            simulator.rotate_credentials(client_secret="new-secret")
            with pytest.raises(AuthenticationError):
                await client.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))
            monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", simulator.airflow_connection_json())
            async with MParticleHook().async_client() as corrected:
                return (await corrected.send(endpoints.get_resource(resource_kinds.PIPELINE, "orders"))).id

    found = asyncio.run(use())

    assert "orders" == found
    assert ["mparticle_default"] * 3 == lookups  # the refused client looks once more for new credentials


EVENTS = ["rotate the secret", "correct the connection", "move the connection to another workspace", "send"]


@settings(max_examples=10, phases=[Phase.generate])  # a failure need not be shrunk
@given(st.lists(st.sampled_from(EVENTS), max_size=8))
def test_calls_go_on_with_new_credentials_of_the_connection(events: list[str]) -> None:
    """A secret is rotated while tasks wait. Only credentials may change: a wait knows the runs of one workspace."""
    pipeline = endpoints.get_resource(resource_kinds.PIPELINE, "orders")
    with Simulator() as simulator, pytest.MonkeyPatch.context() as patch:
        simulator.add_pipeline("orders")
        patch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", simulator.airflow_connection_json())

        async def use() -> None:
            used = offered = simulator.client_secret
            async with MParticleHook().async_client() as client:
                hook = MParticleHook()
                hook.send(pipeline)
                await client.send(pipeline)
                for number, event in enumerate([*events, "send"]):
                    fields = simulator.airflow_connection()
                    if event == "rotate the secret":
                        simulator.rotate_credentials(client_secret=f"secret-{number}")
                    elif event == "correct the connection":
                        offered = simulator.client_secret
                        patch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps(fields))
                    elif event != "send":
                        offered = "of another workspace"
                        fields["extra"]["workspace_id"] = 99
                        patch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps(fields))
                    else:
                        token_cache.forget()
                        calls = (*(client.send(pipeline) for _ in range(20)), asyncio.to_thread(hook.send, pipeline))
                        answers = await asyncio.gather(*calls, return_exceptions=True)
                        is_right = simulator.client_secret in (used, offered)
                        used = simulator.client_secret if is_right else used
                        expected = "Pipeline" if is_right else "AuthenticationError"
                        assert {expected} == {type(answer).__name__ for answer in answers}

        asyncio.run(use())
