"""No schedule of the real tasks, on models of mParticle and Airflow, breaks an invariant, unless it is declared."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from choices import SETUP, Choices, drawn, exhaustive
from declared import DECLARED
from explore import play, stage, story
from known_schedules import KNOWN, schedule

from airflow_provider_mparticle.runs import start

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "exactly-once.md"
# A busy machine plays fewer schedules in this time; `make explore` plays them all.
SECONDS = 25.0
_clock = time.perf_counter  # the stage replaces other clocks


@pytest.fixture
def worlds() -> Iterator[list]:
    """The function that plays schedules."""
    logging.disable(logging.CRITICAL)
    with stage() as worlds:
        yield worlds
    logging.disable(logging.NOTSET)


@pytest.mark.slow
def test_no_schedule_with_one_event_breaks_an_invariant(worlds):
    """Most faults come alone, so all of these are played."""
    setups = [
        {},
        {"tasks": "two slices"},
        {"version": "Airflow 2.11", "tasks": "two triggers", "if_running": "wait"},
        {"deferrable": "True", "tells the id": "False", "list lag": "20.0"},
    ]
    until = _clock() + SECONDS
    played = 0
    for choices, broken in chain.from_iterable(
        exhaustive(lambda choices: play(worlds, choices), schedule(setup), 1) for setup in setups
    ):
        assert not broken, story(worlds, choices.taken)
        played += 1
        if played > 100 and _clock() > until:
            break
    assert played > 100


@pytest.mark.slow
def test_no_random_schedule_breaks_an_invariant(worlds):
    """Faults come together, too."""
    until = _clock() + SECONDS
    for number, (choices, broken) in enumerate(drawn(lambda choices: play(worlds, choices), {}, 1, 3000)):
        assert not broken, story(worlds, choices.taken)
        if number > 100 and _clock() > until:
            break


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN.keys())
def test_a_schedule_that_broke_an_invariant_once_breaks_none_now(worlds, known):
    """Each represents a kind of violation that the explorer has found."""
    choices = Choices(known)
    broken = play(worlds, choices)

    assert not broken, story(worlds, known)
    assert known.keys() == choices.taken.keys(), "the schedule no longer reaches what it names"


def test_the_explorer_finds_a_start_that_is_repeated_too_early(worlds, monkeypatch):
    """An explorer that finds nothing in broken code would be useless."""
    monkeypatch.setattr(start, "LOOKUP_PAUSES_S", (0.2, 0.5))
    lost = schedule({"list lag": "20.0"}, ("A asks POST trigger_pipeline, fate", 1, "done, answer lost"))

    assert any(broken for _, broken in exhaustive(lambda choices: play(worlds, choices), lost, 1))


def test_equal_schedules_play_equally(worlds):
    """A violation must be the same when it is shrunk and printed."""
    first = [(choices.taken, broken, worlds[-1].log) for choices, broken in drawn(_player(worlds), {}, 3, 20)]
    second = [(choices.taken, broken, worlds[-1].log) for choices, broken in drawn(_player(worlds), {}, 3, 20)]

    assert first == second


def _player(worlds):
    return lambda choices: play(worlds, choices)


def test_the_page_lists_exactly_what_the_explorer_allows():
    """Users rely on the list of exceptions."""
    ends = PAGE.read_text().partition("## Where it ends")[2].partition("\n## ")[0]

    assert [*DECLARED] == re.findall(r"^- \*\*(.+?)\.\*\*", ends, re.MULTILINE)


def test_labels_of_the_setup_are_known_before_anything_happens(worlds):
    """A choice that is set by hand must be one of the setup."""
    choices = Choices()
    play(worlds, choices)

    assert {"version", "tasks", "if_running"} <= {
        label.removeprefix(SETUP) for label, _ in choices.sizes if label.startswith(SETUP)
    }
