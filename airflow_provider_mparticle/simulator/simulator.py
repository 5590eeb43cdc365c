"""The simulator as a test or a person holds it in the hand."""

from __future__ import annotations

import copy
import json
import threading
import time
from typing import TYPE_CHECKING, Any, Literal, Self

from airflow_provider_mparticle.simulator import control_routes
from airflow_provider_mparticle.simulator.faults import Fault, Faults
from airflow_provider_mparticle.simulator.platform_v1 import Platform, platform_routes
from airflow_provider_mparticle.simulator.request_log import Journal
from airflow_provider_mparticle.simulator.resources import Kind
from airflow_provider_mparticle.simulator.routes import Router, route_overrides, workspace_routes
from airflow_provider_mparticle.simulator.server import LoopbackServer
from airflow_provider_mparticle.simulator.service import TOKEN_PATH, Service
from airflow_provider_mparticle.simulator.tokens import Tokens
from airflow_provider_mparticle.simulator.warehouse import Warehouse
from airflow_provider_mparticle.simulator.workspace import Habits, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from airflow_provider_mparticle.simulator.http_messages import Answer, JsonObject, Request


class Simulator:
    """
    An mParticle on 127.0.0.1, started as a context manager or with :meth:`start`.

    Its state outlives :meth:`stop`, so a stop and a start are an outage.

    :param port: TCP port; 0 for any free one, which it then keeps.
    :param run_s: Seconds from a run's trigger to its end. It passes through triggered, queued and running.
    :param token_lifetime_s: Seconds a bearer token lives.
    :param layout: ``"v2"`` or ``"v1"``: the routes and run fields (see :data:`.routes.PATHS`, :mod:`.runs`).
    :param run_routes: False: the list of runs and the one-run route do not exist (404).
    :param trigger_answer: ``"id"``: the run's id and a status; ``"no_id"``: a status; ``"empty"``: no body.
    :param status_404_s: For so many seconds after its creation a pipeline's status answers 404.
    :param workspace_id: The only workspace there is.
    :param account_id: The only account there is.
    :param client_id: Accepted by the login.
    :param client_secret: Accepted by the login.
    :param warehouse_path: A sqlite file for the source tables, which another process can read meanwhile, and which
        is made if it is missing. None: they are in memory.
    :param from_is_inclusive: Whether an incremental pipeline's first run reads rows exactly at ``sync_mode.from``.
        Assumed; the documentation says "everything after".
    :param fault_seed: Of the draws for faults with a share: the same requests in the same order meet the same faults.
    """

    def __init__(
        self,
        port: int = 0,
        run_s: float = 1.0,
        token_lifetime_s: float = 28800,
        layout: Literal["v2", "v1"] = "v2",
        run_routes: bool = True,
        trigger_answer: Literal["id", "empty", "no_id"] = "id",
        status_404_s: float = 0.0,
        workspace_id: int = 1234,
        account_id: int = 5678,
        client_id: str = "simulator-client",
        client_secret: str = "simulator-secret",  # noqa: S107 - opens nothing but the simulator
        warehouse_path: str | Path | None = None,
        from_is_inclusive: bool = True,
        fault_seed: int = 0,
    ) -> None:
        habits = Habits(run_s, layout, run_routes, trigger_answer, status_404_s, from_is_inclusive)
        self.workspace_id = workspace_id
        self.account_id = account_id
        self._workspace = Workspace(workspace_id, habits, time.time, Warehouse(warehouse_path))
        self._tokens = Tokens(client_id, client_secret, token_lifetime_s, time.time)
        self._service = Service(self._tokens, self._build_router())
        self._control = control_routes.build_router(self)
        self._faults = Faults(fault_seed)
        self._journal = Journal()
        self._lock = threading.RLock()  # around all of the above; never held while waiting
        self._stopping = threading.Event()
        self._port = port
        self._server: LoopbackServer | None = None
        self._opened_before = 0

    def _build_router(self) -> Router:
        platform = Platform(self.account_id, self.workspace_id)
        return Router([*workspace_routes(self._workspace), *platform_routes(platform, self._workspace)])

    # Life

    def start(self) -> Self:
        """Serve, on the port of last time if there was one."""
        if self._server is None:
            self._stopping.clear()
            self._server = LoopbackServer(self._port, self._respond)
            self._port = self._server.server_port
            self._server.start()
        return self

    def stop(self) -> None:
        """Close every connection and free the port; the state stays."""
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

    # Where it is and how to log in

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
    def client_id(self) -> str:
        """The client id accepted now."""
        return self._tokens.client_id

    @property
    def client_secret(self) -> str:
        """The client secret accepted now."""
        return self._tokens.client_secret

    def airflow_connection(self) -> JsonObject:
        """The Airflow connection that leads here, as a dict."""
        extra: JsonObject = {
            "workspace_id": self.workspace_id,
            "account_id": self.account_id,
            "token_url": self.token_url,
        }
        if self._workspace.habits.layout == "v1":
            extra["routes"] = route_overrides("v1")
        return {
            "conn_type": "mparticle",
            "login": self.client_id,
            "password": self.client_secret,
            "host": self.url,
            "extra": extra,
        }

    def airflow_connection_json(self) -> str:
        """The Airflow connection as the value of ``AIRFLOW_CONN_MPARTICLE_DEFAULT``."""
        return json.dumps(self.airflow_connection())

    # What it holds

    def add_pipeline(self, pipeline_id: str, **fields: Any) -> JsonObject:
        """
        Put a pipeline into the workspace, with what it refers to: full, on demand unless *fields* say else.

        :raises Refusal: mParticle would refuse such a pipeline.
        """
        with self._lock:
            return self._workspace.add_pipeline(pipeline_id, **fields)

    def stored(self, kind: str, resource_id: str) -> JsonObject:
        """
        Return a resource as it is stored, secrets included, which no answer shows.

        :param kind: ``"connection"``, ``"data model"``, ``"field transformation"`` or ``"pipeline"``.
        :raises Refusal: There is no such resource.
        """
        with self._lock:
            return copy.deepcopy(self._workspace.resources.stored(Kind(kind), resource_id))

    def add_run(
        self,
        pipeline_id: str,
        state: str = "failed",
        type: str = "manual",  # noqa: A002 - the name of the field
        **fields: Any,
    ) -> JsonObject:
        """
        Put a run in that nobody triggered here.

        A run in the state success or failed ended long ago; any other is in progress since a minute ago.

        :param state: The word for its state.
        :param type: ``"manual"`` or ``"scheduled"``.
        :param fields: ``started_on``, ``ended_on``, ``logical_date``, ``range_start``, ``range_end`` (ISO
            text, datetime or Unix time), ``errors`` (sentences), ``successful_records``, ``failed_records``;
            for one in progress ``ends_in_s`` (None: never) and ``ends_as`` (``"success"``).
        """
        with self._lock:
            return self._workspace.add_run(pipeline_id, state, type, **fields)

    def script_next_run(
        self,
        pipeline_id: str,
        states: Iterable[Iterable[Any]] | None = None,
        errors: Iterable[Any] = (),
        successful_records: int | None = None,
        failed_records: int | None = None,
        answer_404: bool = False,
        vanish_after_s: float | None = None,
    ) -> None:
        """
        Say how the next triggered run behaves; calling it again speaks of the run after that one.

        :param states: Words and seconds, ``[("triggered", 0.1), ("SUCCESS", None)]``; the last word stays,
            whatever its seconds. Default: as usual, ending in failed if there are *errors*.
        :param errors: Sentences shown once the run has ended.
        :param successful_records: Default: for a success the rows it read, 1000 if its SQL names no source table;
            0 for a failure. It changes what is shown, not what :meth:`ingested` counts.
        :param failed_records: Default: 0.
        :param answer_404: The one-run route does not know the run; list and status do.
        :param vanish_after_s: So many seconds after its trigger no route knows the run any more.
        """
        with self._lock:
            self._workspace.script_next_run(
                pipeline_id,
                states,
                errors=errors,
                successful_records=successful_records,
                failed_records=failed_records,
                answer_404=answer_404,
                vanish_after_s=vanish_after_s,
            )

    def end_runs(self, state: Literal["success", "failed"] = "success") -> int:
        """
        End every run in progress now, however long it would have taken, and return how many those were.

        So a test can hold runs (``run_s`` or a script without an end) until it has seen what it waits for.
        """
        with self._lock:
            return self._workspace.end_runs(state)

    def starts(self, pipeline_id: str) -> int:
        """How many runs of this pipeline were started through the trigger route."""
        with self._lock:
            return self._workspace.starts(pipeline_id)

    def runs(self, pipeline_id: str) -> list[JsonObject]:
        """Every run of the pipeline as of now, v2 names, in the order of its making; hidden ones too."""
        with self._lock:
            return self._workspace.runs(pipeline_id)

    # Its warehouse

    def add_source(self, table: str, rows: Iterable[Mapping[str, Any]], key: str = "id") -> None:
        """
        Add rows to a source table of the warehouse, for the runs that read from now on.

        Runs whose SQL names a source table really read it; other SQL is not carried out.

        :param table: The name by which SQL knows it, ``"shop.public.orders"``. ``"main.orders"`` is sqlite's own
            table ``orders``, for a process that opens the file.
        :param rows: Columns and values. The first row of the first call gives the table its columns. Datetimes
            become texts in UTC, ``2025-03-01 12:00:00+00:00``.
        :param key: The column that identifies a row, among the rows of all sources. The first call decides.
        :raises Refusal: sqlite refuses the table, a row or a value; then nothing was added.
        """
        with self._lock:
            self._workspace.add_source(table, rows, key)

    def ingested(self, pipeline_id: str | None = None) -> dict[Any, int]:
        """
        Count how often each row of the sources was ingested by runs that have ended well as of now.

        :param pipeline_id: Runs of this pipeline only. Default: of all.
        :return: The number of times by the row's key; 0 for a row that no run ingested.
        :raises Refusal: There is no such pipeline, and there never was a run of it.
        """
        with self._lock:
            return self._workspace.ingested(pipeline_id)

    # What goes wrong

    def inject(self, fault: Fault) -> None:
        """Add a fault."""
        with self._lock:
            self._faults.add(fault)

    def fail_next(
        self,
        status: int,
        path: str = "",
        times: int | None = 1,
        headers: dict[str, str] | None = None,
        body: Any = None,
    ) -> None:
        """Answer the next request(s) whose path contains *path* with *status*, without doing the work."""
        self.inject(Fault(status=status, path=path, times=times, headers=headers or {}, body=body))

    def clear_faults(self) -> None:
        """Remove every fault."""
        with self._lock:
            self._faults.clear()

    def expire_tokens(self) -> None:
        """Refuse every token minted so far with 401."""
        with self._lock:
            self._tokens.expire_all()

    def rotate_credentials(self, client_id: str | None = None, client_secret: str = "other") -> None:  # noqa: S107
        """Replace the credentials: the old ones and their tokens are refused for ever."""
        with self._lock:
            self._tokens.rotate(client_id, client_secret)

    # What happened

    @property
    def requests(self) -> list[JsonObject]:
        """
        The requests received, oldest first, without secrets.

        *status* is None while or if unanswered; *fault* tells whether a fault acted.
        """
        with self._lock:
            return self._journal.entries()

    def count(self, method: str | None, path: str) -> int:
        """How many requests had this method (None: any) and this text in their path."""
        with self._lock:
            return self._journal.count(method, path)

    @property
    def tokens_minted(self) -> int:
        """How many tokens the login handed out."""
        return len(self._tokens.minted)

    @property
    def token_values(self) -> list[str]:
        """Every token that the login handed out, so that a test can look for them where none may be."""
        return list(self._tokens.minted)

    @property
    def connections_opened(self) -> int:
        """How many TCP connections were accepted."""
        return self._opened_before + (self._server.opened if self._server else 0)

    def overview(self) -> JsonObject:
        """All of it, for a person."""
        with self._lock:
            pipelines = self._workspace.overview()
            return {
                "url": self.url,
                "workspace_id": self.workspace_id,
                "account_id": self.account_id,
                "pipelines": pipelines,
                "requests": self._journal.by_route(),
                "tokens_minted": self.tokens_minted,
                "connections_opened": self.connections_opened,
                "faults": self._faults.overview(),
            }

    # One request

    def _respond(self, request: Request) -> Answer | None:
        if control_routes.concerns(request):
            return control_routes.answer(self._control, request)
        with self._lock:
            entry = self._journal.add(request, time.time())
            fault = self._faults.take(request)
            entry["fault"] = fault is not None
        answer = fault.act(request, self._work) if fault else self._work(request)
        if fault and fault.latency_s and self._stopping.wait(fault.latency_s):
            return None  # stopped meanwhile: an API that is down answers nobody
        entry["status"] = answer.status if answer else None
        return answer

    def _work(self, request: Request) -> Answer:
        with self._lock:
            self._workspace.settle()
            return self._service.answer(request)
