"""Simulates the runs of the fake API: in progress after their first poll, then succeeded."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

# A pipeline with this prefix has no run before one is started.
IDLE = "idle-"


@dataclass(frozen=True)
class Habits:
    """
    How the fake API behaves.

    :param latency_s: How long each answer takes, in seconds.
    :param run_s: How long a run is in progress after its first poll, in seconds. Default: forever.
    :param polls: How many polls find a run in progress, instead of *run_s*. Default: *run_s* decides.
    """

    latency_s: float = 0.0
    run_s: float = float("inf")
    polls: int | None = None


@dataclass
class Runs:
    """All runs, by the names that their providers use."""

    habits: Habits
    polls: Counter[str] = field(default_factory=Counter)
    _first_polls: dict[str, float] = field(default_factory=dict)
    _started: set[str] = field(default_factory=set)

    def poll(self, run: str) -> bool:
        """Poll a run, and return whether it has ended."""
        now = time.monotonic()
        began = self._first_polls.setdefault(run, now)
        self.polls[run] += 1
        if self.habits.polls is not None:
            return self.polls[run] > self.habits.polls
        return now - began >= self.habits.run_s

    def start(self, run: str) -> None:
        """Start a run that must be started."""
        self._started.add(run)

    def is_started(self, run: str) -> bool:
        """Return whether a run that must be started has been started."""
        return run in self._started
