"""
Installs an Airflow with the dependencies that were current when it was released.

Airflow publishes these versions as constraints, but some build machines cannot reach that address. They were the newest
versions on the day of the release, so an installation as of that day gets the same.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

UV = Path(sys.executable).with_name("uv")
ROOT = Path(__file__).parents[1]
# The day after each release, by PyPI. An Airflow that is missing here gets the newest version of everything.
DAY_AFTER_RELEASE = {
    "2.11.2": "2026-03-15",
    "3.0.6": "2025-08-30",
    "3.1.8": "2026-03-12",
    "3.2.2": "2026-05-30",
    "3.3.2": "2026-09-18",
}


class Environment:
    """
    A virtual environment that contains only one Airflow.

    :param folder: The folder of the environment.
    :param airflow: Version of Airflow.
    :param python: Version of Python, or an interpreter. Default: this one.
    :raises subprocess.CalledProcessError: This Python does not exist, or the dependencies cannot be resolved.
    """

    def __init__(self, folder: Path, airflow: str, python: str = sys.executable) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self._options: list[str] = []
        if airflow in DAY_AFTER_RELEASE:
            self._options = ["--exclude-newer", f"{DAY_AFTER_RELEASE[airflow]}T00:00:00Z"]
        elif re.search("[a-z]", airflow):
            self._options = ["--prerelease", "allow"]
        self.run(UV, "venv", "--quiet", "--no-python-downloads", "--python", python, folder)
        self.install(f"apache-airflow=={airflow}", *self._options)
        self.pins = self.installed()

    def install_as_of_then(self, *what: str | Path) -> None:
        """Install other packages as of the day of the release, under Airflow's constraints."""
        self.install(*what, *self._options, "--constraint", self._constraints(self.pins))

    def install_beside(self, *what: str | Path) -> None:
        """Install the newest versions under Airflow's constraints, which do not apply to providers."""
        of_airflow = {name: pin for name, pin in self.pins.items() if "providers" not in name}
        self.install(*what, *self._options[2:], "--constraint", self._constraints(of_airflow))

    def installed(self) -> dict[str, str]:
        """Return the version of each package."""
        listed = self.run(UV, "pip", "freeze", "--python", self.python).stdout.splitlines()
        return dict(line.split("==") for line in listed if "==" in line)

    def install(self, *what: str | Path) -> None:
        """Install packages."""
        self.run(UV, "pip", "install", "--quiet", "--python", self.python, *what)

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment, with an Airflow home in it."""
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        env["AIRFLOW_HOME"] = str(self.folder / "home")
        words = [str(word) for word in command]
        return subprocess.run(words, capture_output=True, text=True, check=True, env=env, cwd=ROOT)

    def _constraints(self, pins: dict[str, str]) -> Path:
        file = self.folder / "constraints.txt"
        file.write_text("\n".join(f"{name}=={version}" for name, version in pins.items()))
        return file
