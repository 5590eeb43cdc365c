"""
Shares one asynchronous client per event loop and Airflow connection between all triggers that wait there.

So a thousand deferred tasks read the Airflow connection once, log in once, and share one pool of TCP connections. The
last trigger that leaves closes the client. The registries refer to event loops weakly, so that nothing outlives them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from airflow.providers.common.compat.connection import get_async_connection
from airflow.providers.common.compat.sdk import AirflowNotFoundException
from asgiref.sync import sync_to_async

from airflow_provider_mparticle.client.aio import AsyncClient
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import AuthenticationError, NoAnswerError
from airflow_provider_mparticle.client.single_flight import SingleFlight
from airflow_provider_mparticle.connection.masking import mask_secret
from airflow_provider_mparticle.connection.reader import api_config, missing_connection
from airflow_provider_mparticle.runs.poll_timing import RunDurations
from airflow_provider_mparticle.telemetry.metrics import IN_TRIGGERER
from airflow_provider_mparticle.triggerer.shared_polling import Polling

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

# The first wait needs the following, which would block the event loop. This file is imported in a thread.
IN_TRIGGERER.load()
with contextlib.suppress(ImportError):  # Airflow 2 does not have these modules
    import airflow.sdk.definitions.connection
    import airflow.sdk.execution_time.cache
    import airflow.sdk.execution_time.supervisor  # noqa: F401 - a lookup of a connection imports them

T = TypeVar("T")


class SharedClient:
    """
    Sends calls and polls for one Airflow connection, which is read at the first call, and again if it is refused.

    :param mparticle_conn_id: Id of the Airflow connection.
    :param durations: How long the last runs of each pipeline took, as far as that is known; it is added to.
    """

    def __init__(self, mparticle_conn_id: str, durations: dict[str, RunDurations]) -> None:
        self.mparticle_conn_id = mparticle_conn_id
        self.users = 0
        self.polling = Polling(self.poll, self._slowdown, durations)
        self._opening = SingleFlight()
        self._client: AsyncClient | None = None
        self._former: list[AsyncClient] = []  # with former credentials; calls may still use them

    async def send(self, call: Call[T], *, retry: bool = True) -> T:
        """
        Send *call* and return its decoded answer.

        :param retry: Whether to send it again after a transient error, if that is safe.
        :raises MParticleError: The error whose class names the cause.
        """
        if (client := self._client) is None:
            client = await self._opening.do(self.mparticle_conn_id, self._open)
        try:
            return await client.send(call, retry=retry)
        except AuthenticationError as error:
            refused = error
        # The Airflow connection may have new credentials by now.
        current = self._client
        if current is client:
            current = await self._opening.do(self.mparticle_conn_id, self._open)
        if current is client or current is None:
            _forget(self)  # the next trigger reads the Airflow connection again
            raise refused
        return await current.send(call, retry=retry)

    async def poll(self, call: Call[T]) -> T:
        """Send a call that polls runs, without retries, and count it in the metrics."""
        with IN_TRIGGERER.poll(call):
            return await self.send(call, retry=False)

    async def close(self) -> None:
        """Close the connections."""
        self._opening.cancel(self.mparticle_conn_id)
        for client in (*self._former, self._client):
            if client:
                await client.close()

    def _slowdown(self) -> float:
        return self._client.rate_limit.slowdown if self._client else 1.0

    async def _open(self) -> AsyncClient:
        """Read the Airflow connection. Keep the client of an earlier read unless the credentials are new."""
        try:
            conn = await get_async_connection(self.mparticle_conn_id)
            extra = await _extra_of(conn)
        except AirflowNotFoundException as error:
            raise missing_connection(self.mparticle_conn_id) from error
        except Exception as error:  # broad, since a secrets backend may raise anything; it may work again in a minute
            raise NoAnswerError(
                f"Airflow could not read its connection {self.mparticle_conn_id!r}: {type(error).__name__}."
            ) from error
        config = api_config(conn, extra)
        if self._client and not config.has_new_credentials(self._client.config):
            return self._client
        if self._client:
            self._former.append(self._client)
        self._client = AsyncClient(config, on_token=_mask, on_retry=IN_TRIGGERER.retried)
        return self._client


async def _extra_of(conn: Connection) -> Mapping[str, Any]:
    # common-compat has a function for this since 1.21, but Airflow's constraints pin older versions.
    if hasattr(conn, "aextra_dejson"):  # Airflow 3.3.2 and later
        return await conn.aextra_dejson()
    return await sync_to_async(lambda: conn.extra_dejson)()  # in a thread, since it may wait for the supervisor


async def _mask(token: str) -> None:
    # In a thread, since it waits for the supervisor. Airflow 3.0 and 3.1 use the connection to it in the event loop
    # of the triggerer only, and find that loop from a thread of sync_to_async, but not from one of asyncio.to_thread.
    await sync_to_async(mask_secret)(token)


_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, SharedClient]] = WeakKeyDictionary()
_durations: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, dict[str, RunDurations]]] = WeakKeyDictionary()


@contextlib.asynccontextmanager
async def shared_client(mparticle_conn_id: str) -> AsyncIterator[SharedClient]:
    """Lend the client that this event loop shares for an Airflow connection, and close it after its last user."""
    loop = asyncio.get_running_loop()
    clients = _clients.setdefault(loop, {})
    if (client := clients.get(mparticle_conn_id)) is None:
        durations = _durations.setdefault(loop, {}).setdefault(mparticle_conn_id, {})
        client = clients[mparticle_conn_id] = SharedClient(mparticle_conn_id, durations)
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
