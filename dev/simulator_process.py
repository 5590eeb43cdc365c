"""Runs a simulator in its own process, so that it and the trial that uses it do not wait for each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from multiprocessing.managers import BaseManager, BaseProxy
from typing import Any, cast

from airflow_provider_mparticle.simulator import Simulator


class _ServedSimulator(Simulator):
    """A simulator whose `start` returns nothing: an object with locks cannot leave its process."""

    def start(self) -> None:  # type: ignore[override]  # the base class returns itself
        """Serve. After a stop, use the same port again."""
        super().start()


class _RemoteSimulator(BaseProxy):
    """Uses the simulator of the other process as if it were in this one."""

    def __getattr__(self, name: str) -> Any:
        if isinstance(getattr(Simulator, name, None), property):
            return self._callmethod("__getattribute__", (name,))
        return partial(self._call, name)

    def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self._callmethod(name, args, kwargs)


class _Manager(BaseManager):
    """The other process."""


_Manager.register(
    "simulator",
    _ServedSimulator,
    proxytype=_RemoteSimulator,
    exposed=["__getattribute__", *(name for name in dir(Simulator) if not name.startswith("_"))],
)


@contextmanager
def simulator_process(**options: Any) -> Iterator[Simulator]:
    """
    Run a simulator in its own process until the end of the block.

    :param options: The parameters of :class:`~airflow_provider_mparticle.simulator.Simulator`.
    """
    # A new interpreter: a forked process would inherit locks that other threads hold.
    with _Manager(ctx=get_context("spawn")) as manager:
        simulator = cast(Simulator, manager.simulator(**options))  # type: ignore[attr-defined]  # made by register()
        simulator.start()
        yield simulator
        simulator.stop()
