"""
Runs the tests that depend on Airflow on every supported version, and writes the results into the README.

``make versions`` makes an environment for each pair of Airflow and Python and runs the tests there, about five minutes
each. ``docs/reference/versions.json`` has the results, and the README's tables are written from it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dev.released_airflow import ROOT, Environment

RESULTS = ROOT / "docs" / "reference" / "versions.json"
README = ROOT / "README.md"
TABLES = re.compile(r"(<!-- versions: make versions writes this -->\n).*?(<!-- versions: end -->)", re.DOTALL)

# The oldest supported Airflow, the latest of each minor version, and the next one, which may fail.
PAIRS = (
    *(("2.11.2", "3.11"), ("2.11.2", "3.12")),
    *(("3.0.6", "3.11"), ("3.1.8", "3.11"), ("3.2.2", "3.11")),
    *(("3.3.2", "3.11"), ("3.3.2", "3.12"), ("3.3.2", "3.13")),
    ("3.4.0b2", "3.11"),
)

# A feature of this package -> the part of Airflow that it needs: a module and a name in it, a command, or the form of
# our connection.
_CONTEXT, _STREAM = "airflow.sdk.execution_time.context", "airflow.triggers.shared_stream"
_STATES = "airflow.ti_deps.dependencies_states"
FEATURES = {
    "all that is not named below": "airflow.models.dag:DAG",
    "slices by Airflow's own backfill, `airflow backfill create`": "airflow.models.backfill:Backfill",
    "a DAG that starts when mParticle has run a pipeline": "airflow.triggers.base:BaseEventTrigger",
    "the same for a run that ended while no triggerer was running": f"{_STREAM}:SharedStreamManager",
    "the command `airflow mparticle`; before, `python -m airflow_provider_mparticle`": "airflow mparticle --help",
    "slices of DAG runs with a partition date": "airflow.timetables.trigger:CronPartitionTimetable",
    # 3.2.0 and 3.2.1 lack it (read in their source): the scheduler counts EXECUTION_STATES there.
    "`max_active` of `mparticle_sync_group` counts deferred tasks (from 3.2.2 on)": f"{_STATES}:ACTIVE_STATES",
    "a connection form that marks what is required and lists the pods": "connection form",
    "the record of a start is kept by Airflow itself; before, by a variable": f"{_CONTEXT}:TaskStateStoreAccessor",
    "rules for retries by our errors": "airflow.sdk.definitions.retry_policy:RetryRule",
}

PROBE = """
import importlib, json, pathlib, subprocess, sys, warnings
warnings.simplefilter("ignore")
import airflow

def has(place):
    if place.startswith("airflow "):
        command = [pathlib.Path(sys.executable).with_name("airflow"), *place.split()[1:]]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    if place == "connection form":
        if not has("airflow.api_fastapi.core_api.services.ui.connections:HookMetaService"):
            return False
        from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
        [ours] = [one for one in HookMetaService.hook_meta_data() if one.connection_type == "mparticle"]
        return "enum" in (ours.extra_fields or {}).get("pod", {}).get("schema", {})
    module, _, name = place.partition(":")
    try:
        return hasattr(importlib.import_module(module), name)
    except ImportError:
        return False

