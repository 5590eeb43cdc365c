"""
Loads in a thread what waits and watchers need, since the imports would block the triggerer's event loop.

The triggers import this module in the event loop, so it must not import anything slow at its top.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from weakref import WeakKeyDictionary

from airflow_provider_mparticle.client.single_flight import SingleFlight

# While the thread imports, the event loop waits at most this long for the lock of the interpreter, in seconds. Python's
# default is 5 ms, and one pass of the loop may wait for the lock more than once.
SWITCH_INTERVAL_S = 0.0005

_is_loaded = False
_one_thread = threading.Lock()  # of two event loops, since both would change settings of the interpreter
_loads: WeakKeyDictionary[asyncio.AbstractEventLoop, SingleFlight] = WeakKeyDictionary()


async def load() -> None:
    """Import the modules of this folder in a thread, unless that has been done. Callers at the same time share it."""
    if not _is_loaded:
        loads = _loads.setdefault(asyncio.get_running_loop(), SingleFlight())
        await loads.do("modules", partial(asyncio.to_thread, _load))


def _load() -> None:
    global _is_loaded
    with _one_thread, _undisturbed():
        if not _is_loaded:
            from airflow_provider_mparticle.triggerer import run_feed, wait_for_run  # noqa: F401 - for their users

            gc.freeze()
            _is_loaded = True


@contextmanager
def _undisturbed() -> Iterator[None]:
    # A full garbage collection of everything that Airflow has loaded stops all threads for 100 to 200 ms. This import,
    # or a thousand triggers, would cause one. docs/adr/0002 explains these steps and what they cost.
    was_enabled, interval_s = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval_s)
        if was_enabled:
            gc.enable()
