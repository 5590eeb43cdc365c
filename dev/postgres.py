"""A PostgreSQL server of our own, for an Airflow with more tasks at once than SQLite bears."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dev.standalone import free_port


def postgres_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, or None where it is not installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    debian = sorted(glob.glob("/usr/lib/postgresql/*/bin"))  # noqa: PTH207 - Path cannot glob from the root
    return Path(debian[-1]) if debian else None


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """
    Run a PostgreSQL server whose files lie in *folder*, and yield SQLAlchemy's address of its database.

    :raises FileNotFoundError: PostgreSQL is not installed (Debian: ``apt-get install postgresql``).
    """
    programs = postgres_programs()
    if programs is None:
        raise FileNotFoundError("PostgreSQL is not installed; on Debian: apt-get install postgresql")
    folder.mkdir(parents=True)
    port = free_port()
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
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


def _run(*command: str | Path) -> None:
    as_postgres = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    # No pipes: the server would hold them open, and we would wait for their end for ever.
    subprocess.run([*as_postgres, *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/")
