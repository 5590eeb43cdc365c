"""
Builds the distribution twice, compares the results, and checks contents and dependencies.

Run it with ``make package``. The checked wheel and source distribution are then in ``dist/``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "airflow_provider_mparticle"
EXAMPLES = "example_dags"
# What a source distribution must contain: the code, its tests, and the instructions to run them.
IN_SDIST = (
    *(
        "Makefile",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "LICENSE",
        "pyproject.toml",
        ".ci/run",
    ),
    *("dev/package.py", "benchmarks/__main__.py", "docs/index.md", "example_dags/trigger_and_wait.py"),
    *("tests/conftest.py", f"{PACKAGE}/py.typed"),
)
# Our dependencies. Airflow chooses its own dependencies.
DEPENDENCIES = ("requests", "tenacity", "aiohttp")
LICENCES = re.compile(r"\b(Apache|BSD|MIT|MPL|PSF|Python Software Foundation|ISC|Unlicense|0BSD)\b", re.IGNORECASE)
# 2020-01-01. Any fixed date after 1980 is possible: zip files do not support earlier dates.
BUILD_DATE = "1577836800"


def main() -> int:
    """Build and check, and return the exit code: 0 without problems."""
    with tempfile.TemporaryDirectory() as folder:
        first, second = (_built(Path(folder) / name) for name in ("first", "second"))
        problems = [
            *(f"{name} differs between two builds" for name in first if _digest(first[name]) != _digest(second[name])),
            *_problems_of_wheel(next(path for name, path in first.items() if name.endswith(".whl"))),
            *_problems_of_sdist(next(path for name, path in first.items() if name.endswith(".tar.gz"))),
            *_problems_of_licences(),
        ]
        _run("twine", "check", "--strict", *map(str, first.values()))
        _run("uv", "pip", "check", "--python", sys.executable)
        if not problems:
            shutil.rmtree(ROOT / "dist", ignore_errors=True)
            (ROOT / "dist").mkdir()
            for name, path in first.items():
                shutil.copy(path, ROOT / "dist")
                print(f"{_digest(path)}  dist/{name}")
    print("\n".join(problems) or "Built twice, the same both times; contents, licences and dependencies are in order.")
    return 1 if problems else 0


def _built(folder: Path) -> dict[str, Path]:
    _run("build", "--installer", "uv", "--outdir", str(folder), str(ROOT), SOURCE_DATE_EPOCH=BUILD_DATE)
    return {path.name: path for path in sorted(folder.iterdir())}


def _run(module: str, *arguments: str, cwd: str | None = None, **environment: str) -> None:
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, "PATH": tools, **environment}, check=False, capture_output=True, text=True
    )
    print(f"{module} {arguments[0]}: {done.stdout.strip().rpartition(chr(10))[2]}", flush=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _problems_of_wheel(wheel: Path) -> Iterator[str]:
    """Name what is missing from a wheel, and what should not be in it; copy the examples out of it as a user does."""
    with zipfile.ZipFile(wheel) as archive, tempfile.TemporaryDirectory() as folder:
        names = set(archive.namelist())
        archive.extractall(folder)  # noqa: S202 - built a moment ago
        copies = Path(folder, "copies")
        _run(PACKAGE, "examples", "--copy", str(copies), cwd=folder)
        copied = {f"{EXAMPLES}/{path.name}" for path in copies.iterdir()}
    examples = _tracked(EXAMPLES)
    yield from (f"the command examples does not copy {name}" for name in sorted(examples - copied))
    expected = _tracked(PACKAGE) | {f"{PACKAGE}/{name}" for name in examples}
    yield from (f"{wheel.name} lacks {name}" for name in sorted(expected - names))
    others = {name for name in names - expected if ".dist-info/" not in name}
    yield from (f"{wheel.name} holds {name}, which is not in git" for name in sorted(others))


def _tracked(folder: str) -> set[str]:
    """Return the files of a folder that are in git."""
    listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(listed.stdout.split())


def _problems_of_sdist(sdist: Path) -> Iterator[str]:
    """Return what is missing in a source distribution."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    yield from (f"{sdist.name} lacks {name}" for name in IN_SDIST if name not in names)


def _problems_of_licences() -> Iterator[str]:
    """Print the licences of our dependencies, and return those that users may not want."""
    for name in sorted(_with_dependencies(DEPENDENCIES)):
        licence = _licence(metadata.metadata(name))
        print(f"{name:<24} {licence[:60]}")
        if not LICENCES.search(licence):
            yield f"{name} has the licence {licence!r}; decide whether users can accept it"


def _with_dependencies(names: tuple[str, ...]) -> set[str]:
    found: set[str] = set()
    to_do = [*names]
    while to_do:
        name = to_do.pop()
        try:
            requirements = metadata.requires(name) or []
        except metadata.PackageNotFoundError:  # needed on another Python or system only
            continue
        if name not in found:
            found.add(name)
            needed = (line for line in requirements if "extra ==" not in line)
            to_do += [match[0].lower() for line in needed if (match := re.match(r"[A-Za-z0-9._-]+", line))]
    return found


def _licence(about: metadata.PackageMetadata) -> str:
    classifiers = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or [] if "License ::" in line]
    return (
        about.get("License-Expression") or ", ".join(classifiers) or (about.get("License") or "unknown").split("\n")[0]
    )


if __name__ == "__main__":
    sys.exit(main())
