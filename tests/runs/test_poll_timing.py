"""When a run is polled."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from statistics import NormalDist

import pytest

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.poll_timing import (
    RUNS_KEPT,
    RunDurations,
    expected_end,
    jitter,
    jitter_down,
    jitter_up,
    pause_s,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DONE = PipelineRun("orders", 1, state="success", progress=Progress.SUCCEEDED, started_on=NOON, logical_date=NOON)


def polls(poll_interval_s: float, until_s: float, durations_s: list[float]) -> list[float]:
    """The ages of a run, in seconds, at which it is polled."""
    at, elapsed_s = [], 0.0
    while elapsed_s < until_s:
        elapsed_s += pause_s(poll_interval_s, elapsed_s, durations_s)
        at.append(round(elapsed_s, 1))
    return at


# Without known durations


def test_without_durations_steady_pauses_follow_three_polls() -> None:
    """The pauses are half of the poll interval, which is the longest pause."""
    assert [20.0, 60.0, 100.0, 130.0, 160.0, 190.0] == polls(60, 180, [])


def test_a_poll_that_comes_a_little_early_is_not_repeated() -> None:
    """Jitter moves polls, but does not add one."""
    assert pytest.approx(41.0) == pause_s(60, 19.0)


def test_a_run_that_has_been_in_progress_for_long_is_polled_steadily() -> None:
    """A wait that begins late polls as if it had waited from the start of the run."""
    assert 30.0 == pause_s(60, 3600.0)


# With known durations


def test_polls_are_rare_before_the_end_is_expected() -> None:
    """If earlier runs took an hour, the run is polled once a minute during that hour."""
    before = polls(60, 3000, [3600.0] * 3)

    assert [60.0 * n for n in range(1, 51)] == before


def test_the_first_close_poll_comes_within_the_expected_time() -> None:
    """A poll at the very beginning would be too early."""
    earliest_s, latest_s = expected_end([100.0] * 3)
    first = polls(600, 90, [100.0] * 3)[0]

    assert earliest_s < first < latest_s


def test_while_the_end_is_expected_polls_are_close() -> None:
    """These are the polls that find the end."""
    assert pause_s(60, 3600.0, [3600.0] * 3) < 10


@pytest.mark.parametrize(("variation", "least", "most"), [(0.1, 10, 14), (0.3, 17, 24)])
def test_pauses_are_those_of_the_documentation(variation: float, least: float, most: float) -> None:
    """docs/explanation/waiting.md has these figures, for ten runs with these differences."""
    quantiles = [NormalDist().inv_cdf((n + 0.5) / 10) for n in range(10)]

    pause = pause_s(60, 600.0, [600.0 * math.exp(variation * quantile) for quantile in quantiles])

    assert least <= pause <= most


def test_after_the_expected_time_pauses_are_those_without_durations() -> None:
    """A run that takes longer than all earlier ones may take any time."""
    assert 30.0 == pause_s(60, 5000.0, [3600.0] * 3)


def test_the_less_runs_resemble_each_other_the_longer_the_pauses() -> None:
    """The same number of polls is spread over more time."""
    alike, unlike = [95.0, 100.0, 105.0], [50.0, 100.0, 150.0]

    assert pause_s(60, 100.0, alike) < pause_s(60, 100.0, unlike)


def test_an_exceptional_run_does_not_widen_the_expected_time() -> None:
    """One slow run must not cause more polls for the next ten runs."""
    usual = [100.0] * 4

    assert expected_end([*usual, 100.0]) == expected_end([*usual, 5000.0])


def test_the_expected_time_lies_around_the_usual_durations() -> None:
    """With five runs, the margin is 13 % on both sides."""
    assert pytest.approx((87.0, 135.6)) == expected_end([120.0, 10.0, 5000.0, 100.0, 110.0])
    assert pytest.approx((75.0, 125.0)) == expected_end([100.0])


def test_the_expected_time_ends_before_its_last_instant() -> None:
    """From then on, nothing is known."""
    _, latest_s = expected_end([3600.0] * 3)

    assert 30.0 == pause_s(60, latest_s, [3600.0] * 3)


@pytest.mark.parametrize("durations_s", [[], [10.0], [300.0] * 4, [40.0, 4000.0], [0.001]])
def test_no_pause_is_longer_than_the_poll_interval(durations_s: list[float]) -> None:
    """The user has asked for it."""
    ages = itertools.chain(range(1000), range(1000, 100_000, 100))

    pauses = [pause_s(7.0, float(age), durations_s) for age in ages]

    assert 0 < min(pauses)
    assert 7.0 >= max(pauses)


# Jitter


@pytest.mark.parametrize(
    ("chance", "least", "most"),
    [(jitter, 95.0, 105.0), (jitter_down, 50.0, 100.0), (jitter_up, 100.0, 110.0)],
    ids=["jittered", "spread", "late"],
)
def test_a_thousand_tasks_do_not_poll_together(chance, least: float, most: float) -> None:
    """Each pause is a little longer or shorter than the others."""
    taken = [chance(100.0) for _ in range(1000)]

    assert least <= min(taken) < max(taken) <= most
    assert max(taken) - min(taken) > 0.9 * (most - least)


# Durations of earlier runs


def test_a_run_s_length_is_what_mparticle_says() -> None:
    """Our own clock does not matter."""
    durations = RunDurations([replace(DONE, ended_on=NOON + timedelta(seconds=90))])

    assert [90.0] == durations.seconds


def test_a_run_without_any_instant_does_not_hide_the_others() -> None:
    """mParticle may list a run that has not begun."""
    ended = replace(DONE, ended_on=NOON + timedelta(seconds=90))

    assert [90.0] == RunDurations([PipelineRun("orders", 2), ended]).seconds


def test_without_an_end_instant_the_time_of_the_poll_counts() -> None:
    """In mParticle's own examples ended runs have no end instant."""
    durations = RunDurations()

    durations.note(DONE, now=NOON.timestamp() + 75)

    assert [75.0] == durations.seconds


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(DONE, id="no end"),
        pytest.param(replace(DONE, started_on=None, ended_on=NOON), id="no start"),
        pytest.param(replace(DONE, ended_on=NOON), id="no time at all"),
        pytest.param(replace(DONE, ended_on=NOON, progress=Progress.FAILED, started_on=NOON), id="failed"),
        pytest.param(replace(DONE, ended_on=NOON + timedelta(1), progress=Progress.UNDER_WAY), id="in progress"),
    ],
)
def test_a_run_without_a_duration_does_not_count(run: PipelineRun) -> None:
    """The duration of a failed run says nothing about the next run."""
    assert [] == RunDurations([run]).seconds


def test_a_run_counts_once() -> None:
    """Many tasks wait for the same run, and each sees its end."""
    durations = RunDurations()

    for now in (60.0, 61.0, 62.0):
        durations.note(DONE, now=NOON.timestamp() + now)

    assert [60.0] == durations.seconds


def test_the_last_runs_are_kept_whatever_order_they_come_in() -> None:
    """The order of mParticle's list is not documented."""
    runs = [
        replace(
            DONE,
            pipeline_run_id=n,
            logical_date=NOON + timedelta(hours=n),
            ended_on=NOON + timedelta(seconds=n),
        )
        for n in range(1, 31)
    ]

    durations = RunDurations(reversed(runs))

    assert [float(n) for n in range(31 - RUNS_KEPT, 31)] == durations.seconds
