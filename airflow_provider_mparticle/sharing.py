"""
One asynchronous client per event loop and Airflow connection, shared by every trigger that waits there.

So a thousand deferred tasks read the Airflow connection once, log in once and share one pool of TCP connections.
The last to leave closes it. Nothing here outlives its event loop: the registry holds loops weakly.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson
from airflow.providers.common.compat.sdk import AirflowNotFoundException, mask_secret

from airflow_provider_mparticle.client.errors import AuthenticationError, ConfigError, NoAnswerError
from airflow_provider_mparticle.connection import api_config

if TYPE_CHECKING:
    from airflow_provider_mparticle.client.aio import AsyncClient
    from airflow_provider_mparticle.client.endpoints import Call

T = TypeVar("T")


class SharedClient:
    """
    Carries out calls for one Airflow connection; the connection is read at the first call.

    :param mparticle_conn_id: Id of the Airflow connection.
    """

    def __init__(self, mparticle_conn_id: str) -> None:
        self.mparticle_conn_id = mparticle_conn_id
        self.users = 0
        self._opening = asyncio.Lock()
        self._client: AsyncClient | None = None

    async def send(self, call: Call[T], *, retry: bool = True) -> T:
        """
        Carry out *call* and return its decoded answer.

        :raises MParticleError: The error whose class names the cause.
        """
        client = await self._opened()
        try:
            return await client.send(call, retry=retry)
        except AuthenticationError:
            # The Airflow connection may have been corrected meanwhile: whoever comes next reads it afresh.
            _forget(self)
            raise

    async def close(self) -> None:
        """Close the connections."""
        if self._client:
            await self._client.close()

    async def _opened(self) -> AsyncClient:
        async with self._opening:
            if self._client is None:
                self._client = await self._open()
            return self._client

    async def _open(self) -> AsyncClient:
        # Importing aiohttp takes longer than an event loop should stand still.
        aio = await asyncio.to_thread(_import_aio)
        try:
            conn = await get_async_connection(self.mparticle_conn_id)
            extra = await get_async_extra_dejson(conn)
        except AirflowNotFoundException as error:
            raise ConfigError(f"There is no Airflow connection {self.mparticle_conn_id!r}.") from error
        except Exception as error:  # a secrets backend may fail in any way, and may be back in a minute
            raise NoAnswerError(
                f"Airflow could not read its connection {self.mparticle_conn_id!r}: {type(error).__name__}."
            ) from error
        client: AsyncClient = aio.AsyncClient(api_config(conn, extra), on_token=_mask)
        return client


async def _mask(token: str) -> None:
    # In a thread: on some Airflow versions masking asks the supervisor and waits, which must not stop the loop.
    await asyncio.to_thread(mask_secret, token)


def _import_aio() -> Any:
    from airflow_provider_mparticle.client import aio

    return aio


_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedClient]] = WeakKeyDictionary()


@contextlib.asynccontextmanager
async def shared_client(mparticle_conn_id: str) -> AsyncIterator[SharedClient]:
    """Lend the client that this event loop shares for an Airflow connection."""
    clients = _clients.setdefault(asyncio.get_running_loop(), {})
    client = clients.setdefault(mparticle_conn_id, SharedClient(mparticle_conn_id))
    client.users += 1
    try:
        yield client
    finally:
        client.users -= 1
        if client.users == 0:
            _forget(client)
            await client.close()


def _forget(client: SharedClient) -> None:
    clients = _clients.get(asyncio.get_running_loop(), {})
    if clients.get(client.mparticle_conn_id) is client:
        del clients[client.mparticle_conn_id]
