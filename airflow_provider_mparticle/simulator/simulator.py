"""Starts a simulated mParticle with an address on this machine, for tests and users."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

from airflow_provider_mparticle.simulator import control_routes
from airflow_provider_mparticle.simulator.mparticle import MParticle
from airflow_provider_mparticle.simulator.server import LoopbackServer
from airflow_provider_mparticle.simulator.service import TOKEN_PATH
from airflow_provider_mparticle.simulator.workspace_routes import route_overrides

if TYPE_CHECKING:
    from airflow_provider_mparticle.simulator.http_messages import Answer, JsonObject, Request


class Simulator(MParticle):
    """
    An mParticle on 127.0.0.1, started as a context manager or with :meth:`start`.

    Its state is kept after :meth:`stop`, so a stop and a later start simulate an outage.

    :param port: TCP port; 0 for any free port, which is used again after a stop.
    :param options: The parameters of :class:`.mparticle.MParticle` and the fields of :class:`.habits.Habits`.
    """

    def __init__(self, port: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self._control = control_routes.build_router(self)
        self._port = port
        self._server: LoopbackServer | None = None
        self._opened_before = 0

    def start(self) -> Self:
        """Serve. After a stop, use the same port again."""
        if self._server is None:
            self._stopping.clear()
            self._server = LoopbackServer(self._port, self._respond, self.now)
            self._port = self._server.server_port
            self._server.start()
        return self

    def stop(self) -> None:
        """Close every connection and release the port. The state is kept."""
        if self._server is not None:
            self._stopping.set()
            self._server.stop()
            self._opened_before += self._server.opened
            self._server = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    @property
    def url(self) -> str:
        """The API's base URL."""
        if not self._port:
            raise RuntimeError("The simulator has no URL before its first start.")
        return f"http://127.0.0.1:{self._port}"

    @property
    def token_url(self) -> str:
        """The URL of the login."""
        return self.url + TOKEN_PATH

    @property
    def connections_opened(self) -> int:
        """The number of accepted TCP connections."""
        return self._opened_before + (self._server.opened if self._server else 0)

    def airflow_connection(self) -> JsonObject:
        """Return the Airflow connection to this simulator as a dict."""
        extra: JsonObject = {
            "workspace_id": self.workspace_id,
            "account_id": self.account_id,
            "token_url": self.token_url,
        }
        if self.habits.layout == "v1":
            extra["routes"] = route_overrides("v1")
        return {
            "conn_type": "mparticle",
            "login": self.client_id,
            "password": self.client_secret,
            "host": self.url,
            "extra": extra,
        }

    def airflow_connection_json(self) -> str:
        """Return the Airflow connection as the value of ``AIRFLOW_CONN_MPARTICLE_DEFAULT``."""
        return json.dumps(self.airflow_connection())

    def overview(self) -> JsonObject:
        """Return the address and a summary of the state."""
        return {"url": self.url, "connections_opened": self.connections_opened, **super().overview()}

    def _respond(self, request: Request) -> Answer | None:
        if control_routes.concerns(request):
            return control_routes.answer(self._control, request)
        return self.answer(request)
