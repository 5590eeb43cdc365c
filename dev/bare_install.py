"""
Installs the wheel into bare Airflows, each under its own constraints, and uses it there.

No pin of Airflow may change, and Airflow must list the provider, its connection type and its hook. The tutorial is
followed in the newest of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dev import tutorial
from dev.released_airflow import ROOT, UV, Environment

PROVIDER = "airflow-provider-mparticle"
# The oldest supported Airflow, and the one that the tests run on and the tutorial is written for.
AIRFLOWS = ("2.11.2", "3.3.2")


def main() -> int:
    """Install into each Airflow, all at the same time, and return the exit code: 0 without problems."""
    [wheel] = (ROOT / "dist").glob("*.whl")
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda airflow: [f"Airflow {airflow}: {one}" for one in problems_in(airflow, wheel)], AIRFLOWS)
        problems = [problem for those in found for problem in those]
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{wheel.name} installs into Airflow {' and '.join(AIRFLOWS)} under their constraints.")
        print(f"Airflow lists the provider, and the tutorial works on Airflow {AIRFLOWS[-1]}.")
    return int(bool(problems))


def problems_in(airflow: str, wheel: Path) -> Iterator[str]:
    """Yield what is wrong after the wheel is installed into one bare Airflow."""
    with tempfile.TemporaryDirectory(prefix="bare-airflow-") as folder:
        try:
            bare = Environment(Path(folder) / "env", airflow)
            bare.install_as_of_then(wheel)
            after = bare.installed()
            yield from (
                f"{name} {pin} became {after.get(name)}" for name, pin in bare.pins.items() if after.get(name) != pin
            )
            bare.run(UV, "pip", "check", "--python", bare.python)
            yield from _problems_of_listing(bare, version=wheel.name.split("-")[1])
            if airflow == AIRFLOWS[-1]:
                bare.install("pip")  # the tutorial installs with it
                reader = Path(folder) / "reader"
                reader.mkdir()
                tutorial.follow(reader, bare.python.parent)
        except subprocess.CalledProcessError as error:
            yield f"{' '.join(error.cmd)} failed:\n{error.stdout}\n{error.stderr}"
        except tutorial.TutorialError as error:
            yield f"the tutorial: {error}"


def _problems_of_listing(bare: Environment, version: str) -> Iterator[str]:
    """Say what a user does not see in Airflow's lists of providers and of hooks."""
    expected: list[tuple[list[str], dict[str, str]]] = [
        (["list"], {"package_name": PROVIDER, "version": version}),
        (["get", PROVIDER], {"Provider": PROVIDER, "Version": version}),
        (["hooks"], {"connection_type": "mparticle", "hook_name": "mParticle", "package_name": PROVIDER}),
    ]
    for words, row in expected:
        command = [bare.python.with_name("airflow"), "providers", *words, "--output", "json"]
        rows: list[dict[str, Any]] = json.loads(bare.run(*command).stdout)
        if not any(row.items() <= one.items() for one in rows):
            yield f"airflow providers {' '.join(words)} has no row with {row}"


if __name__ == "__main__":
    sys.exit(main())
