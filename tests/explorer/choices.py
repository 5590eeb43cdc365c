"""
Makes the choices of one schedule: the explorer decides wherever the world could continue in several ways.

A choice is identified by its label and by how often that label occurred before, so that a schedule is readable, and
stays valid if other choices are removed. Option 0 of every choice is the uneventful one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")
Key = tuple[str, int]
# A schedule: the choices that are not option 0, by the option's index or by its name.
Schedule = Mapping[Key, int | str]
# Labels of the choices before anything happens.
SETUP = "setup: "


@dataclass
class Choices:
    """
    Makes the choices of a schedule, and records them.

    :param schedule: The options to take; every other choice is option 0, or drawn.
    :param rng: Draws the choices that the schedule does not name. Default: option 0.
    :param chance: Probability that a drawn choice is not option 0, except in the setup.
    """

    schedule: Schedule = field(default_factory=dict)
    rng: random.Random | None = None
    chance: float = 0.05
    taken: dict[Key, int] = field(default_factory=dict)
    sizes: dict[Key, int] = field(default_factory=dict)
    names: dict[Key, str] = field(default_factory=dict)
    _seen: Counter[str] = field(default_factory=Counter)

    def choose(self, label: str, options: Sequence[T]) -> T:
        """Return one of the options."""
        key = label, self._seen[label]
        self._seen[label] += 1
        chosen = self.schedule.get(key)
        if isinstance(chosen, str):
            chosen = [str(option) for option in options].index(chosen)
        index = (self._drawn(label, len(options)) if self.rng else 0) if chosen is None else chosen
        index = min(index, len(options) - 1)
        self.sizes[key] = len(options)
        if index:
            self.taken[key] = index
            self.names[key] = str(options[index])
        return options[index]

    def _drawn(self, label: str, size: int) -> int:
        assert self.rng
        if label.startswith(SETUP):
            return self.rng.randrange(size) if self.rng.random() < 0.5 else 0
        return self.rng.randrange(1, size) if size > 1 and self.rng.random() < self.chance else 0


# Plays a schedule, and returns its choices and the violation that was found, or None.
Play = Callable[[Choices], str | None]


def exhaustive(play: Play, base: Schedule, depth: int) -> Iterator[tuple[Choices, str | None]]:
    """
    Play every schedule that differs from *base* by at most *depth* choices.

    Each schedule is extended only after its last choice, so none is played twice.
    """
    waiting: list[tuple[Schedule, int, int]] = [(base, 0, depth)]
    while waiting:
        schedule, first, left = waiting.pop()
        choices = Choices(schedule)
        yield choices, play(choices)
        if not left:
            continue
        points = [(key, size) for key, size in choices.sizes.items()]
        for place in range(first, len(points)):
            key, size = points[place]
            if key in schedule:
                continue
            waiting += [({**schedule, key: option}, place + 1, left - 1) for option in range(1, size)]


def drawn(play: Play, base: Schedule, seed: int, count: int) -> Iterator[tuple[Choices, str | None]]:
    """Play *count* schedules that are drawn at random around *base*; equal seeds draw equal ones."""
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")  # noqa: S311 - not for secrets
        choices = Choices(base, rng, chance=rng.choice((0.02, 0.05, 0.12)))
        yield choices, play(choices)


def shrink(play: Play, schedule: Schedule, kind: str, plays: int = 300) -> Schedule:
    """
    Return a minimal schedule that breaks the same invariant: none of its choices can be left out or lowered.

    :param plays: About how many schedules to play for it; a few that wait for days take a second each.
    """
    smallest = dict(schedule)
    for label in sorted({label for label, _ in schedule}):  # whole labels first, which is faster
        without = {key: option for key, option in smallest.items() if key[0] != label}
        if len(without) < len(smallest) and play(Choices(without)) == kind:
            smallest = without
    changed = True
    while changed and plays > 0:
        changed = False
        for key in list(smallest):
            plays -= 1
            without = {other: option for other, option in smallest.items() if other != key}
            lower = ({**smallest, key: option} for option in range(1, int(smallest.get(key, 1))))
            for candidate in (without, *lower):
                if key in smallest and play(Choices(candidate)) == kind:
                    smallest, changed = candidate, True
                    break
    return smallest
