"""``make ui`` as a process: started, asked for its addresses, stopped by Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

ROOT = Path(__file__).parents[2]
DOWN_WITHIN_S = 300


@dataclass(frozen=True)
class Demonstration:
    """
    An Airflow with the example DAGs, on a simulator.

    :param process: ``python -m dev.ui``.
    :param url: Airflow's address.
    :param simulator: The simulator's address.
    :param guide: What it has printed.
    """

    process: subprocess.Popen[str]
    url: str
    simulator: str
    guide: str

    def health(self) -> dict[str, str]:
        """Return the health of each part of Airflow."""
        parts = requests.get(f"{self.url}/api/v2/monitor/health", timeout=30).json()
        return {name: part["status"] for name, part in parts.items()}

    def run_printed(self, label: str) -> str:
        """Run a command as the guide prints it behind its label, in a shell of its own; return what it prints."""
        [command] = re.findall(rf"^{label}: +(.+)$", self.guide, re.MULTILINE)
        shell = {"env": {"PATH": os.defpath}, "capture_output": True, "text": True}
        return subprocess.run(["/bin/sh", "-c", command], **shell, check=True, timeout=120).stdout

    def end_runs(self, state: str) -> None:
        """End all runs in mParticle now."""
        requests.post(f"{self.simulator}/_simulator/runs/end", json={"state": state}, timeout=60).raise_for_status()

    def connection(self, conn_id: str) -> dict[str, Any]:
        """Return a stored connection as Airflow shows it, without secrets."""
        fields: dict[str, Any] = self._call("GET", f"/connections/{conn_id}")
        return {**fields, "extra": json.loads(fields["extra"])}

    def test_connection(self, conn_id: str) -> str:
        """Return what the test of a stored connection says."""
        message: str = self._call("POST", "/connections/test", connection_id=conn_id, conn_type="mparticle")["message"]
        return message

    def stop(self) -> tuple[int, str, list[psutil.Process]]:
        """Press Ctrl-C; return the exit code, the last line that was printed, and the processes that are left."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(DOWN_WITHIN_S)
        last = [*(self.process.stdout or ())][-1]
        return code, last, psutil.wait_procs(children, timeout=60)[1]

    def _call(self, method: str, path: str, **body: str) -> Any:
        token = requests.get(f"{self.url}/auth/token", timeout=30).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.request(method, f"{self.url}/api/v2{path}", headers=headers, json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def started(home: Path, run_s: float) -> Iterator[Demonstration]:
    """
    Start it, wait until it says that it is up, and stop it at the end of the block if it still runs.

    :param home: Folder for its files.
    :param run_s: How long a run takes, in seconds.
    """
    command = [sys.executable, "-m", "dev.ui", "--home", str(home), "--run-seconds", str(run_s)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield Demonstration(process, *_addresses(guide := _guide(process)), guide)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(DOWN_WITHIN_S)


def _guide(process: subprocess.Popen[str]) -> str:
    """Return what the process prints when all is up."""
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith("Ctrl-C"):
            return printed
    raise AssertionError(printed)


def _addresses(guide: str) -> tuple[str, str]:
    """Return the addresses of Airflow and of the simulator."""
    url, simulator = (re.search(pattern, guide) for pattern in (r"up: (\S+)", r"(http\S+)/_simulator\n"))
    assert url, guide
    assert simulator, guide
    return url[1], simulator[1]
