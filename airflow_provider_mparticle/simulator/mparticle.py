"""
Simulates mParticle: keeps its state, the lock around the state, and the injected faults.

It must not know sockets: :mod:`.simulator` serves it.
"""

from __future__ import annotations

import copy
import threading
import time
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_mparticle.simulator.faults import Fault, Faults
from airflow_provider_mparticle.simulator.habits import Habits
from airflow_provider_mparticle.simulator.platform_v1 import Platform, platform_routes
from airflow_provider_mparticle.simulator.request_log import RequestLog
from airflow_provider_mparticle.simulator.resources import Kind
from airflow_provider_mparticle.simulator.router import Router
from airflow_provider_mparticle.simulator.service import Service
from airflow_provider_mparticle.simulator.tokens import Tokens
from airflow_provider_mparticle.simulator.warehouse import Warehouse
from airflow_provider_mparticle.simulator.workspace import Workspace
from airflow_provider_mparticle.simulator.workspace_routes import workspace_routes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from airflow_provider_mparticle.simulator.http_messages import Answer, JsonObject, Request


class MParticle:
    """
    One account with one workspace. Safe to use from several threads.

    :param token_lifetime_s: Lifetime of a bearer token in seconds.
    :param workspace_id: Id of the only workspace.
    :param account_id: Id of the only account.
    :param client_id: The login accepts this client id.
    :param client_secret: The login accepts this client secret.
    :param warehouse_path: An SQLite file for the source tables, which another process can read at the same time. It is
        created if it does not exist. None: the tables are in memory.
    :param fault_seed: Seed of the draws for faults with a share: the same requests in the same order get the same
        faults.
    :param habits: The fields of :class:`.habits.Habits`.
    """

    def __init__(
        self,
        *,
        token_lifetime_s: float = 28800,
        workspace_id: int = 1234,
        account_id: int = 5678,
        client_id: str = "simulator-client",
        client_secret: str = "simulator-secret",  # noqa: S107 - opens nothing but the simulator
        warehouse_path: str | Path | None = None,
        fault_seed: int = 0,
        **habits: Any,
    ) -> None:
        self.workspace_id = workspace_id
        self.account_id = account_id
        self.habits = Habits(**habits)
        self._ahead_s = 0.0
        self._workspace = Workspace(workspace_id, self.habits, self.now, Warehouse(warehouse_path))
        self._tokens = Tokens(client_id, client_secret, token_lifetime_s, self.now)
        self._service = Service(self._tokens, self._build_router())
        self._faults = Faults(fault_seed)
        self._log = RequestLog()
        self._lock = threading.RLock()  # around all of the above; never held while waiting
        self._stopping = threading.Event()  # ends the waits of delayed answers

    def _build_router(self) -> Router:
        platform = Platform(self.account_id, self.workspace_id)
        return Router([*workspace_routes(self._workspace), *platform_routes(platform, self._workspace)])

    # Its clock

    def now(self) -> float:
        """Return the time of mParticle's clock as a Unix time. Runs, tokens and the ``Date`` header use it."""
        return time.time() + self._ahead_s

    def advance(self, seconds: float) -> None:
        """
        Move mParticle's clock forward, so that runs end and tokens expire without waiting.

        :param seconds: Number of seconds. A negative number moves the clock back.
        """
        with self._lock:
            self._workspace.settle()
            self._ahead_s += seconds

    # How to log in

    @property
    def client_id(self) -> str:
        """The client id accepted now."""
        return self._tokens.client_id

    @property
    def client_secret(self) -> str:
        """The client secret accepted now."""
        return self._tokens.client_secret

    # Its resources and runs

    def add_pipeline(self, pipeline_id: str, **fields: Any) -> JsonObject:
        """
        Add a pipeline with all resources that it refers to. Without *fields* it is full and on demand.

        :raises Refusal: mParticle would refuse this pipeline.
        """
        with self._lock:
            return self._workspace.add_pipeline(pipeline_id, **fields)

    def stored(self, kind: str, resource_id: str) -> JsonObject:
        """
        Return a resource as it is stored, with its secrets, which no answer shows.

        :param kind: ``"connection"``, ``"data model"``, ``"field transformation"`` or ``"pipeline"``.
        :raises Refusal: The workspace does not have this resource.
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
        Add a run that the trigger route did not start.

        In the state success or failed it ended a long time ago. In any other it has been in progress for a minute.

        :param state: Its state.
        :param type: ``"manual"`` or ``"scheduled"``.
        :param fields: ``started_on``, ``ended_on``, ``logical_date``, ``range_start``, ``range_end`` (ISO
            text, datetime or Unix time), ``errors`` (sentences), ``successful_records``, ``failed_records``;
            for a run in progress ``ends_in_s`` (None: never) and ``ends_as`` (``"success"``).
        """
        with self._lock:
            return self._workspace.add_run(pipeline_id, state, type, **fields)

    def script_next_run(
        self,
        pipeline_id: str,
        states: Iterable[Iterable[Any]] | None = None,
        errors: Iterable[Any] = (),
        **behaviour: Any,
    ) -> None:
        """
        Set how the next triggered run behaves. A second call is for the run after that.

        :param states: States and seconds, for example ``[("triggered", 0.1), ("SUCCESS", None)]``. The last state
            remains. Default: the usual states; the last is failed if *errors* are given.
        :param errors: Sentences that are shown after the end of the run.
        :param behaviour: The other fields of :class:`.runs.Script`, for example ``failed_records=3``.
        """
        with self._lock:
            self._workspace.script_next_run(pipeline_id, states, errors=errors, **behaviour)

    def end_runs(self, state: Literal["success", "failed"] = "success") -> int:
        """
        End every run in progress now, and return their number.

        So a test can keep runs in progress (with a long ``run_s`` or a script without an end) as long as it needs.
        """
        with self._lock:
            return self._workspace.end_runs(state)

    def starts(self, pipeline_id: str) -> int:
        """Return how many runs of this pipeline the trigger route has started."""
        with self._lock:
            return self._workspace.starts(pipeline_id)

    def runs(self, pipeline_id: str) -> list[JsonObject]:
        """Return every run of the pipeline, with v2 names, in the order of creation, including hidden runs."""
        with self._lock:
            return self._workspace.runs(pipeline_id)

    # Its warehouse

    def add_source(self, table: str, rows: Iterable[Mapping[str, Any]], key: str = "id") -> None:
        """
        Add rows to a source table of the warehouse. Runs that read later see them.

        A run reads a source table if its SQL names the table. Other SQL is not executed.

        :param table: The name of the table in SQL, for example ``"shop.public.orders"``. ``"main.orders"`` is
            SQLite's own table ``orders``, for a process that opens the file.
        :param rows: Columns and values. The first row of the first call defines the columns of the table. Datetimes
            become texts in UTC, ``2025-03-01 12:00:00+00:00``.
        :param key: The column that identifies a row among the rows of all sources. The first call decides.
        :raises Refusal: SQLite refuses the table, a row or a value. Nothing was added.
        """
        with self._lock:
            self._workspace.add_source(table, rows, key)

    def ingested(self, pipeline_id: str | None = None) -> dict[Any, int]:
        """
        Count how often each row of the sources was ingested by successful runs.

        :param pipeline_id: Count only the runs of this pipeline. Default: all pipelines.
        :return: The count by the key of the row; 0 for a row that no run ingested.
        :raises Refusal: The workspace does not have this pipeline, and never had a run of it.
        """
        with self._lock:
            return self._workspace.ingested(pipeline_id)

    # Faults

    def inject(self, fault: Fault) -> None:
        """Add a fault."""
        with self._lock:
            self._faults.add(fault)

    def fail_next(self, status: int, path: str = "", times: int | None = 1, **effects: Any) -> None:
        """
        Answer the next requests whose path contains *path* with *status*, without doing the work.

        :param effects: The other fields of :class:`.faults.Fault`, for example ``headers``.
        """
        self.inject(Fault(status=status, path=path, times=times, **effects))

    def clear_faults(self) -> None:
        """Remove every fault."""
        with self._lock:
            self._faults.clear()

    def expire_tokens(self) -> None:
        """Refuse every token that was issued so far with 401."""
        with self._lock:
            self._tokens.expire_all()

    def rotate_credentials(
        self,
        client_id: str | None = None,
        client_secret: str = "other",  # noqa: S107 - as above
    ) -> None:
        """Replace the credentials. The old credentials and their tokens are refused from now on."""
        with self._lock:
            self._tokens.rotate(client_id, client_secret)

    # What happened

    @property
    def requests(self) -> list[JsonObject]:
        """
        The received requests, oldest first, without secrets.

        *status* is None if the request was not answered, or not yet. *fault* says whether a fault acted.
        """
        with self._lock:
            return self._log.entries()

    def count(self, method: str | None, path: str) -> int:
        """Return how many requests had this method (None: any) and this text in their path."""
        with self._lock:
            return self._log.count(method, path)

    @property
    def tokens_minted(self) -> int:
        """The number of tokens that the login has issued."""
        return len(self._tokens.minted)

    @property
    def token_values(self) -> list[str]:
        """Every token that the login has issued, so that a test can search logs for them."""
        return list(self._tokens.minted)

    def overview(self) -> JsonObject:
        """Return a summary of the state."""
        with self._lock:
            return {
                "workspace_id": self.workspace_id,
                "account_id": self.account_id,
                "pipelines": self._workspace.overview(),
                "requests": self._log.by_route(),
                "tokens_minted": self.tokens_minted,
                "faults": self._faults.overview(),
            }

    # One request

    def answer(self, request: Request) -> Answer | None:
        """Answer one request to the API. None means that the answer is lost."""
        with self._lock:
            entry = self._log.add(request, time.time())
            fault = self._faults.take(request)
            entry["fault"] = fault is not None
        answer = fault.act(request, self._work) if fault else self._work(request)
        if fault and fault.latency_s and self._stopping.wait(fault.latency_s):
            return None  # the simulator was stopped meanwhile, and does not answer any more
        entry["status"] = answer.status if answer else None
        return answer

    def _work(self, request: Request) -> Answer:
        with self._lock:
            self._workspace.settle()
            return self._service.answer(request)
