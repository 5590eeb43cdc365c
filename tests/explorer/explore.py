"""
Explores schedules of the real tasks, shrinks those that break an invariant, and prints them as a readable log.

``make explore`` plays about 100,000; ``python tests/explorer/explore.py --help`` lists the arguments.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from choices import SETUP, Choices, Schedule, drawn, exhaustive, shrink  # noqa: E402 - after the change of sys.path
from explorer_world import World  # noqa: E402 - after the change of sys.path

from airflow_provider_mparticle.hooks import MParticleHook  # noqa: E402 - after the change of sys.path
from airflow_provider_mparticle.tasks import record_store, sync_slice, task_context  # noqa: E402 - after the change of sys.path
from airflow_provider_mparticle.triggerer import loading, wait_for_run  # noqa: E402 - after the change of sys.path

_perf = time.perf_counter


def _once(function: Callable[..., Any], key: Callable[..., Any]) -> Callable[..., Any]:
    """Call a function once per key for all schedules: rendering and parsing SQL takes longer than everything else."""
    results: dict[Any, Any] = {}

    def call(*args: Any, **options: Any) -> Any:
        known = key(*args)
        if known not in results:
            results[known] = function(*args, **options)
        return results[known]

    return call


_rendered = _once(sync_slice.rendered, lambda operator, argument, _, *bounds: (getattr(operator, argument), bounds))
_restricted = _once(sync_slice.restrict_to_slice, lambda *args: repr(args))
_validated = _once(sync_slice.validated, lambda *args: repr(args))


class _Variables:
    """Airflow's variables, as the running task accesses them."""

    def __init__(self, worlds: list[World]) -> None:
        self._worlds = worlds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._worlds[-1].actor.variables, name)


@contextlib.contextmanager
def stage() -> Iterator[list[World]]:
    """Connect hooks and triggers to the world that is being played, which is the last one in the yielded list."""
    worlds: list[World] = []

    def client(_: Any) -> Any:
        return worlds[-1].client

    def shared_client(_: str) -> Any:
        return worlds[-1].actor.triggerer.shared_client()

    with (
        mock.patch.object(MParticleHook, "get_conn", client),
        mock.patch.object(wait_for_run, "shared_client", shared_client),
        mock.patch.object(loading, "_is_loaded", True),
        mock.patch.object(task_context, "state_in_database", lambda *args: worlds[-1].state_in_database(*args)),
        mock.patch.object(record_store, "Variable", _Variables(worlds)),
        mock.patch.object(sync_slice, "rendered", _rendered),
        mock.patch.object(sync_slice, "restrict_to_slice", _restricted),
        mock.patch.object(sync_slice, "validated", _validated),
        mock.patch("time.sleep", lambda seconds: worlds[-1].sleep(seconds)),
        mock.patch("time.monotonic", lambda: worlds[-1].now),  # noqa: PT008 - it moves
    ):
        yield worlds


def play(worlds: list[World], choices: Choices) -> str | None:
    """Play one schedule and return the invariant that it breaks, if any."""
    random.seed(1)  # for the jitter of pauses
    worlds[:] = [World(choices)]
    worlds[-1].play()
    return worlds[-1].judge.violation


def story(worlds: list[World], schedule: Schedule) -> str:
    """Return the readable log of a schedule."""
    choices = Choices(schedule)
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if worlds and record.name.startswith(("airflow_provider", "airflow.task")):
                worlds[-1].say(f"    [{worlds[-1].actor.name if worlds[-1].actor else '-'}] {record.getMessage()}")

    handler = Handler()
    logging.disable(logging.NOTSET)
    logger = logging.getLogger()
    level, handlers = logger.level, logger.handlers
    logger.setLevel(logging.INFO)
    logger.handlers = [handler]  # no logger writes to the terminal
    try:
        play(worlds, choices)
    finally:
        logger.handlers = handlers
        logger.setLevel(level)
        logging.disable(logging.CRITICAL)
    for (label, number), _ in choices.taken.items():
        lines.append(f"  {label} (time {number + 1}): {choices.names[label, number]}")
    return "\n".join(["schedule:", *lines, "log:", *worlds[-1].log])


def signature(schedule: Schedule, kind: str) -> tuple[str, ...]:
    """Return what identifies a violation: the invariant and the labels of the minimal schedule."""
    return (kind, *sorted({label for label, _ in schedule}))


def main() -> int:
    """Explore and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=2000, help="random schedules")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--depth", type=int, default=1, help="choices of the exhaustive part")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after this time")
    parser.add_argument("--stories", type=int, default=30, help="how many violations to print")
    parser.add_argument("--brief", action="store_true", help="print schedules without their logs")
    parser.add_argument("--set", nargs="*", default=[], metavar="LABEL=OPTION", help="fix a choice of the setup")
    options = parser.parse_args()
    base = {(SETUP + label, 0): int(option) for label, _, option in (one.partition("=") for one in options.set)}
    logging.disable(logging.CRITICAL)
    began, played, found, declared = _perf(), 0, {}, Counter()
    with stage() as worlds:
        run = lambda choices: play(worlds, choices)  # noqa: E731 - a short name
        for choices, kind in (
            item
            for source in (exhaustive(run, base, options.depth), drawn(run, base, options.seed, options.schedules))
            for item in source
        ):
            played += 1
            declared.update(
                filter(None, [worlds[-1].judge.allowed, worlds[-1].judge.ambiguous and "StartAmbiguousError"])
            )
            if kind:
                minimal = shrink(run, dict(choices.taken), kind)
                found.setdefault(signature(minimal, kind), [minimal, 0])[1] += 1
            if _perf() - began > options.seconds:
                break
        for (kind, *_), (minimal, times) in sorted(found.items(), key=lambda item: (len(item[1][0]), -item[1][1]))[
            : options.stories
        ]:
            told = story(worlds, minimal)
            brief = told.partition("log:")[0] + told.splitlines()[-1]
            print(f"\n=== {kind}, {times} times\n{brief if options.brief else told}")
    print(
        f"\n{played} schedules in {_perf() - began:.0f} s, {len(found)} kinds of violation, declared: {dict(declared)}"
    )
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
