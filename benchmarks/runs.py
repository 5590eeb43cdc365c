"""The runs behind the fake API: under way from the first look at them, then ended well."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

# A pipeline whose name begins so has no run before one is started.
IDLE = "idle-"


@dataclass(frozen=True)
class Habits:
    """
    How the fake API behaves.

    :param latency_s: How long each answer takes, in seconds.
    :param run_s: How long a run is under way after the first look at it, in seconds. Default: forever.
    :param looks: How many looks find a run under way, whatever *run_s* says. Default: *run_s* decides.
    """

    latency_s: float = 0.0
    run_s: float = float("inf")
    looks: int | None = None


@dataclass
class Runs:
    """All runs, by whatever their provider calls them."""

    habits: Habits
    looks: Counter[str] = field(default_factory=Counter)
    _first_looks: dict[str, float] = field(default_factory=dict)
    _started: set[str] = field(default_factory=set)

    def look(self, run: str) -> bool:
        """Look at a run, and tell whether it has ended."""
        now = time.monotonic()
        began = self._first_looks.setdefault(run, now)
        self.looks[run] += 1
        if self.habits.looks is not None:
            return self.looks[run] > self.habits.looks
        return now - began >= self.habits.run_s

    def start(self, run: str) -> None:
        """Start a run that waits to be started."""
        self._started.add(run)

    def is_started(self, run: str) -> bool:
        """Tell whether a run that waits to be started has been."""
        return run in self._started
