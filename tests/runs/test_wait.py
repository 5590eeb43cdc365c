"""What ends a wait, when it polls again, and what it logs meanwhile."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from api_answers import Api, status
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import (
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RunLostError,
    RunTimeoutError,
    ServerError,
)
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs import poll_timing
from airflow_provider_mparticle.runs.coverage import CoverageLookup
from airflow_provider_mparticle.runs.outcome import MISSING_GRACE_S
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.steps import drive
from airflow_provider_mparticle.runs.wait import (
    BACKSTOP_S,
    RunMonitor,
    backstop,
    deadline_of,
    wait,
    wait_briefly,
    wait_out_refusals,
)
from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUNNING = PipelineRun("orders", 7, state="running", logical_date=NOON)
DONE = replace(RUNNING, state="success", progress=Progress.SUCCEEDED, successful_records=10)
MISSING = NotFoundError("no such run", status=404)
AWAY = ServerError("503", status=503)


def kind_of(outcome):
    return outcome and (type(outcome.error) if outcome.error else "success")


# Waiting


class Clock:
    """A clock that only pauses advance."""

    def __init__(self):
        self.now = 0.0
        self.paused = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.paused.append(seconds)
        self.now += seconds


def waited(*polls, poll_interval_s=10.0, deadline=1000.0, retry_after_s=None, runs=MISSING, **options):
    """Wait for run 7 with the given answers to polls, the last of them for ever."""
    clock, api = Clock(), Api(pipeline_run=list(polls), pipeline_runs=[runs], pipeline_status=[MISSING])
    monitor = RunMonitor(RunLookup("orders", 7), deadline, clock.now, **options)
    steps = wait(monitor, poll_interval_s=poll_interval_s, clock=clock, retry_after_s=retry_after_s)
    return drive(steps, api.send, clock.sleep), clock, api


def test_a_wait_polls_at_once_and_ends_with_the_run():
    """A run that has already ended needs no pause."""
    outcome, clock, _ = waited(DONE)

    assert ("success", []) == (kind_of(outcome), clock.paused)


@pytest.mark.parametrize(("retry_after_s", "least", "most"), [(0.0, 10 / 6, 10 / 3), (30.0, 30.0, 33.0)])
def test_a_wait_after_a_poll_of_the_worker_begins_with_a_pause(retry_after_s, least, most):
    """The worker has just polled, and mParticle may have asked it to wait."""
    _, clock, _ = waited(DONE, retry_after_s=retry_after_s)

    [pause_s] = clock.paused
    assert least <= pause_s <= most


def test_a_wait_ends_at_its_deadline_and_not_a_pause_later():
    """The last pause is shortened."""
    outcome, clock, _ = waited(RUNNING, poll_interval_s=60.0, deadline=100.0)

    assert (RunTimeoutError, pytest.approx(100.0)) == (kind_of(outcome), clock.now)


def test_after_its_deadline_a_wait_polls_once():
    """A retry after the deadline may still find that the run has ended."""
    outcome, clock, api = waited(DONE, deadline=-1.0)

    assert ("success", 0.0, 1) == (kind_of(outcome), clock.now, len(api.asked))


def test_a_wait_that_ends_early_tells_the_run_as_it_was_last_seen():
    """A task knows before its deadline that it would be stopped there."""
    monitor = RunMonitor(RunLookup("orders", 7), deadline=1000.0, began=0.0)
    drive(monitor.poll(lambda: 1.0), Api(pipeline_run=[RUNNING]).send, lambda _: None)

    outcome = monitor.timed_out()

    assert (RunTimeoutError, RUNNING.as_dict()) == (kind_of(outcome), outcome.run)


@pytest.mark.parametrize("answer", [status(None), AWAY, MISSING], ids=["no run", "away", "missing"])
def test_a_wait_for_a_covering_run_says_at_its_deadline_what_it_waited_for(answer):
    """It has no run to name."""
    clock, api = Clock(), Api(pipeline_status=[answer], pipeline_runs=[MISSING])
    monitor = RunMonitor(CoverageLookup("orders", NOON), 50.0, clock.now)

    outcome = drive(wait(monitor, poll_interval_s=10.0, clock=clock), api.send, clock.sleep)

    assert RunTimeoutError is kind_of(outcome)
    assert f"No run of pipeline 'orders' that covers {NOON.isoformat()} had succeeded" in str(outcome.error)
    assert (answer is AWAY, answer is MISSING) == tuple(
        f"failed: {word}" in str(outcome.error) for word in (AWAY, MISSING)
    )


def test_a_missing_run_is_lost_after_the_grace():
    """A pipeline's status answers 404 for a minute after the pipeline was created."""
    outcome, clock, _ = waited(MISSING)

    assert RunLostError is kind_of(outcome)
    assert MISSING_GRACE_S < clock.now <= MISSING_GRACE_S + 11


