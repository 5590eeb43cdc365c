"""Ways to send a call to a hostile server, over either driver."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.client.aio import AsyncClient
from airflow_provider_mparticle.client.config import ApiConfig, Credentials
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.messages import Token
from airflow_provider_mparticle.client.sync import Client

Send = Callable[[Call[Any], ApiConfig], Any]

_numbers = itertools.count()


def config_for(url: str, timeout_s: float = 20.0, *, is_logged_in: bool = True) -> ApiConfig:
    """Return a configuration for *url*, with credentials that no other test has."""
    credentials = Credentials(f"client-{next(_numbers)}", "s3cret-of-the-client", f"{url}/oauth/token")
    if is_logged_in:
        token_cache.keep(credentials, Token("t0ken-of-the-test", 3600.0))
    return ApiConfig(credentials, 1234, 5678, url, timeout_s, origin="the test")


def send_blocking(call: Call[Any], config: ApiConfig) -> Any:
    """Send with requests."""
    client = Client(config)
    try:
        return client.send(call, retry=False)
    finally:
        client.close()


def send_asynchronously(call: Call[Any], config: ApiConfig) -> Any:
    """Send with aiohttp."""

    async def main() -> Any:
        client = AsyncClient(config)
        try:
            return await client.send(call, retry=False)
        finally:
            await client.close()

    return asyncio.run(main())


DRIVERS: dict[str, Send] = {"sync": send_blocking, "aio": send_asynchronously}
