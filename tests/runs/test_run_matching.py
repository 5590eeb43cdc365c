"""Which run a request started, by time, on two clocks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.run_matching import (
    CLOCK_TOLERANCE_S,
    LATE_S,
    SHOWN_BEFORE_S,
    STARTS_WITHIN_S,
    UNKNOWN_CLOCK_TOLERANCE_S,
    Match,
    find_matches,
    is_scheduled,
    match,
)

SENT = 1_772_000_000.0
REQUEST = (SENT,)
SKEWS = st.floats(-3600, 3600)


def run(began, **facts):
    return PipelineRun("orders", 7, started_on=datetime.fromtimestamp(began, UTC), **facts)


@given(st.floats(0, STARTS_WITHIN_S), SKEWS, st.floats(-0.5, 0.5), st.booleans())
def test_a_run_that_a_request_started_is_ours_whatever_the_clocks_say(delay, skew, error, cuts_seconds):
    """The Date header shows the skew to about half a second, and instants may have no fractions."""
    began = SENT + delay + skew
    started = run(int(began) if cuts_seconds else began)

    assert Match.OURS is match(started, REQUEST, skew + error)


@given(st.one_of(st.floats(-1e6, -CLOCK_TOLERANCE_S - 2), st.floats(LATE_S + CLOCK_TOLERANCE_S + 2, 1e6)), SKEWS)
def test_a_run_that_began_at_another_time_is_not_ours(delay, skew):
    """Others start runs of the same pipeline before and after."""
    assert Match.NOT_OURS is match(run(SENT + delay + skew), REQUEST, skew)


@given(st.floats(STARTS_WITHIN_S + CLOCK_TOLERANCE_S + 2, LATE_S))
def test_a_run_that_began_a_little_later_may_be_ours(delay):
    """A request may be delayed, and others may start a run; the two look the same."""
    assert Match.MAYBE is match(run(SENT + delay), REQUEST, 0.0)


@pytest.mark.parametrize("word", ["scheduled", "Scheduled", " SCHEDULED "])
def test_a_scheduled_run_is_never_ours(word):
    """mParticle's own schedule started it."""
    assert is_scheduled(run(SENT, type=word))
    assert Match.NOT_OURS is match(run(SENT, type=word), REQUEST, 0.0)


@given(st.one_of(st.none(), st.text()).filter(lambda word: (word or "").strip().lower() != "scheduled"))
def test_any_other_type_word_may_name_a_triggered_run(word):
    """Only `scheduled` is documented as the type of runs that are not triggered."""
    assert Match.OURS is match(run(SENT, type=word), REQUEST, 0.0)


def test_a_failed_run_is_ours_or_of_no_interest():
    """A task without a run starts one, whether the failed run may be its own or not."""
    failed = run(SENT + 30, progress=Progress.FAILED)

    found = find_matches([failed, run(SENT)], REQUEST, 0.0, lambda _: True)

    assert ((run(SENT),), ()) == (found.ours, found.maybe)


def test_a_run_in_progress_without_a_start_is_ours():
    """mParticle says nothing that speaks against it; the caller leaves out the runs from before."""
    assert Match.OURS is match(PipelineRun("orders", 7), REQUEST, 0.0)


@given(
    ended=st.floats(-1e7, 1e4) | st.none(),
    logical=st.floats(-1e7, 1e4) | st.none(),
    skew=SKEWS,
    progress=st.sampled_from([Progress.SUCCEEDED, Progress.FAILED]),
)
def test_an_ended_run_without_a_start_is_ours_only_if_something_shows_that_it_is_new(ended, logical, skew, progress):
    """The reads before the request go back two days only. An older run that succeeded must not end the task well."""
    at = {"ended_on": ended, "logical_date": logical}
    shown = {name: datetime.fromtimestamp(SENT + skew + s, UTC) for name, s in at.items() if s is not None}

    how = match(PipelineRun("orders", 7, progress=progress, **shown), REQUEST, skew)

    if how is Match.OURS:
        assert ended >= -CLOCK_TOLERANCE_S - 1 if ended is not None else logical >= -SHOWN_BEFORE_S - 60
    if how is Match.NOT_OURS:
        assert ended < 0
    if (ended or 0) > 1 or (ended is None and (logical or -1e9) > -86_000):
        assert how is Match.OURS


def test_an_old_run_without_a_start_is_not_taken_for_ours():
    """It ended ten days ago, and mParticle shows no other run."""
    days_ago = datetime.fromtimestamp(SENT, UTC) - timedelta(days=10)
    old = PipelineRun("orders", 7, progress=Progress.SUCCEEDED, logical_date=days_ago)

    assert Match.MAYBE is match(old, REQUEST, 0.0)
    assert Match.NOT_OURS is match(replace(old, ended_on=days_ago), REQUEST, 0.0)


@pytest.mark.parametrize(("skew_s", "tolerance_s"), [(0.0, CLOCK_TOLERANCE_S), (None, UNKNOWN_CLOCK_TOLERANCE_S)])
def test_the_bounds_belong_to_the_range(skew_s, tolerance_s):
    """Without a Date header the clocks may differ by more."""
    bounds = {
        -tolerance_s: (Match.NOT_OURS, Match.OURS),
        STARTS_WITHIN_S + tolerance_s: (Match.OURS, Match.MAYBE),
        LATE_S + tolerance_s: (Match.MAYBE, Match.NOT_OURS),
    }
    for bound, (before, after) in bounds.items():
        at_bound = after if bound < 0 else before
        found = [match(run(SENT + bound + step), REQUEST, skew_s) for step in (-0.01, 0.0, 0.01)]

        assert [before, at_bound, after] == found


@given(st.lists(st.floats(-200, 200), max_size=4), SKEWS | st.none())
def test_a_run_is_ours_if_any_of_several_requests_may_have_started_it(sent_before, skew):
    """The best match counts: a request that was lost long ago says nothing about a run of now."""
    requests = [SENT - seconds for seconds in sent_before]
    started = run(SENT + (skew or 0.0))

    found = [match(started, (sent_at,), skew) for sent_at in requests]

    best = [how for how in (Match.OURS, Match.MAYBE) if how in found]
    assert (best or [Match.NOT_OURS])[0] is match(started, requests, skew)


def test_runs_are_sorted_by_what_they_may_be():
    """A run that the caller does not accept, for example one from before the request, is neither."""
    ours, maybe, old = run(SENT), run(SENT + 30), run(SENT + 1)

    found = find_matches([old, maybe, ours], REQUEST, 0.0, lambda one: one is not old)

    assert ((ours,), (maybe,)) == (found.ours, found.maybe)