def test_a_run_that_is_found_again_is_not_lost():
    """The grace period begins when the run was last seen."""
    missing = [MISSING] * 15
    outcome, clock, _ = waited(*missing, RUNNING, *missing, DONE)

    assert "success" == kind_of(outcome)
    assert MISSING_GRACE_S < clock.now


REFUSED = PermissionDeniedError("403")


REFUSALS = st.lists(st.sampled_from([REFUSED, MISSING]), max_size=9)  # they last less than the grace


@given(st.lists(st.tuples(REFUSALS, st.sampled_from([RUNNING, AWAY])), max_size=5))
def test_refused_polls_end_no_wait_if_another_answer_comes_within_the_grace(polls):
    """The run is fine, so its task must not fail because of a firewall."""
    answers = [answer for refusals, other in polls for answer in (*refusals, other)]

    outcome, _, _ = waited(RUNNING, *answers, DONE, deadline=1e6)

    assert "success" == kind_of(outcome)


@given(st.lists(st.tuples(REFUSALS, st.sampled_from([RUNNING, AWAY])), max_size=5))
def test_a_wait_that_remembers_nothing_polls_until_it_is_answered(polls):
    """A rescheduled sensor begins anew with each poll, so it cannot know how long earlier polls were refused."""
    answers = [answer for refusals, other in polls for answer in (*refusals, other)]
    clock, api = Clock(), Api(pipeline_run=[*answers, DONE], pipeline_runs=[MISSING], pipeline_status=[MISSING])

    for _ in polls:
        monitor = RunMonitor(RunLookup("orders", 7), 1e6, clock.now, polls=1)
        outcome, _ = drive(wait_out_refusals(monitor, pause_s=9.0, clock=clock), api.send, clock.sleep)
        assert outcome is None
        clock.sleep(1000.0)

    monitor = RunMonitor(RunLookup("orders", 7), 1e6, clock.now, polls=1)
    outcome, _ = drive(wait_out_refusals(monitor, pause_s=9.0, clock=clock), api.send, clock.sleep)
    assert "success" == kind_of(outcome)


@pytest.mark.parametrize(("refusal", "kind"), [(REFUSED, PermissionDeniedError), (MISSING, RunLostError)])
def test_a_wait_that_remembers_nothing_ends_with_a_refusal_that_lasts_or_at_its_deadline(refusal, kind):
    """It uses a worker slot for as long."""
    for deadline, expected, latest_s in ((1e6, kind, MISSING_GRACE_S + 10), (30.0, RunTimeoutError, 31.0)):
        clock, api = Clock(), Api(pipeline_run=[refusal], pipeline_runs=[MISSING], pipeline_status=[MISSING])
        monitor = RunMonitor(RunLookup("orders", 7), deadline, clock.now, polls=1)
        outcome, _ = drive(wait_out_refusals(monitor, pause_s=9.0, clock=clock), api.send, clock.sleep)

        assert (expected, True) == (kind_of(outcome), clock.now <= latest_s)


def test_a_refusal_that_lasts_ends_the_wait_with_its_own_error():
    """The API user may have lost a role."""
    outcome, clock, _ = waited(RUNNING, REFUSED)

    assert PermissionDeniedError is kind_of(outcome)
    assert MISSING_GRACE_S < clock.now <= MISSING_GRACE_S + 22


