"""A real triggerer survives a malformed answer to each of its waits, and every wait ends as it should."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil
import pytest

from dev.race import PATIENT
from dev.standalone import HEALTHY_WITHIN_S, StandaloneAirflow, standalone_airflow
from tests.hostile.raw_server import RawServer, answer, dripping, endless

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

DAG_ID = "poisoned"
DAG = """
from datetime import datetime

from airflow.providers.common.compat.sdk import DAG

from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator

with DAG("poisoned", schedule=None, start_date=datetime(2026, 1, 1)):
    for name in {names}:
        MParticleTriggerPipelineOperator(task_id=name, pipeline_id=name, deferrable=True, poll_interval=5)
"""

MIB = 2**20
SUCCESS = {"pipeline_run_id": 7, "status": "success", "successful_records": 1000, "failed_records": 0}


def body(**fields: object) -> list[bytes]:
    """Answer with the run that succeeded, except for some fields."""
    return [answer(json.dumps({**SUCCESS, **fields}).encode())]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BOMB = gzip.compress(b" " * 400 * MIB, 1)
POISONS: dict[str, Callable[[], Iterable[bytes | float]]] = {
    "half_an_emoji": lambda: body(status="failed", errors=[{"message": "boom \ud83d"}]),
    "many_records": lambda: body(successful_records=99999999999999999999),
    "endless_body": lambda: itertools.chain([HEAD + b"\r\n"], endless(b" " * 65536)),
    "angle_brackets": lambda: [answer(b"<" * 60_000, "503 Service Unavailable")],
    "deep_nesting": lambda: [answer(b"[" * 100_000 + b"]" * 100_000)],
    "dripping_body": lambda: itertools.chain([HEAD + b"Content-Length: 60\r\n\r\n"], dripping(b" " * 60, 1.0)),
    "gzip_bomb": lambda: [answer(BOMB, "200 OK", "Content-Encoding: gzip")],
    "list": lambda: [answer(b"[[], 1]")],
    "nan": lambda: body(successful_records=float("nan"), failed_records=float("inf")),
    "list_as_id": lambda: body(pipeline_run_id=[7]),
    "well_answered": lambda: body(),
}
# The processes of a triggerer: itself, its log server, and its event loop.
PROCESSES = 3
# The worker polls once before it defers, so the second poll is the triggerer's first.
POISONED_POLL = 2


class HostileMParticle:
    """Starts runs like mParticle, and gives a malformed answer to one poll of each run."""

    def __init__(self) -> None:
        self.polls: Counter[str] = Counter()
        self.starts: Counter[str] = Counter()

    def __call__(self, head: bytes) -> Iterable[bytes | float]:
        line = head.split(b"\r\n")[0].decode()
        if "/oauth/token" in line:
            return [answer(b'{"access_token": "t0ken", "expires_in": 28800}')]
        found = re.match(r"(\w+) \S+/data-pipelines/(\w+)(\S*)", line)
        assert found, line
        method, pipeline, rest = found.groups()
        if method == "POST":
            self.starts[pipeline] += 1
            return [answer(b'{"pipeline_run_id": 7}')]
        if re.search(r"/runs/7\b", rest):
            self.polls[pipeline] += 1
            polls = self.polls[pipeline]
            if polls == POISONED_POLL:
                return POISONS[pipeline]()
            return body(status="running" if polls < POISONED_POLL else "success")
        runs = [{**SUCCESS, "status": "running"}] if self.starts[pipeline] else []
        if "/runs" in rest:
            return [answer(json.dumps(runs).encode())]
        status = {"status": "healthy", "latest_pipeline_run": runs[0] if runs else None}
        return [answer(json.dumps(status).encode())]


@pytest.fixture
def mparticle() -> HostileMParticle:
    """The answers of the server, and the requests that it has received."""
    return HostileMParticle()


@pytest.fixture
def server(mparticle: HostileMParticle) -> Iterator[RawServer]:
    """The server."""
    with RawServer(mparticle) as running:
        yield running


@pytest.fixture
def airflow(tmp_path: Path, server: RawServer) -> Iterator[StandaloneAirflow]:
    """An Airflow for this test alone, because the death of its triggerer would fail other tests."""
    dags = tmp_path / "dags"
    dags.mkdir()
    (dags / "poisoned.py").write_text(DAG.format(names=[*POISONS]))
    connection = {
        "conn_type": "mparticle",
        "host": server.url,
        "login": "client",
        "password": "s3cret-of-the-client",
        "extra": {"workspace_id": "1234", "token_url": f"{server.url}/oauth/token", "timeout": 3},
    }
    environment = {"AIRFLOW_CONN_MPARTICLE_DEFAULT": json.dumps(connection)}
    with standalone_airflow(tmp_path / "home", dags, of_component={"triggerer": PATIENT}, **environment) as airflow:
        yield airflow


class Triggerer:
    """The processes of a triggerer, and the most memory that they used."""

    def __init__(self, airflow: StandaloneAirflow) -> None:
        self._root = psutil.Process(airflow.pid_of("triggerer"))
        self.most_bytes = self.bytes()

    def pids(self) -> set[int]:
        return {process.pid for process in self._tree()}

    def bytes(self) -> int:
        with contextlib.suppress(psutil.NoSuchProcess):
            return sum(process.memory_info().rss for process in self._tree())
        return 0

    def observe(self) -> None:
        self.most_bytes = max(self.most_bytes, self.bytes())

    def _tree(self) -> list[psutil.Process]:
        return [self._root, *self._root.children(recursive=True)]


def test_no_answer_ends_the_triggerer(airflow: StandaloneAirflow, mparticle: HostileMParticle) -> None:
    """Otherwise one odd answer would end it after each restart, and all deferred tasks of an Airflow would wait."""
    triggerer = Triggerer(airflow)
    airflow.wait_until(lambda: len(triggerer.pids()) == PROCESSES, HEALTHY_WITHIN_S, "all processes of the triggerer")
    before, bytes_before = triggerer.pids(), triggerer.bytes()

    run_id = airflow.trigger(DAG_ID)

    def has_ended() -> bool:
        triggerer.observe()
        return airflow.dag_run_state(DAG_ID, run_id) in ("success", "failed")

    airflow.wait_until(has_ended, 600.0, "the end of all waits")
    states = {task: ti["state"] for task, ti in airflow.tasks(DAG_ID, run_id).items()}
    print(f"triggerer: {bytes_before / MIB:.0f} MB before, at most {triggerer.most_bytes / MIB:.0f} MB after")
    assert {name: "failed" if name == "half_an_emoji" else "success" for name in POISONS} == states
    assert dict.fromkeys(POISONS, 1) == dict(mparticle.starts)
    assert before == triggerer.pids()
    assert "boom \ufffd" in airflow.log_of("half_an_emoji")
    assert triggerer.most_bytes < bytes_before + 200 * MIB
