"""The command line finds a connection in Airflow's metadata database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import airflow
import pytest
from packaging.version import Version

from airflow_provider_mparticle.cli.parser import main
from airflow_provider_mparticle.simulator import Simulator

AIRFLOW = str(Path(sys.executable).with_name("airflow"))
COMMANDS = {"module": [sys.executable, "-m", "airflow_provider_mparticle"]}
if Version(airflow.__version__) >= Version("3.3"):  # earlier versions do not load the commands of providers
    COMMANDS["airflow"] = [AIRFLOW, "mparticle"]


@pytest.fixture
def stored(
    airflow_db: None, start_simulator: Callable[..., Simulator], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A connection to a simulator that is only in the metadata database, as the UI stores it."""
    from airflow.models import Connection
    from airflow.utils.session import create_session

    simulator = start_simulator()
    simulator.add_pipeline("orders")
    fields = simulator.airflow_connection()
    monkeypatch.delenv("AIRFLOW_CONN_MPARTICLE_DEFAULT")
    with create_session() as session:
        session.add(Connection(conn_id="stored_mparticle", **{**fields, "extra": json.dumps(fields["extra"])}))
    yield "stored_mparticle"
    with create_session() as session:
        session.query(Connection).filter_by(conn_id="stored_mparticle").delete()


@pytest.mark.parametrize("command", COMMANDS)
def test_it_finds_a_stored_connection(stored: str, command: str) -> None:
    """Most users store a connection in the UI or with ``airflow connections add``."""
    environment = {name: value for name, value in os.environ.items() if name != "_AIRFLOW_PROCESS_CONTEXT"}

    done = subprocess.run(
        [*COMMANDS[command], "pipelines", "--conn-id", stored, "-o", "json"],
        capture_output=True,
        text=True,
        env=environment,
        timeout=300,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    assert ["orders"] == [pipeline["id"] for pipeline in json.loads(done.stdout)]


@pytest.mark.parametrize("before", [None, "client"])
def test_the_environment_is_restored(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    """A process that calls the commands keeps its secrets backends."""
    if before is None:
        monkeypatch.delenv("_AIRFLOW_PROCESS_CONTEXT", raising=False)
    else:
        monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", before)

    assert 0 == main(["pipelines", "-o", "json"])

    assert before == os.environ.get("_AIRFLOW_PROCESS_CONTEXT")