def test_an_outage_does_not_count_as_missing():
    """Only mParticle itself can say that the run does not exist."""
    outcome, _, _ = waited(MISSING, *[AWAY] * 50, MISSING, DONE)

    assert "success" == kind_of(outcome)


def test_a_pause_that_mparticle_asks_for_is_kept():
    """It is longer than the poll interval, and an earlier request would only prolong the refusal."""
    _, clock, _ = waited(RateLimitedError("429", retry_after_s=30.0), RUNNING, DONE)

    assert 30.0 <= clock.paused[0] <= 33.0
    assert [pytest.approx(5.0, rel=poll_timing.JITTER)] == clock.paused[1:]


def test_a_pause_that_mparticle_asks_for_does_not_outlast_the_deadline():
    """The wait must not exceed the deadline."""
    outcome, clock, _ = waited(RateLimitedError("429", retry_after_s=500.0), deadline=20.0)

    assert (RunTimeoutError, 20.0) == (kind_of(outcome), clock.now)


def test_failed_polls_are_logged_at_first_and_then_rarely_with_a_count(caplog):
    """An outage of a night must not fill the log, but must be in it."""
    with caplog.at_level(logging.INFO):
        waited(RUNNING, *[AWAY] * 25, DONE)

    said = [record.args[-1] for record in caplog.records if record.levelno == logging.WARNING]
    assert [1, 10, 20] == said
    assert {AWAY} == {record.args[0] for record in caplog.records if record.levelno == logging.WARNING}
    assert "mParticle answers again after 25 failed polls." in caplog.messages


def test_a_state_is_logged_only_when_it_changes(caplog):
    """The log reports changes of the run, not each poll."""
    queued = replace(RUNNING, state="queued")
    with caplog.at_level(logging.INFO):
        waited(queued, queued, RUNNING, RUNNING, RUNNING, DONE)

    assert ["queued", "running"] == [record.args[-1] for record in caplog.records]


def test_an_unknown_state_is_logged_once_with_what_to_do(caplog):
    """A user whose task waits for ever must learn that the state is unknown here."""
    warming = replace(RUNNING, state="pre_warming", is_state_known=False)
    with caplog.at_level(logging.WARNING):
        waited(warming, warming, RUNNING, DONE)

    [said] = caplog.messages
    assert "'pre_warming'" in said
    assert "run_states" in said


# Deadlines


@pytest.mark.parametrize(
    ("execution_timeout", "deadline"),
    [(None, 160.0), (timedelta(seconds=20), 120.0), (timedelta(seconds=90), 160.0)],
    ids=["timeout only", "execution_timeout is shorter", "timeout is shorter"],
)
def test_the_shorter_limit_counts(execution_timeout, deadline):
    """Airflow's ``execution_timeout`` does not limit a deferred task, so the wait does."""
    assert deadline == deadline_of(100.0, 60.0, execution_timeout)


def test_the_backstop_comes_after_the_deadline():
    """Airflow's own limit ends a task without a message about its run."""
    assert timedelta(seconds=30 + BACKSTOP_S) == backstop(130.0, 100.0)
    assert timedelta(seconds=BACKSTOP_S) == backstop(90.0, 100.0)


def test_an_instant_without_a_zone_is_utc():
    """A deadline in the zone of the machine would be wrong by hours."""
    for written in (NOON, NOON.replace(tzinfo=None), NOON.timestamp()):
        trigger = MParticlePipelineRunTrigger("mparticle_default", "orders", 7, 60, written)

        assert NOON.timestamp() == trigger.deadline


# Reading the durations of earlier runs


def runs_of(length_s):
    return [
        replace(DONE, pipeline_run_id=n, started_on=NOON, ended_on=NOON + timedelta(seconds=length_s)) for n in (1, 2)
    ]


def test_unknown_durations_are_read_once_when_the_second_poll_finds_the_run_in_progress():
    """A short wait does not need the request, and a long wait sends it once."""
    _, clock, api = waited(*[RUNNING] * 6, DONE, runs=runs_of(60.0))

    assert ["pipeline_run", "pipeline_run", "pipeline_runs"] == api.asked[:3]
    assert 1 == api.asked.count("pipeline_runs")
    assert [pytest.approx(10.0, rel=poll_timing.JITTER)] * 3 == clock.paused[1:4]  # the end is not expected yet


