"""Runs a complete Airflow: API server, scheduler, DAG processor and triggerer, each in its own process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil
import requests

Found = TypeVar("Found")

AIRFLOW = str(Path(sys.executable).with_name("airflow"))
# The arguments of ``airflow`` for each component.
COMPONENTS: Mapping[str, Sequence[str]] = {
    name: (name,) for name in ("api-server", "scheduler", "dag-processor", "triggerer")
}
HEALTHY_WITHIN_S = 120.0
# With these settings a lost worker is noticed within seconds, by default within minutes.
LOSSES_NOTICED_SOON = {
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "2",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
}
# The same for a lost triggerer, by default within half a minute.
TRIGGERERS_NOTICED_SOON = {
    "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
}


class StandaloneAirflow:
    """
    Start, call and stop an Airflow whose files are all in *home*.

    :param home: Folder for the database, the logs and the configuration.
    :param dags: Folder of the DAG files.
    :param environment: More environment variables for all components, for example an ``AIRFLOW_CONN_...``.
    :param components: The names of the components, and the arguments of ``airflow`` that start them.
    :param of_component: More environment variables for single components, by their names. Default: none.
    """

    def __init__(
        self,
        home: Path,
        dags: Path,
        environment: Mapping[str, str],
        components: Mapping[str, Sequence[str]] = COMPONENTS,
        of_component: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.home = home
        self.components = components
        self.url = f"http://127.0.0.1:{free_port()}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._session = requests.Session()
        self._environment = {**os.environ, **_settings(home, dags, self.url), **environment}
        self._of_component = of_component or {}

    def start(self) -> None:
        """Create the database, start every component, and wait until all are healthy."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.run_command("db", "migrate")
        for component in self.components:
            self.start_component(component)
        self.wait_until(self._is_healthy, HEALTHY_WITHIN_S, "a healthy Airflow")
        self._session.headers["Authorization"] = f"Bearer {self._get('/auth/token')['access_token']}"

    def start_component(self, component: str) -> None:
        """Start one component in its own process group. Its output goes to a file in the home."""
        with (self.home / f"{component}.log").open("ab") as log:
            self._processes[component] = subprocess.Popen(
                [AIRFLOW, *self.components[component]],
                env={**self._environment, **self._of_component.get(component, {}), "LOGNAME": component},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill_component(self, component: str) -> None:
        """Kill one component and its children at once, as when a machine is lost."""
        _kill(self.processes_of(component))
        self._processes.pop(component).wait()

    def stop_component(self, component: str, within_s: float) -> bool:
        """
        Ask one component to end, as Kubernetes does: it is killed if it has not ended within *within_s* seconds.

        :return: Whether it ended by itself.
        """
        process = self._processes[component]
        process.terminate()
        try:
            process.wait(timeout=within_s)
        except subprocess.TimeoutExpired:
            self.kill_component(component)
            return False
        del self._processes[component]
        return True

    def stop(self) -> None:
        """End every component: with SIGTERM, then with SIGKILL."""
        everything = [process for component in self._processes for process in self.processes_of(component)]
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            with contextlib.suppress(ProcessLookupError):  # what is left of it, and its children
                os.killpg(process.pid, signal.SIGKILL)
        _kill(everything)
        self._processes.clear()

    def pid_of(self, component: str) -> int:
        """Return the process id of a component."""
        return self._processes[component].pid

    def processes_of(self, component: str) -> list[psutil.Process]:
        """Return the process of a component and all its children, or nothing if it does not run."""
        try:
            root = psutil.Process(self.pid_of(component))
            return [root, *root.children(recursive=True)]
        except (KeyError, psutil.NoSuchProcess):
            return []

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run of a DAG after the DAG processor has found it, and return the id of the run."""
        self.wait_for_dag(dag_id)
        answer = self._request(
            "POST", f"/api/v2/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": dict(conf or {})}
        )
        answer.raise_for_status()
        run_id: str = answer.json()["dag_run_id"]
        return run_id

    def wait_for_dag(self, dag_id: str) -> None:
        """Wait until the DAG processor has found a DAG."""
        self.wait_until(lambda: self._request("GET", f"/api/v2/dags/{dag_id}").ok, HEALTHY_WITHIN_S, f"DAG {dag_id}")

    def machines(self, job_type: str) -> list[str]:
        """Return the machines on which jobs of a type are alive, for example ``"TriggererJob"``."""
        return [job["hostname"] for job in self._get("/api/v2/jobs", job_type=job_type, is_alive=True)["jobs"]]

    def dag_run_states(self, dag_id: str) -> list[str]:
        """Return the states of all runs of a DAG."""
        return [run["state"] for run in self._get(f"/api/v2/dags/{dag_id}/dagRuns", limit=1000)["dag_runs"]]

    def are_backfills_over(self, dag_id: str) -> bool:
        """Return whether every backfill of a DAG is completed."""
        backfills = self._get("/api/v2/backfills", dag_id=dag_id)["backfills"]
        return all(backfill["completed_at"] for backfill in backfills)

    def running_tasks(self, dag_id: str) -> list[str]:
        """Return the ids of the task instances of a DAG that run now."""
        answer = self._get(f"/api/v2/dags/{dag_id}/dagRuns/~/taskInstances", state="running")
        return [ti["id"] for ti in answer["task_instances"]]

    def dag_run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a DAG run."""
        state: str = self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"]
        return state

    def tasks(self, dag_id: str, run_id: str) -> dict[str, dict[str, Any]]:
        """Return the task instances of a DAG run by task id (mapped ones by ``task_id[index]``)."""
        answer = self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances", limit=1000)
        return {
            ti["task_id"] if ti["map_index"] < 0 else f"{ti['task_id']}[{ti['map_index']}]": ti
            for ti in answer["task_instances"]
        }

    def clear(self, dag_id: str, run_id: str, task_id: str) -> None:
        """Clear a task, as a user does to run it again."""
        self._request(
            "POST",
            f"/api/v2/dags/{dag_id}/clearTaskInstances",
            json={"dry_run": False, "task_ids": [task_id], "dag_run_id": run_id, "only_failed": False},
        ).raise_for_status()

    def add_connection(self, conn_id: str, fields: Mapping[str, Any]) -> None:
        """Store a connection with *fields* as in the JSON of ``AIRFLOW_CONN_...``."""
        body = {"connection_id": conn_id, **fields, "extra": json.dumps(fields.get("extra", {}))}
        self._request("POST", "/api/v2/connections", json=body).raise_for_status()

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """Return an XCom of a task."""
        return self._get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}")["value"]

    def log_of(self, task_id: str) -> str:
        """Return the logs of all tries of a task."""
        return "\n".join(path.read_text() for path in sorted(self.home.glob(f"logs/**/task_id={task_id}/**/*.log*")))

    def logs_of(self, dag_id: str) -> list[str]:
        """Return the logs of a DAG, one for each try of each task."""
        return [path.read_text() for path in sorted(self.home.glob(f"logs/dag_id={dag_id}/**/attempt=*.log"))]

    def wait_for_end(self, dag_id: str, run_id: str, within_s: float) -> str:
        """Wait until a DAG run has ended, and return its state."""
        ended = ("success", "failed")
        self.wait_until(lambda: self.dag_run_state(dag_id, run_id) in ended, within_s, f"the end of {dag_id}")
        return self.dag_run_state(dag_id, run_id)

    def _is_healthy(self) -> bool:
        health = self._get("/api/v2/monitor/health")
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return all(health[part]["status"] == "healthy" for part in parts)

    def wait_until(self, get: Callable[[], Found | None], within_s: float, what: str = "it") -> Found:
        """
        Wait until *get*, which may fail while Airflow is not up, returns something true, and return that.

        :raises TimeoutError: It took longer than *within_s* seconds.
        """
        give_up_at = time.monotonic() + within_s
        while time.monotonic() < give_up_at:
            try:
                if found := get():
                    return found
            except (requests.RequestException, KeyError, ValueError):
                pass  # not up yet
            time.sleep(0.5)
        raise TimeoutError(f"Waited {within_s:.0f} s for {what}; see the logs in {self.home}")

    def _get(self, path: str, **params: Any) -> Any:
        answer = self._request("GET", path, params=params)
        answer.raise_for_status()
        return answer.json()

    def _request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return self._session.request(method, f"{self.url}{path}", timeout=30, **kwargs)

    def run_command(self, *command: str) -> None:
        """
        Run ``airflow`` with these arguments.

        :raises RuntimeError: It failed; the message is what it printed.
        """
        self.run_program(AIRFLOW, *command)

    def run_program(self, *command: str, told: str = "") -> None:
        """
        Run a program in the environment of this Airflow.

        :param told: What it reads from its standard input.
        :raises RuntimeError: It failed; the message is what it printed.
        """
        options: dict[str, Any] = {"input": told, "capture_output": True, "text": True}
        done = subprocess.run(command, env=self._environment, check=False, **options)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-4000:]}")


@contextmanager
def standalone_airflow(
    home: Path,
    dags: Path,
    components: Mapping[str, Sequence[str]] = COMPONENTS,
    *,
    of_component: Mapping[str, Mapping[str, str]] | None = None,
    **environment: str,
) -> Iterator[StandaloneAirflow]:
    """Run a complete Airflow until the end of the block. The parameters are those of `StandaloneAirflow`."""
    airflow = StandaloneAirflow(home, dags, environment, components, of_component)
    try:
        airflow.start()
        yield airflow
    finally:
        airflow.stop()


def free_port() -> int:
    """Return a free TCP port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _kill(processes: Sequence[psutil.Process]) -> None:
    """Kill processes at once, one by one: tasks and triggers of Airflow have their own process groups."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _settings(home: Path, dags: Path, url: str) -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": url.rpartition(":")[2],
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    }
