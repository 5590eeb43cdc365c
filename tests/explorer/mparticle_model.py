"""
Models mParticle for the explorer: one pipeline, its runs, its data model, and all undocumented behaviour.

It answers the real protocol code (`client.exchange`) with HTTP statuses and JSON. Each run knows who started it, which
mParticle never says. The explorer checks this fact, and not what the code assumes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from typing import Any

PIPELINE = "orders"
DATA_MODEL = "orders-model"
OTHERS = "other people"
# The status of the answer to a trigger request while a run is in progress.
BUSY = 400
MARK = re.compile(r"slice: start=(\d{4}-\d\d-\d\d)")


@dataclass(frozen=True)
class Habits:
    """
    Behaviour of mParticle that is not documented.

    :param skew_s: How far its clock is ahead of Airflow's, in seconds.
    :param list_lag_s: After how many seconds a run appears in the list and in the status.
    :param tells_id: Whether the answer to a trigger has the id of the run.
    :param has_run_routes: Whether runs can be listed and read one by one, or only the status can be read.
    :param type_word: The type of a triggered run; None if runs have no type.
    :param logical_back: How far the logical date of a triggered run is before its start.
    :param tells_range: Whether a run has the range that it reads.
    :param tells_date: Whether answers have a ``Date`` header.
    :param cuts_seconds: Whether instants have no fractions of a second.
    :param reads_after_s: After how many seconds a run reads the SQL of its data model.
    :param id_begins: What the id of every run begins with. If it is empty, ids are numbers.
    """

    skew_s: float = 0.0
    list_lag_s: float = 0.0
    tells_id: bool = True
    has_run_routes: bool = True
    type_word: str | None = "manual"
    logical_back: timedelta = timedelta(0)
    tells_range: bool = True
    tells_date: bool = True
    cuts_seconds: bool = False
    reads_after_s: float = 0.0
    id_begins: str = ""


@dataclass
class Run:
    """One run, on Airflow's clock. *owner* and *epoch* name the task that started it, and its number of clears."""

    run_id: int | str
    owner: str
    epoch: int
    type: str | None
    started: float
    lasts_s: float
    ends_as: str
    logical_back: timedelta
    slice_read: str | None = None

    @property
    def logical(self) -> float:
        """The logical date, on Airflow's clock."""
        return self.started - self.logical_back.total_seconds()

    def state(self, now: float) -> str:
        """The state at an instant."""
        return "running" if now < self.started + self.lasts_s else self.ends_as

    def __str__(self) -> str:
        return f"run {self.run_id} of {self.owner}"


@dataclass
class MParticle:
    """The pipeline, its runs and its data model."""

    habits: Habits
    now: Callable[[], float]
    runs: list[Run] = field(default_factory=list)
    sql: str = "SELECT 1 FROM orders"
    sql_changes: list[tuple[float, str]] = field(default_factory=list)

    def run(self, run_id: Any) -> Run | None:
        """Return the run with this id, or None."""
        return next((run for run in self.runs if str(run.run_id) == str(run_id)), None)

    def in_progress(self) -> Run | None:
        """Return the run in progress, or None."""
        return next((run for run in self.runs if run.state(self.now()) == "running"), None)

    def start(
        self,
        owner: str,
        epoch: int,
        *,
        type_word: str | None,
        lasts_s: float,
        ends_as: str,
        logical_back: timedelta,
        began_before_s: float = 0.0,
    ) -> Run:
        """Start a run. The pipeline must be idle."""
        started = self.now() - began_before_s
        number = 13325 + len(self.runs)
        run_id = f"{self.habits.id_begins}{number}" if self.habits.id_begins else number
        run = Run(run_id, owner, epoch, type_word, started, lasts_s, ends_as, logical_back)
        self.runs.append(run)
        return run

    def settle(self) -> None:
        """Let every run read the SQL that the data model had at that time."""
        for run in self.runs:
            reads_at = run.started + self.habits.reads_after_s
            if run.slice_read is None and self.now() >= reads_at:
                stood = [sql for at, sql in self.sql_changes if at <= reads_at]
                mark = MARK.search(stood[-1]) if stood else None
                run.slice_read = mark[1] if mark else "no slice"

    # Answers

    def answer(self, method: str, route: str, ids: dict[str, Any], params: dict[str, Any], body: Any) -> Any:
        """Return status and JSON of the answer to a request that arrives now."""
        self.settle()
        name = f"{method} {route}"
        if name == "GET pipeline_runs":
            return self._listed(params)
        if name == "GET pipeline_run":
            run = self.run(ids["pipeline_run_id"])
            return (200, self._run(run)) if run and self.habits.has_run_routes and self._shows(run) else _missing()
        if name == "GET pipeline_status":
            latest = max(filter(self._shows, self.runs), key=lambda run: run.logical, default=None)
            return 200, {"pipeline_id": PIPELINE, "latest_pipeline_run": latest and self._run(latest)}
        if route == "pipeline":
            return 200, {
                "id": PIPELINE,
                "data_model_id": DATA_MODEL,
                "sync_mode": {"type": "full"},
                "schedule": {"type": "on_demand"},
            }
        if method == "PUT":
            self.sql = body["config"]["sql_query"]
            self.sql_changes.append((self.now(), self.sql))
        changed = self.sql_changes[-1][0] if self.sql_changes else self.now() - 86400
        data_model = {"id": DATA_MODEL, "type": "sql", "config": {"sql_query": self.sql}}
        return 200, {**data_model, "last_modified_on": self._instant(changed)}

    def headers(self) -> dict[str, str]:
        """The headers of an answer that is sent now."""
        at = int(self.now() + self.habits.skew_s)
        return {"date": formatdate(at, usegmt=True)} if self.habits.tells_date else {}

    def _listed(self, params: dict[str, Any]) -> Any:
        if not self.habits.has_run_routes:
            return _missing()
        since, until = params.get("startDate"), params.get("endDate")
        shown = [
            self._run(run)
            for run in self.runs
            if self._shows(run)
            and (since is None or self._instant(run.logical) >= since)
            and (until is None or self._instant(run.logical) <= until)
        ]
        return 200, shown if params.get("currentPage") == 1 else []

    def _shows(self, run: Run) -> bool:
        return self.now() >= run.started + self.habits.list_lag_s

    def _run(self, run: Run) -> dict[str, Any]:
        state, ended = run.state(self.now()), run.started + run.lasts_s
        told = {
            "pipeline_run_id": run.run_id,
            "pipeline_id": PIPELINE,
            "type": run.type,
            "status": state,
            "logical_date": self._instant(run.logical),
            "started_on": self._instant(run.started),
            "ended_on": None if state == "running" else self._instant(ended),
        }
        if self.habits.tells_range:
            told |= {"range_start": None, "range_end": self._instant(run.started)}
        return told

    def _instant(self, at: float) -> str:
        told = datetime.fromtimestamp(at + self.habits.skew_s, UTC)
        return told.isoformat(timespec="seconds" if self.habits.cuts_seconds else "milliseconds").replace("+00:00", "Z")


def busy() -> Any:
    """The answer to a trigger request while a run is in progress."""
    return BUSY, {"errors": [{"message": f"Pipeline {PIPELINE} is already in progress."}]}


def _missing() -> Any:
    return 404, {"errors": [{"message": "Not found."}]}


def body_of(answer: Any) -> bytes:
    """Return the bytes of a JSON answer."""
    return json.dumps(answer).encode()