@pytest.mark.usefixtures("_tokyo")
def test_the_durations_of_the_week_before_the_run_are_asked_for():
    """A triggerer remembers them by their pipeline."""
    monitor = RunMonitor(RunLookup("orders", 7), 1000.0, NOON.timestamp(), polls=1)
    drive(monitor.poll(lambda: 1.0), Api(pipeline_run=[RUNNING]).send, lambda _: None)

    asked = next(monitor.fetch_durations())
    request = next(asked.ask())

    assert ("orders", {"pipeline_id": "orders"}) == (asked.pipeline_id, request.ids)
    assert NOON - timedelta(days=7) == datetime.fromisoformat(request.params["startDate"])


@pytest.mark.parametrize("runs", [[], MISSING], ids=["no run", "no such route"])
def test_durations_that_were_not_found_are_not_read_again(runs):
    """The first run of a pipeline has no earlier runs."""
    _, _, api = waited(*[RUNNING] * 6, DONE, runs=runs)

    assert 1 == api.asked.count("pipeline_runs")


@pytest.mark.parametrize("durations_s", [[], [5.0]], ids=["there were none", "known"])
def test_known_durations_are_not_read(durations_s):
    """The list before the start has shown the durations."""
    _, _, api = waited(*[RUNNING] * 6, DONE, durations_s=durations_s)

    assert {"pipeline_run"} == {*api.asked}


def test_durations_are_not_read_before_the_run_exists():
    """The request is sent after the run has appeared."""
    api = Api(pipeline_status=[status(None)] * 3 + [status(RUNNING)], pipeline_run=[RUNNING, DONE], pipeline_runs=[[]])
    clock = Clock()
    monitor = RunMonitor(RunLookup("orders"), 1000.0, clock.now)

    drive(wait(monitor, poll_interval_s=10.0, clock=clock), api.send, clock.sleep)

    assert [*["pipeline_status"] * 4, "pipeline_runs", "pipeline_run", "pipeline_run"] == api.asked


def test_a_run_s_age_counts_from_its_start_not_from_the_wait_s():
    """A wait that begins late polls often when the end of the run is near."""
    clock = Clock()
    clock.now = NOON.timestamp() + 95.0
    api = Api(pipeline_run=[replace(RUNNING, started_on=NOON), DONE])
    monitor = RunMonitor(RunLookup("orders", 7), clock.now + 1000.0, clock.now, durations_s=[100.0] * 3)

    drive(wait(monitor, poll_interval_s=60.0, clock=clock), api.send, clock.sleep)

    assert clock.paused[0] < 10.0


def test_a_start_in_the_future_is_ignored():
    """mParticle's clock may be ahead of ours."""
    clock = Clock()
    clock.now = NOON.timestamp() - 5.0
    api = Api(pipeline_run=[replace(RUNNING, started_on=NOON), DONE])
    monitor = RunMonitor(RunLookup("orders", 7), clock.now + 1000.0, clock.now)

    drive(wait(monitor, poll_interval_s=60.0, clock=clock), api.send, clock.sleep)

    assert [pytest.approx(20.0, rel=poll_timing.JITTER)] == clock.paused


def waited_briefly(*polls, poll_interval_s=1.0, durations_s=(), within_s=10.0):
    """Wait in a worker for run 7 with the given answers to polls, the last of them for ever."""
    clock, api = Clock(), Api(pipeline_run=list(polls))
    monitor = RunMonitor(RunLookup("orders", 7), 1000.0, clock.now, durations_s)
    steps = wait_briefly(monitor, poll_interval_s=poll_interval_s, clock=clock, within_s=within_s)
    outcome, retry_after_s = drive(steps, api.send, clock.sleep)
    return outcome, retry_after_s, clock, api


def test_a_worker_waits_for_a_run_that_is_likely_to_end_before_a_deferred_task_could_resume():
    """Its end is seen earlier, and the task need not start again."""
    outcome, _, clock, _ = waited_briefly(RUNNING, RUNNING, DONE, durations_s=[4.0] * 3)

    assert "success" == kind_of(outcome)
    assert clock.now < 10.0


