"""Provides one Airflow home for all tests, and a simulator for each test that requests one."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# A busy machine may stop an example, or what generates it, for longer than hypothesis expects.
TOO_SLOW = hypothesis.HealthCheck.too_slow
hypothesis.settings.register_profile("any machine", deadline=None, suppress_health_check=[TOO_SLOW])
hypothesis.settings.load_profile("any machine")

# Airflow reads its configuration when it is first imported, so this comes before anything that imports it.
AIRFLOW_HOME = Path(tempfile.mkdtemp(prefix="airflow-home-"))
(AIRFLOW_HOME / "dags").mkdir()
os.environ.update(
    AIRFLOW_HOME=str(AIRFLOW_HOME),
    AIRFLOW__CORE__DAGS_FOLDER=str(AIRFLOW_HOME / "dags"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__TEST_CONNECTION="Enabled",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{AIRFLOW_HOME}/airflow.db",
)

import airflow  # noqa: E402 - as below
from airflow.providers.common.compat.sdk import BaseOperator  # noqa: E402 - as below
from contract.request_check import check_requests  # noqa: E402 - as below

from airflow_provider_mparticle.client import token_cache  # noqa: E402 - after the environment is set
from airflow_provider_mparticle.simulator import Simulator  # noqa: E402 - as above

# Where Airflow keeps what it masks: since 3.1, in 3.0, and in 2.11.
MASKERS = (
    "airflow.sdk._shared.secrets_masker",
    "airflow.sdk.execution_time.secrets_masker",
    "airflow.utils.log.secrets_masker",
)


def _module(*names: str) -> Any:
    """Import the first module that this Airflow has."""
    return importlib.import_module(next(name for name in names if _exists(name)))


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package is missing too
        return False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need Airflow's database: it and the API for tasks cost a process 10 seconds of CPU."""
    for item in items:
        if "airflow_db" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.database)


def pytest_collection_finish() -> None:
    """Let the garbage collector skip what lasts to the end: Airflow, the tests and their parameters."""
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_old_secrets() -> None:
    """Remove the secrets that earlier tests have masked: for each new secret, Airflow compiles all of them again."""
    masker = _module(*MASKERS)._secrets_masker()
    masker.patterns, masker.replacer = set(), None


@pytest.fixture
def start_simulator(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Simulator]]:
    """Start a simulator with the given options. ``mparticle_default`` is the connection to the last one."""
    running: list[Simulator] = []

    def start(**options: Any) -> Simulator:
        simulator = Simulator(**{"run_s": 0.5, **options})
        simulator.start()
        running.append(simulator)
        monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps(simulator.airflow_connection()))
        return simulator

    token_cache.forget()
    yield start
    for simulator in running:
        simulator.stop()
    check_requests(request.node, running)


@pytest.fixture
def simulator(start_simulator: Callable[..., Simulator]) -> Simulator:
    """A simulator with a pipeline ``orders`` whose runs take half a second."""
    simulator = start_simulator()
    simulator.add_pipeline("orders")
    return simulator


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """Airflow's metadata database, created once."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def built_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the documentation, built once; Sphinx fails on a warning."""
    from dev import site

    folder = tmp_path_factory.mktemp("site")
    site.build(folder)
    return folder


@pytest.fixture
def run_dag(airflow_db: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Run a DAG object with ``dag.test()`` on the real Airflow and return its DAG run."""
    if airflow.__version__.startswith(("3.0.", "3.1.", "3.2.")):
        # Their task runner tells callbacks the error, but not in dag.test().
        runner = importlib.import_module("airflow.sdk.execution_time.task_runner")
        finalize = runner.finalize

        def told(ti: Any, state: Any, context: Any, log: Any, error: Any = None) -> None:
            finalize(ti, state, {**context, "exception": error}, log, error)

        monkeypatch.setattr(runner, "finalize", told)

    def run(dag: Any) -> Any:
        _register(dag)
        return dag.test()

    return run


def _register(dag: Any) -> None:
    """Airflow 3 runs serialized DAGs only, so put the DAG into the database as the DAG processor does."""
    try:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
    except ImportError:  # Airflow 2 runs the object itself
        return
    DagBundlesManager().sync_bundles_to_db()
    dagbag = _module("airflow.dag_processing.dagbag", "airflow.models.dagbag")  # the latter before 3.2
    bag = dagbag.DagBag(dag_folder=os.devnull, collect_dags=False)
    bag.bag_dag(dag)
    if hasattr(dagbag, "sync_bag_to_db"):
        dagbag.sync_bag_to_db(bag, "dags-folder", None)
    else:  # before 3.1
        dag.relative_fileloc = Path(dag.fileloc).name
        bag.sync_to_db("dags-folder", None)


@pytest.fixture
def execute(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Render an operator's fields and execute it as Airflow's task runner does, without a DAG run."""
    # Airflow refuses to execute an operator outside of its own task runner.
    safeguard = importlib.import_module(BaseOperator.__module__).ExecutorSafeguard
    monkeypatch.setattr(safeguard, "test_mode", True)

    def run(operator: Any) -> Any:
        operator.render_template_fields({})
        return operator.execute({})

    return run


@pytest.fixture
def _tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the zone of the machine to Tokyo: no result may depend on the zone of a worker."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()
