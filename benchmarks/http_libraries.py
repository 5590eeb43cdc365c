"""
Measures what HTTP libraries cost: the processor time of 1,000 small GETs, and of the import.

Run it with ``python -m benchmarks.http_libraries``. docs/adr/0003 shows its figures. The server is the fake API, in its
own process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from benchmarks import machine
from benchmarks.environments import HOME, ROOT, UV
from benchmarks.fake_api_control import fake_api
from benchmarks.figures import figure, table
from benchmarks.http_gets import AT_ONCE, GETS, WAYS

LIBRARIES = ("requests", "aiohttp", "httpx", "httpx2")
PROCESSES = 5
FOLDER = HOME / "http-libraries"
PYTHON = FOLDER / "bin" / "python"


def main() -> int:
    """Measure, and print a table."""
    if not PYTHON.exists():
        _run(UV, "venv", "--quiet", "--python", sys.executable, str(FOLDER))
    _run(UV, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(PYTHON), *LIBRARIES)
    with fake_api() as api:
        api.begin()
        # The ways take turns, so that a busy minute of the machine affects all of them.
        rounds = [{way: _measure(way, f"{api.url}/plain/runs/1") for way in WAYS} for _ in range(1 + PROCESSES)][1:]
    for name, value in machine.description().items():
        print(f"- {name}: {value}")
    print(f"\n{GETS:,} GETs, {AT_ONCE} at once where the library can, {PROCESSES} processes each\n")
    print(table(("library", "CPU, s", "import, CPU ms", "modules"), (_row(way, rounds) for way in WAYS)))
    return 0


def _row(way: str, rounds: list[dict[str, dict[str, Any]]]) -> tuple[str, ...]:
    measured = [one[way] for one in rounds]
    title = f"{way} ({measured[0]['version']})"
    return title, *(
        str(figure(measured, key, scale)) for key, scale in (("cpu_s", 1), ("import_s", 1e3), ("modules", 1))
    )


def _measure(way: str, url: str) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(ROOT)
    command = (str(PYTHON), "-m", "benchmarks.http_gets", way, url)
    printed = subprocess.run(command, env=environment, cwd=FOLDER, check=True, capture_output=True, text=True).stdout
    figures: dict[str, Any] = json.loads(printed)
    return figures


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
