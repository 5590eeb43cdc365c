"""
Install the wheel into a bare Airflow, under the constraints of that Airflow, and see that no pin changes.

Airflow publishes its constraints where a build machine may not reach them: they are the versions that were the newest
when that Airflow was released. So Airflow alone is installed as of that day, and what is installed then is the
constraint of the second installation.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROVIDER = "airflow-provider-mparticle"
# Airflow -> the day after its release, by PyPI. The oldest supported Airflow and the one that the tests run on.
RELEASED = {"2.11.2": "2026-03-15T00:00:00Z", "3.3.2": "2026-09-18T00:00:00Z"}


def main() -> int:
    """Install into each Airflow; 0 means that all is well."""
    [wheel] = (ROOT / "dist").glob("*.whl")
    problems = [f"Airflow {version}: {problem}" for version in RELEASED for problem in problems_of(version, wheel)]
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{wheel.name} installs into Airflow {' and '.join(RELEASED)} under their constraints.")
    return 1 if problems else 0


def problems_of(version: str, wheel: Path) -> list[str]:
    """Return what is wrong after the wheel is installed into one bare Airflow."""
    with tempfile.TemporaryDirectory(prefix="bare-airflow-") as folder:
        return list(_Bare(Path(folder), version).problems(wheel))


class _Bare:
    """An Airflow alone, in an environment of its own."""

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder
        self.python = folder / "env" / "bin" / "python"
        self.as_of = ("--exclude-newer", RELEASED[version])
        self._run(_uv(), "venv", "--quiet", "--python", sys.executable, folder / "env")
        self._install(f"apache-airflow=={version}")

    def problems(self, wheel: Path) -> list[str]:
        pinned = self._installed()
        constraints = self.folder / "constraints.txt"
        constraints.write_text("\n".join(f"{name}=={version}" for name, version in pinned.items()))
        self._install(wheel, "--constraint", constraints)
        after = self._installed()
        check = self._run(_uv(), "pip", "check", "--python", self.python, may_fail=True)
        listed = self._run(self.python.with_name("airflow"), "providers", "get", PROVIDER, "--output", "json")
        return [
            *(
                f"{name} {version} became {after.get(name)}"
                for name, version in pinned.items()
                if after.get(name) != version
            ),
            *([f"pip check says {check.stderr.strip()}"] if check.returncode else []),
            *([] if PROVIDER in listed.stdout else [f"airflow providers get says {listed.stdout}"]),
        ]

    def _install(self, *what: str | Path) -> None:
        self._run(_uv(), "pip", "install", "--quiet", "--python", self.python, *self.as_of, *what)

    def _installed(self) -> dict[str, str]:
        listed = self._run(_uv(), "pip", "freeze", "--python", self.python).stdout.splitlines()
        return dict(line.split("==") for line in listed if "==" in line)

    def _run(self, *command: str | Path, may_fail: bool = False) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        env["AIRFLOW_HOME"] = str(self.folder / "home")
        done = subprocess.run(
            [*map(str, command)], capture_output=True, text=True, check=False, env=env, cwd=self.folder
        )
        if done.returncode and not may_fail:
            raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}\n{done.stderr}")
        return done


def _uv() -> Path:
    return Path(sys.executable).with_name("uv")


if __name__ == "__main__":
    sys.exit(main())
