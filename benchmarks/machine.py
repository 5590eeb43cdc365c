"""Describes the machine of the measurements, and measures its own noise."""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.stall_meter import StallMeter

HERE = Path(__file__).parent
WATCHED_S = 5.0


def description() -> dict[str, str]:
    """Return machine, system and date, by name."""
    return {
        "commit": _commit(),
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "processor": f"{os.cpu_count()} x {_after('/proc/cpuinfo', 'model name')}",
        "memory": f"{int(_after('/proc/meminfo', 'MemTotal').split()[0]) / 1024**2:.0f} GB",
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "load at the start": f"{os.getloadavg()[0]:.1f} (below 0.5 is a quiet machine)",
    }


def idle_stall_s() -> float:
    """Return the worst stall of an event loop that does nothing, in seconds."""
    return asyncio.run(_watch())


async def _watch() -> float:
    async with StallMeter() as meter:
        await asyncio.sleep(WATCHED_S)
    return meter.worst_s()


def _commit() -> str:
    """Return the measured commit, with a plus if the checkout has changes."""
    asked = subprocess.run(
        ["git", "describe", "--always", "--dirty=+"], cwd=HERE, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "unknown"


def _after(path: str, name: str) -> str:
    """Return the value of a name in a file of Linux, for example /proc/meminfo."""
    for line in Path(path).read_text().splitlines():
        if line.startswith(name):
            return line.partition(":")[2].strip()
    return "unknown"
