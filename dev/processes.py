"""Measures the memory, files and processor time of a process; 0 if it has ended."""

from __future__ import annotations

import psutil


def memory_of(process: psutil.Process) -> int:
    """Return its memory in bytes (PSS): what it shares with others is divided among them."""
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def open_files_of(process: psutil.Process) -> int:
    """Return how many files and sockets it has open."""
    try:
        return int(process.num_fds())
    except psutil.Error:
        return 0


def processor_time_of(process: psutil.Process) -> float:
    """Return for how many seconds it has used a processor."""
    try:
        times = process.cpu_times()
        return float(times.user + times.system)
    except psutil.Error:
        return 0.0
