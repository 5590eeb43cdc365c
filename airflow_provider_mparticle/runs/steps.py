"""
Work as generators: a generator yields the steps that it wants done, and a driver carries them out.

`drive` does so in a task's thread; in the triggerer's event loop `triggerer.shared_polling` does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from airflow_provider_mparticle.client import driving
from airflow_provider_mparticle.client.endpoints import Call

T = TypeVar("T")

# A poll of several calls whose time is over sends no further one for longer than this.
SHORTEST_CALL_S = 0.1


@dataclass(frozen=True)
class Pause:
    """Wait for so long before the next step. A driver may take longer, if mParticle is under load, but at most so."""

    seconds: float
    at_most: float = math.inf


class RunSource(Protocol):
    """A source of run states: it polls a pipeline, and selects its run from the answer."""

    pipeline_id: str

    @property
    def poll_key(self) -> Hashable:
        """Identifies what is polled: sources with the same key share one poll."""

    def poll(self, sources: Sequence[Any] = ()) -> Steps[Any]:
        """Poll once for all these sources. Default: for this one."""

    def select(self, seen: Any) -> Any:
        """Return the run of this source from the answer to a poll."""


@dataclass(frozen=True)
class Poll:
    """
    Poll once. In a task this is done at once; in the triggerer one poll serves all that wait for the same.

    :param within_s: Seconds after which the wait needs no answer any more.
    """

    source: RunSource
    within_s: float = math.inf


@dataclass(frozen=True)
class FetchDurations:
    """
    Find out how long the last runs of a pipeline took; a triggerer remembers the runs that ended there.

    :param ask: Steps that ask mParticle, in a triggerer once for all; None if that is of no use.
    """

    pipeline_id: str
    ask: Callable[[], Steps[Any]] | None


# What a generator asks of its driver.
Step = Call[Any] | Pause | Poll | FetchDurations
Steps = Generator[Any, Any, T]


def drive(steps: Steps[T], send: Callable[[Call[Any]], Any], sleep: Callable[[float], object]) -> T:
    """Carry out the *steps* in this thread, and return what they end with."""

    def carry_out(step: Step) -> Any:
        match step:
            case Pause():
                return sleep(step.seconds)
            case Poll():
                return drive(step.source.poll(), _within(step.within_s, send), sleep)
            case FetchDurations():
                return drive(step.ask(), send, sleep) if step.ask else None
            case _:
                return send(step)

    return driving.drive(steps, carry_out)


def _within(seconds: float, send: Callable[[Call[Any]], Any]) -> Callable[[Call[Any]], Any]:
    """Return a *send* whose calls together take no longer."""
    if seconds == math.inf:
        return send
    ends_at = time.monotonic() + seconds
    return lambda call: send(replace(call, within_s=max(SHORTEST_CALL_S, ends_at - time.monotonic())))