@pytest.mark.parametrize("durations_s", [(), [60.0], [2.0, 60.0]], ids=["unknown", "long", "short or long"])
def test_a_worker_polls_once_if_it_is_not_likely_that_the_run_ends_soon(durations_s):
    """A wait in the worker holds its slot."""
    outcome, _, clock, api = waited_briefly(RUNNING, DONE, durations_s=durations_s)

    assert (None, 0.0, 1) == (outcome, clock.now, len(api.asked))


def test_a_worker_does_not_hold_its_slot_for_a_pause_that_mparticle_asks_for():
    """The triggerer can wait for it."""
    away = RateLimitedError("429", retry_after_s=300.0)

    outcome, retry_after_s, clock, api = waited_briefly(away, DONE, durations_s=[2.0] * 3)

    assert (None, 300.0, 0.0, 1) == (outcome, retry_after_s, clock.now, len(api.asked))


@given(
    st.floats(0.01, 100.0),
    st.lists(st.floats(0.01, 30.0), max_size=6),
    st.floats(0.0, 40.0),
    st.lists(st.sampled_from([RUNNING, RateLimitedError("429", retry_after_s=3.0), ServerError("502")]), max_size=5),
)
def test_a_worker_never_waits_longer_than_it_should_nor_pauses_longer_than_poll_interval(
    poll_interval_s, durations_s, within_s, polls
):
    """For any durations, any pauses that mParticle asks for, and any failed polls."""
    _, _, clock, _ = waited_briefly(
        *polls, RUNNING, poll_interval_s=poll_interval_s, durations_s=durations_s, within_s=within_s
    )

    assert clock.now <= within_s
    assert all(pause_s <= max(poll_interval_s, 3.3) for pause_s in clock.paused)


@given(st.floats(0.001, 100.0), st.lists(st.floats(0.01, 300.0), max_size=6))
def test_the_first_pause_of_a_trigger_is_not_longer_than_poll_interval(poll_interval_s, durations_s):
    """The trigger delays its event, but not its polls."""
    _, clock, _ = waited(RUNNING, DONE, poll_interval_s=poll_interval_s, durations_s=durations_s, retry_after_s=0.0)

    assert all(pause_s <= poll_interval_s for pause_s in clock.paused)


# Pauses


@given(
    poll_interval_s=st.floats(0.05, 3600),
    began_before_s=st.floats(-1e7, 1e7),
    durations_s=st.none() | st.lists(st.floats(0.001, 1e6), max_size=12),
    jumps=st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=12),
    started=st.none() | st.datetimes(NOON.replace(tzinfo=None, year=2020), timezones=st.just(UTC)),
    retry_after_s=st.none() | st.just(0.0),
)
def test_no_pause_is_longer_than_the_poll_interval_whatever_the_clocks_say(
    poll_interval_s, began_before_s, durations_s, jumps, started, retry_after_s
):
    """The clock of a triggerer may differ from the worker's, or be set while a run is polled."""
    clock = JumpingClock(jumps)
    api = Api(
        pipeline_run=[*[replace(RUNNING, started_on=started)] * len(jumps), DONE],
        pipeline_runs=[[replace(DONE, started_on=NOON, ended_on=NOON + timedelta(seconds=90))]],
    )
    monitor = RunMonitor(RunLookup("orders", 7), 1e12, clock() + began_before_s, durations_s)
    steps = wait(monitor, poll_interval_s=poll_interval_s, clock=clock, retry_after_s=retry_after_s)

    drive(steps, api.send, clock.sleep)

    assert clock.paused
    assert all(0 <= pause_s <= poll_interval_s for pause_s in clock.paused)


class JumpingClock(Clock):
    """A clock that is set forward or back at each pause."""

    def __init__(self, jumps):
        super().__init__()
        self.now = NOON.timestamp()
        self._jumps = iter(jumps)

    def sleep(self, seconds):
        super().sleep(seconds + next(self._jumps, 0.0))
        self.paused[-1] = seconds