places = json.loads(sys.argv[1])
print(json.dumps({what: has(place) for what, place in places.items()}))
"""


@dataclass
class Result:
    """
    The result for one pair of versions.

    :param not_run: Why the tests have not run. Default: they have.
    :param features: Which of `FEATURES` this Airflow has.
    """

    airflow: str
    python: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    day: str = ""
    not_run: str = ""
    features: dict[str, bool] = field(default_factory=dict)

    @property
    def is_prerelease(self) -> bool:
        return bool(re.search("[a-z]", self.airflow))

    @property
    def key(self) -> tuple[str, str]:
        """The requested pair. The version of Python here has a patch number too."""
        return self.airflow, ".".join(self.python.split(".")[:2])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the requested pairs, and return the exit code: 0 if only tests on an Airflow before its release failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", default="", help="run the pairs that begin with this, for example 3.1 or 3.3.2-py3.12"
    )
    parser.add_argument(
        "--environments", type=Path, default=ROOT / ".venv-versions", help="where environments are kept"
    )
    parser.add_argument("--tables", action="store_true", help="only write the README's tables again")
    parser.add_argument("ignored", nargs="*", help="files and folders below tests/ that are the same on every Airflow")
    options = parser.parse_args(arguments)
    known = {result.key: result for result in read()}
    new = []
    for airflow, python in () if options.tables else PAIRS:
        if f"{airflow}-py{python}".startswith(options.only):
            new.append(_run(airflow, python, options.environments, options.ignored))
            known[new[-1].key] = new[-1]
            write([known[pair] for pair in PAIRS if pair in known])
    README.write_text(with_tables(README.read_text(), read()))
    return int(any(result.failed or result.not_run for result in new if not result.is_prerelease))


def read() -> list[Result]:
    """Return the results so far."""
    return [Result(**one) for one in json.loads(RESULTS.read_text())] if RESULTS.exists() else []


def write(results: list[Result]) -> None:
    """Store the results."""
    RESULTS.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")


def with_tables(page: str, results: list[Result]) -> str:
    """Return a page with both tables written again between their marks."""
    return TABLES.sub(lambda found: f"{found[1]}{_tables(results)}{found[2]}", page)


def features_of(python: Path) -> dict[str, bool]:
    """Return which of `FEATURES` the Airflow of an interpreter has."""
    with tempfile.TemporaryDirectory() as home:
        command = [str(python), "-c", PROBE, json.dumps(FEATURES)]
        env = {**os.environ, "AIRFLOW_HOME": home}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def _tables(results: list[Result]) -> str:
    ran = ["| Airflow | Python | tests that depend on Airflow | day |", "|---|---|---|---|"]
    ran += [f"| {one.airflow} | {one.python} | {_outcome(one)} | {one.day} |" for one in results]
    needs = ["| feature | from Airflow |", "|---|---|"]
    needs += [f"| {what} | {_since(what, results)} |" for what in FEATURES]
    return "\n".join([*ran, "", *needs, ""])


def _outcome(result: Result) -> str:
    if result.not_run:
        return result.not_run
    failed = f"**{result.failed} failed**, " if result.failed else ""
    return f"{failed}{result.passed} passed, {result.skipped} skipped"


def _since(what: str, results: list[Result]) -> str:
    """Return the minor version from which on every Airflow has a feature."""
    lacking = [result.airflow for result in results if result.features and not result.features[what]]
    having = [result.airflow for result in results if result.features and result.features[what]]
    since = [airflow for airflow in having if all(_number(airflow) > _number(other) for other in lacking)]
    return ".".join(min(since, key=_number).split(".")[:2]) if since else "none of these"


def _number(airflow: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", airflow)[:3]))


def _run(airflow: str, python: str, environments: Path, ignored: Sequence[str]) -> Result:
    print(f"Airflow {airflow}, Python {python} ...", flush=True)
    result = Result(airflow, python, day=f"{datetime.now(UTC):%Y-%m-%d}")
    try:
        interpreter = _environment(airflow, python, environments)
    except subprocess.CalledProcessError as error:
        result.not_run = f"not run: {error.stderr.strip().splitlines()[0] if error.stderr else error}"
        return result
    said = subprocess.run([interpreter, "--version"], capture_output=True, text=True, check=True).stdout
    result.python = said.split()[1]
    result.features = features_of(interpreter)
    _count(result, _junit(interpreter, ignored))
    print(_outcome(result), flush=True)
    return result


def _environment(airflow: str, python: str, environments: Path) -> Path:
    """Return the interpreter of an environment, which is made if it does not exist."""
    folder = environments / f"{airflow}-py{python}"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        Environment(folder, airflow, python).install_beside("--editable", ".", "--group", "test")
        (folder / "ready").touch()
    return folder / "bin" / "python"


def _junit(interpreter: Path, ignored: Sequence[str]) -> Any:
    """Run the tests, and return pytest's report."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [str(interpreter), "-m", "pytest", "-q", "-n", "4", "--dist", "loadfile", "-m", "not slow"]
        command += ["-p", "no:cacheprovider", f"--junitxml={report}", *(f"--ignore=tests/{one}" for one in ignored)]
        subprocess.run(command, check=False, cwd=ROOT)
        return ET.parse(report).getroot().find("testsuite")  # noqa: S314 - pytest has just written it


def _count(result: Result, suite: Any) -> None:
    tests, failures, errors, skipped = (int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped"))
    result.failed, result.skipped = failures + errors, skipped
    result.passed = tests - result.failed - skipped


if __name__ == "__main__":
    sys.exit(main())
