"""
Defines the steps that a generator yields, and drives them in a task's thread.

Starting a run and waiting for it are generators that do no I/O: they yield steps, and a driver carries these out.
`drive` is the driver of a task; in the triggerer's event loop, `triggerer.shared_polling` is.
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

# The least time that a call may take, in seconds, if earlier calls of the same poll have used up its time.
SHORTEST_CALL_S = 0.1


@dataclass(frozen=True)
class Pause:
    """
    Wait before the next step.

    :param seconds: How long to wait. A driver may wait longer if mParticle is under load.
    :param at_most: The longest that a driver may wait, in seconds. Default: no limit.
    """

    seconds: float
    at_most: float = math.inf


@dataclass(frozen=True)
class SendOnce:
    """Send a call once: the generator itself decides whether to send it again. Only a task's driver knows this step."""

    call: Call[Any]


class RunSource(Protocol):
    """A source of run states: it polls a pipeline, and selects its run from the answer."""

    pipeline_id: str

    @property
    def poll_key(self) -> Hashable:
        """Identifies what is polled: sources with the same key share one poll."""

    def poll(self, sources: Sequence[Any] = ()) -> Steps[Any]:
        """Poll once for all these sources. Default: only for this one."""

    def select(self, seen: Any) -> Any:
        """Return the run of this source from the answer to a poll."""


@dataclass(frozen=True)
class Poll:
    """
    Poll once. In the triggerer, one poll serves all tasks that wait for the same run.

    :param within_s: Seconds after which the answer comes too late for the wait. Default: no limit.
    """

    source: RunSource
    within_s: float = math.inf


@dataclass(frozen=True)
class FetchDurations:
    """
    Get the durations of the last runs of a pipeline. A triggerer remembers the runs whose end it has seen.

    :param ask: Steps that ask mParticle; a triggerer carries them out once for all tasks. None: do not ask.
    """

    pipeline_id: str
    ask: Callable[[], Steps[Any]] | None


# What a generator asks of its driver.
Step = Call[Any] | Pause | Poll | FetchDurations
Steps = Generator[Any, Any, T]


def drive(steps: Steps[T], send: Callable[[Call[Any]], Any], sleep: Callable[[float], object]) -> T:
    """Carry out the *steps* in this thread, and return their result."""

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
    """Return a *send* whose calls, taken together, end within *seconds*."""
    if seconds == math.inf:
        return send
    ends_at = time.monotonic() + seconds
    return lambda call: send(replace(call, within_s=max(SHORTEST_CALL_S, ends_at - time.monotonic())))
