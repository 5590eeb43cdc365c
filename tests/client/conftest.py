"""One way to send a call, over both drivers, and the configuration that leads to the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import tenacity

from airflow_provider_mparticle.client import retrying
from airflow_provider_mparticle.client.aio import AsyncClient
from airflow_provider_mparticle.client.config import ApiConfig, Credentials
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.routes import route_table
from airflow_provider_mparticle.client.sync import Client
from airflow_provider_mparticle.simulator import Simulator


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the client's own pauses between attempts; the pauses that mParticle asks for remain."""
    monkeypatch.setattr(retrying, "_jitter_s", tenacity.wait_fixed(0.01))


@pytest.fixture
def config_of() -> Callable[..., ApiConfig]:
    """Make the configuration that leads to a simulator, with other fields if the test needs them."""

    def make(simulator: Simulator, **fields: Any) -> ApiConfig:
        conn = simulator.airflow_connection()
        extra = conn["extra"]
        defaults: dict[str, Any] = {
            "credentials": Credentials(conn["login"], conn["password"], extra["token_url"]),
            "workspace_id": extra["workspace_id"],
            "account_id": extra["account_id"],
            "base_url": conn["host"],
            "timeout_s": 60.0,
            "routes": route_table(extra.get("routes", {})),
            "origin": "the test",
        }
        return ApiConfig(**{**defaults, **fields})

    return make


@pytest.fixture
def config(simulator: Simulator, config_of: Callable[..., ApiConfig]) -> ApiConfig:
    """The configuration that leads to the simulator with the pipeline ``orders``."""
    return config_of(simulator)


@pytest.fixture(params=["sync", "aio"])
def send(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Send a call with one of the two drivers, to the simulator of the test unless another *config* is given."""

    def send_with(call: Call[Any], config: ApiConfig | None = None, *, retry: bool = True) -> Any:
        there = config or request.getfixturevalue("config")
        if request.param == "sync":
            return _blocking(call, there, retry)
        return asyncio.run(_asynchronous(call, there, retry))

    return send_with


def _blocking(call: Call[Any], config: ApiConfig, retry: bool) -> Any:
    client = Client(config)
    try:
        return client.send(call, retry=retry)
    finally:
        client.close()


async def _asynchronous(call: Call[Any], config: ApiConfig, retry: bool) -> Any:
    client = AsyncClient(config)
    try:
        return await client.send(call, retry=retry)
    finally:
        await client.close()
