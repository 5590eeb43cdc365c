"""Makes a virtual environment below ``.bench/`` for each provider: Airflow and that provider, byte-compiled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.fake_api_control import FakeApiControl
from benchmarks.run_in_env import RESULT

AIRFLOW = "3.3.2"
ROOT = Path(__file__).parent.parent
HOME = ROOT / ".bench"
UV = str(Path(sys.executable).with_name("uv"))
OUR_PACKAGE = "airflow-provider-mparticle"

# The packages, besides the provider, whose versions are reported.
REPORTED = ("apache-airflow", "aiohttp", "httpx", "requests")
# The variables that the secrets backend reads: the connection as JSON, and how many seconds a lookup takes.
CONNECTION = "BENCH_CONNECTION"
LOOKUP_S = "BENCH_LOOKUP_S"


class MeasurementError(Exception):
    """A measurement ended without a result. The message is its last line, or says that it took too long."""


@dataclass(frozen=True)
class Environment:
    """
    The virtual environment in which the code of one provider runs.

    :param name: The name of its module in :mod:`benchmarks.peers`.
    """

    name: str

    @property
    def peer(self) -> peers.Peer:
        """The provider."""
        return peers.load(self.name)

    @property
    def folder(self) -> Path:
        """Its folder."""
        return HOME / self.name

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    def make(self) -> None:
        """
        Make it, unless it exists. Our own code is installed again each time.

        :raises MeasurementError: It cannot be installed.
        """
        made = self.folder / "made-of"
        wanted = f"{self.peer.requirement} apache-airflow=={AIRFLOW} {sys.version}"
        if not made.exists() or made.read_text() != wanted:
            _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(self.folder))
            self._install(self.peer.requirement, f"apache-airflow=={AIRFLOW}")
            made.write_text(wanted)
        elif self.name == peers.OURS:
            self._install("--reinstall-package", OUR_PACKAGE, self.peer.requirement, f"apache-airflow=={AIRFLOW}")

    def versions(self) -> dict[str, str]:
        """Return the versions of the measured provider and of the main packages that it uses."""
        listed = json.loads(_uv("pip", "list", "--quiet", "--python", self.python, "--format", "json"))
        names = {*REPORTED, self.peer.requirement.replace(".", OUR_PACKAGE)}
        return {package["name"]: package["version"] for package in listed if package["name"] in names}

    def run(
        self, module: str, api: FakeApiControl, *, killed_after_s: float = 120.0, lookup_s: float = 0.0, **order: Any
    ) -> dict[str, Any]:
        """
        Call ``run_in_env(name, api, **order)`` of a module in a fresh interpreter, and return what it returns.

        :param module: The module of this package.
        :param api: The fake API; the provider's Airflow connection leads there.
        :param killed_after_s: When to give up, in seconds. Default: 120.
        :param lookup_s: How long Airflow takes to look up a connection, in seconds.
        :raises MeasurementError: It failed, or took too long.
        """
        order = {"name": self.name, "url": api.url, "control": api.control, **order}
        command = [self.python, "-m", "benchmarks.run_in_env", module, json.dumps(order)]
        try:
            done = subprocess.run(
                command,
                env=self._environ(api.url, lookup_s),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=killed_after_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise MeasurementError(f"not ended after {killed_after_s:.0f} s") from error
        for line in reversed(done.stdout.splitlines()):
            if line.startswith(RESULT):
                result: dict[str, Any] = json.loads(line.removeprefix(RESULT))
                return result
        raise MeasurementError(next(iter(reversed(done.stderr.strip().splitlines())), f"ended with {done.returncode}"))

    def _install(self, *what: str) -> None:
        _uv("pip", "install", "--quiet", "--compile-bytecode", "--python", self.python, *what)

    def _environ(self, url: str, lookup_s: float) -> Mapping[str, str]:
        # Without byte code, every import would compile its modules again, which says nothing about the provider.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {
            **inherited,
            "PYTHONPATH": str(_path_of_this_package()),
            "NO_PROXY": "127.0.0.1",
            "AIRFLOW_HOME": str(self.folder / "home"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__SECRETS__BACKEND": "benchmarks.secrets_backend.CountingSecrets",
            CONNECTION: json.dumps(self.peer.connection(url)),
            LOOKUP_S: str(lookup_s),
        }


def _path_of_this_package() -> Path:
    """Return a folder with nothing but this package, so that no measurement imports ours from the checkout."""
    path = HOME / "path"
    path.mkdir(parents=True, exist_ok=True)
    link = path / "benchmarks"
    if not link.is_symlink():
        link.symlink_to(Path(__file__).parent, target_is_directory=True)
    return path


def _uv(*arguments: str) -> str:
    done = subprocess.run([UV, *arguments], cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        raise MeasurementError(f"uv {arguments[0]}: {done.stderr.strip()[-500:]}")
    return done.stdout
