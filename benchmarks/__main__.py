"""Runs all measurements and writes the report, for ``make bench``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks import (
    cpu,
    documents,
    imports,
    machine,
    memory,
    one_task,
    peers,
    picture,
    polling,
    report,
    stalls,
    thousand,
    waiters,
)
from benchmarks.environments import HOME, Environment, MeasurementError
from benchmarks.fake_api_control import fake_api


def main() -> int:
    """Run all measurements, and return the exit code: 0 if a report was written."""
    began = time.monotonic()
    troubles = {name: _make(Environment(name)) for name in peers.NAMES}
    left_out = {name: trouble for name, trouble in troubles.items() if trouble}
    if peers.OURS in left_out:
        return 1
    measured = _measure([Environment(name) for name in peers.NAMES if name not in left_out])
    measured["left_out"] = left_out
    (HOME / "measured.json").write_text(json.dumps(measured, indent=1))  # every single value
    report.write(measured)
    picture.draw(measured, report.HERE / report.PICTURE)
    for target in report.targets(measured):
        print(f"  {target.verdict.strip('*'):<12}  {target.what}: {target.row[2]}, wanted {target.row[1]}")
    print(f"Written in {(time.monotonic() - began) / 60:.1f} minutes: {report.RESULTS}")
    return 0


def _make(environment: Environment) -> str:
    """Create an environment, and return the error that prevented it, or an empty text."""
    _say(f"environment of {environment.peer.title}")
    try:
        environment.make()
    except MeasurementError as error:
        _say(f"  {error}")
        return str(error)
    return ""


def _measure(made: list[Environment]) -> dict[str, Any]:
    ours = made[0]
    measured: dict[str, Any] = {
        "machine": machine.description(),
        "versions": {environment.name: environment.versions() for environment in made},
        "idle_stall": f"{machine.idle_stall_s() * report.MS:.1f}",
    }
    with fake_api() as api:
        scenarios: dict[str, Callable[[], Any]] = {
            "imports": lambda: imports.results(made),
            "dag_file": lambda: imports.dag_file_results(ours),
            "stalls": lambda: stalls.results(made, api, lookup_s=0.0),
            "stalls_slow_lookups": lambda: stalls.results(made, api, lookup_s=stalls.SLOW_LOOKUP_S),
            "thousand": lambda: thousand.results(ours, api),
            "cpu": lambda: cpu.results(made, api),
            "memory": lambda: memory.results(made, api),
            "one_task": lambda: one_task.results(ours, api),
            "waiters": lambda: waiters.results(made),
            "polling": polling.results,
            "documents": documents.results,
        }
        for name, measure in scenarios.items():
            _say(f"measuring {name.replace('_', ' ')}")
            began = time.monotonic()
            measured[name] = measure()
            _say(f"  took {time.monotonic() - began:.0f} s")
    return measured


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
