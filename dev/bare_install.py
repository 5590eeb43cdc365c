"""Install the wheel into bare Airflows, each under its own constraints, and see that no pin changes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dev.released_airflow import ROOT, UV, Environment

PROVIDER = "airflow-provider-mparticle"
# The oldest supported Airflow, and the one that the tests run on.
AIRFLOWS = ("2.11.2", "3.3.2")


def main() -> int:
    """Install into each Airflow; 0 means that all is well."""
    [wheel] = (ROOT / "dist").glob("*.whl")
    problems = [f"Airflow {airflow}: {problem}" for airflow in AIRFLOWS for problem in problems_in(airflow, wheel)]
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{wheel.name} installs into Airflow {' and '.join(AIRFLOWS)} under their constraints.")
    return int(bool(problems))


def problems_in(airflow: str, wheel: Path) -> Iterator[str]:
    """Say what is wrong after the wheel is installed into one bare Airflow."""
    with tempfile.TemporaryDirectory(prefix="bare-airflow-") as folder:
        try:
            bare = Environment(Path(folder) / "env", airflow)
            bare.install_as_of_then(wheel)
            after = bare.installed()
            yield from (
                f"{name} {pin} became {after.get(name)}" for name, pin in bare.pins.items() if after.get(name) != pin
            )
            bare.run(UV, "pip", "check", "--python", bare.python)
            listed = bare.run(bare.python.with_name("airflow"), "providers", "get", PROVIDER, "--output", "json").stdout
            if PROVIDER not in listed:
                yield f"airflow providers get says {listed}"
        except subprocess.CalledProcessError as error:
            yield f"{' '.join(error.cmd)} failed:\n{error.stdout}\n{error.stderr}"


if __name__ == "__main__":
    sys.exit(main())
