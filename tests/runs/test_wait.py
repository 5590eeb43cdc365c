"""What ends a wait and what does not, when to look again, and what is said meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.driving import adrive
from airflow_provider_mparticle.client.errors import (
    AuthenticationError,
    InvalidRequestError,
    MParticleError,
    NoAnswerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RunFailedError,
    RunLostError,
    RunTimeoutError,
    ServerError,
    UnreadableAnswerError,
)
from airflow_provider_mparticle.client.models import PipelineRun, PipelineStatus
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs import poll_timing
from airflow_provider_mparticle.runs.outcome import MISSING_GRACE_S, Outcome, evaluate_error, evaluate_run
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.steps import Pause, drive
from airflow_provider_mparticle.runs.wait import BACKSTOP_S, RunMonitor, backstop, deadline_of, wait, wait_briefly
from airflow_provider_mparticle.triggers import as_epoch

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUNNING = PipelineRun("orders", 7, state="running", logical_date=NOON)
DONE = replace(RUNNING, state="success", progress=Progress.SUCCEEDED, successful_records=10)
FAILED = replace(
    RUNNING, state="failed", progress=Progress.FAILED, errors=("Column x.",), successful_records=1, failed_records=2
)
MISSING = NotFoundError("no such run", status=404)
AWAY = ServerError("503", status=503)


def kind_of(outcome):
    return outcome and (type(outcome.error) if outcome.error else "success")


# What a state or an error means


@pytest.mark.parametrize(
    ("run", "now", "outcome"),
    [
        pytest.param(RUNNING, 0.0, None, id="under way"),
        pytest.param(replace(RUNNING, state="warming_up"), 0.0, None, id="an unknown word"),
        pytest.param(replace(RUNNING, ended_on=NOON), 0.0, None, id="an end instant without an end word"),
        pytest.param(DONE, 0.0, "success", id="success"),
        pytest.param(FAILED, 0.0, RunFailedError, id="failed"),
        pytest.param(RUNNING, 10.0, RunTimeoutError, id="under way at the deadline"),
        pytest.param(DONE, 11.0, "success", id="success after the deadline"),
        pytest.param(FAILED, 11.0, RunFailedError, id="failed after the deadline"),
    ],
)
def test_the_state_word_decides_and_the_deadline_comes_second(run, now, outcome):
    """Ended runs may come without an end instant, as in mParticle's own examples."""
    assert outcome == kind_of(evaluate_run(run, now, deadline=10.0))


def test_a_failed_run_carries_everything_that_is_known_of_it():
    """Whoever is woken needs the reason and the counts."""
    error = evaluate_run(FAILED, 0.0, 10.0).error

    assert ("orders", 7, "failed", 1, 2, ("Column x.",)) == (
        error.pipeline_id,
        error.pipeline_run_id,
        error.state,
        error.successful_records,
        error.failed_records,
        error.reasons,
    )
    assert "Column x." in str(error)


@pytest.mark.parametrize(
    ("error", "missing_for_s", "now", "outcome"),
    [
        pytest.param(AWAY, 0.0, 0.0, None, id="5xx"),
        pytest.param(NoAnswerError("reset"), 0.0, 0.0, None, id="no answer"),
        pytest.param(UnreadableAnswerError("html"), 0.0, 0.0, None, id="an unreadable answer"),
        pytest.param(RateLimitedError("429"), 0.0, 0.0, None, id="429"),
        pytest.param(MISSING, 90.0, 0.0, None, id="404 within the grace"),
        pytest.param(MISSING, 90.1, 0.0, RunLostError, id="404 after the grace"),
        pytest.param(AuthenticationError("401"), 0.0, 0.0, AuthenticationError, id="a refused login"),
        pytest.param(PermissionDeniedError("403"), 0.0, 0.0, PermissionDeniedError, id="403"),
        pytest.param(InvalidRequestError("400"), 0.0, 0.0, InvalidRequestError, id="400"),
        pytest.param(AWAY, 0.0, 10.0, RunTimeoutError, id="5xx at the deadline"),
        pytest.param(MISSING, 1.0, 10.0, RunTimeoutError, id="404 at the deadline"),
    ],
)
def test_trouble_ends_a_wait_only_if_waiting_cannot_help(error, missing_for_s, now, outcome):
    """An unreachable API is not a failed run."""
    assert outcome == kind_of(evaluate_error(error, RUNNING, missing_for_s, now, deadline=10.0))


def test_a_pipeline_that_is_not_found_is_no_lost_run():
    """Without a run id nothing was lost: the pipeline is not there."""
    outcome = evaluate_error(MISSING, PipelineRun("orders"), 91.0, 0.0, 10.0)

    assert MISSING is outcome.error


# Events


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome(DONE.as_dict()),
        evaluate_run(FAILED, 0.0, 10.0),
        evaluate_run(RUNNING, 10.0, 10.0),
        evaluate_error(MISSING, RUNNING, 91.0, 0.0, 10.0),
        Outcome(RUNNING.as_dict(), RateLimitedError("slow", status=429, retry_after_s=2.0, reasons=("slow down",))),
    ],
    ids=["success", "failed", "timed out", "lost", "rate limited"],
)
def test_an_outcome_survives_its_way_as_an_event(outcome):
    """Airflow stores events as JSON, and the task raises the same error as the trigger met."""
    read = Outcome.from_event(json.loads(json.dumps(outcome.as_event())))

    assert (outcome.run, type(outcome.error), str(outcome.error)) == (read.run, type(read.error), str(read.error))
    assert (outcome.error and outcome.error.facts()) == (read.error and read.error.facts())


GOOD_RUN = DONE.as_dict()
GOOD_ERROR = evaluate_run(FAILED, 0.0, 10.0).as_event()


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(None, id="None"),
        pytest.param("success", id="a text"),
        pytest.param([], id="a list"),
        pytest.param({}, id="empty"),
        pytest.param({"status": "done", "run": GOOD_RUN}, id="unknown status"),
        pytest.param({"run": GOOD_RUN}, id="no status"),
        pytest.param({"status": "success"}, id="no run"),
        pytest.param({"status": "success", "run": None}, id="run None"),
        pytest.param({"status": "success", "run": {"pipeline_id": "orders", "state": "success"}}, id="no run id"),
        pytest.param({"status": "error", "run": GOOD_RUN}, id="no error"),
        pytest.param({**GOOD_ERROR, "error": None}, id="error None"),
        pytest.param({**GOOD_ERROR, "error": {**GOOD_ERROR["error"], "kind": "Surprise"}}, id="unknown error kind"),
        pytest.param({**GOOD_ERROR, "error": {**GOOD_ERROR["error"], "facts": {}}}, id="no facts"),
        pytest.param(
            {**GOOD_ERROR, "error": {**GOOD_ERROR["error"], "facts": {"reasons": [], "colour": 1}}}, id="unknown fact"
        ),
        pytest.param({"status": "error", "error": GOOD_ERROR["error"]}, id="error without a run"),
    ],
)
def test_an_event_that_is_none_of_ours_is_refused(event):
    """A task that falls through to success knows nothing of its run."""
    with pytest.raises(MParticleError, match="does not say how the run ended"):
        Outcome.from_event(event)


# Finding the run


class Api:
    """Answers each route with what it holds for it, the last of it for ever, and writes down who asked."""

    def __init__(self, **answers):
        self.answers = answers
        self.asked = []

    def send(self, call):
        self.asked.append(call.route)
        answers = self.answers[call.route]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def poll(self, lookup):
        return lookup.select(drive(lookup.poll(), self.send, lambda _: None))


def status(run):
    return PipelineStatus("orders", latest_pipeline_run=run)


def test_a_run_is_asked_for_by_its_id():
    """One request for each look."""
    api = Api(pipeline_run=[RUNNING])

    assert RUNNING == api.poll(RunLookup("orders", 7))
    assert ["pipeline_run"] == api.asked


def test_a_missing_route_to_one_run_is_replaced_by_the_list_for_good():
    """Which run routes v2 has is assumed; the detour is taken once."""
    api = Api(pipeline_run=[MISSING], pipeline_runs=[[DONE, RUNNING]])
    lookup = RunLookup("orders", "7")

    found = [api.poll(lookup), api.poll(lookup)]

    assert [DONE, DONE] == found
    assert ["pipeline_run", "pipeline_runs", "pipeline_runs"] == api.asked


def test_missing_run_routes_are_replaced_by_the_status_for_good():
    """The one route that every version has."""
    api = Api(pipeline_run=[MISSING], pipeline_runs=[MISSING], pipeline_status=[status(RUNNING)])
    lookup = RunLookup("orders", 7)

    found = [api.poll(lookup), api.poll(lookup)]

    assert [RUNNING, RUNNING] == found
    assert ["pipeline_run", "pipeline_runs", "pipeline_status", "pipeline_status"] == api.asked


@pytest.mark.parametrize("shown", [None, replace(DONE, pipeline_run_id=8)], ids=["no run", "another run"])
def test_a_status_without_our_run_does_not_find_it(shown):
    """The latest run by logical date need not be ours, and its end must not pass for the end of ours."""
    api = Api(pipeline_run=[MISSING], pipeline_runs=[[]], pipeline_status=[status(shown)])

    with pytest.raises(NotFoundError, match=r"Run 7 .* is not to be found") as raised:
        api.poll(RunLookup("orders", 7))

    assert ("orders", 7) == (raised.value.pipeline_id, raised.value.pipeline_run_id)


def test_an_api_that_is_away_does_not_change_the_route():
    """Only a 404 says that a route may be missing."""
    api = Api(pipeline_run=[AWAY, RUNNING])
    lookup = RunLookup("orders", 7)

    with pytest.raises(ServerError):
        api.poll(lookup)

    assert RUNNING == api.poll(lookup)
    assert ["pipeline_run", "pipeline_run"] == api.asked


def test_without_an_id_the_latest_run_is_adopted_and_kept():
    """A later run is somebody else's matter."""
    later = replace(RUNNING, pipeline_run_id=8)
    api = Api(pipeline_status=[status(None), status(RUNNING), status(later)], pipeline_run=[DONE])
    lookup = RunLookup("orders")

    found = [api.poll(lookup) for _ in range(3)]

    assert [None, RUNNING, DONE] == found
    assert ["pipeline_status", "pipeline_status", "pipeline_run"] == api.asked


def test_without_an_id_no_run_is_adopted_that_began_after_the_first_look():
    """A sensor that reschedules remembers nothing but when it began."""
    later = replace(RUNNING, pipeline_run_id=8, logical_date=NOON + timedelta(hours=1))
    older = replace(RUNNING, pipeline_run_id=6, logical_date=NOON - timedelta(hours=1))
    api = Api(pipeline_status=[status(later)], pipeline_runs=[[older, later, RUNNING]])
    lookup = RunLookup("orders", as_of=NOON)

    assert RUNNING == api.poll(lookup)
    assert 7 == lookup.pipeline_run_id


# Waiting


class Clock:
    """A clock that only pauses move."""

    def __init__(self):
        self.now = 0.0
        self.paused = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.paused.append(seconds)
        self.now += seconds


def waited(*polls, poll_interval_s=10.0, deadline=1000.0, retry_after_s=None, runs=MISSING, **options):
    """Wait for run 7, which the *looks* tell of, the last of them for ever."""
    clock, api = Clock(), Api(pipeline_run=list(polls), pipeline_runs=[runs], pipeline_status=[MISSING])
    monitor = RunMonitor(RunLookup("orders", 7), deadline, clock.now, **options)
    steps = wait(monitor, poll_interval_s=poll_interval_s, clock=clock, retry_after_s=retry_after_s)
    return drive(steps, api.send, clock.sleep), clock, api


def test_a_wait_looks_at_once_and_ends_with_the_run():
    """Nothing is paused for that has ended already."""
    outcome, clock, _ = waited(DONE)

    assert ("success", []) == (kind_of(outcome), clock.paused)


@pytest.mark.parametrize(("retry_after_s", "least", "most"), [(0.0, 10 / 6, 10 / 3), (30.0, 30.0, 33.0)])
def test_a_wait_after_somebody_elses_look_begins_with_a_pause(retry_after_s, least, most):
    """The worker has just looked, and may have been asked to stay away for a while."""
    _, clock, _ = waited(DONE, retry_after_s=retry_after_s)

    [pause_s] = clock.paused
    assert least <= pause_s <= most


def test_a_wait_ends_at_its_deadline_and_not_a_pause_later():
    """The last pause is cut short."""
    outcome, clock, _ = waited(RUNNING, poll_interval_s=60.0, deadline=100.0)

    assert (RunTimeoutError, pytest.approx(100.0)) == (kind_of(outcome), clock.now)


def test_a_deadline_that_has_passed_leaves_one_look():
    """A retry after the deadline may still find that the run has ended."""
    outcome, clock, api = waited(DONE, deadline=-1.0)

    assert ("success", 0.0, 1) == (kind_of(outcome), clock.now, len(api.asked))


def test_a_missing_run_is_lost_after_the_grace():
    """A minute after a pipeline is created its status still answers 404."""
    outcome, clock, _ = waited(MISSING)

    assert RunLostError is kind_of(outcome)
    assert MISSING_GRACE_S < clock.now <= MISSING_GRACE_S + 11


def test_a_run_that_shows_up_again_is_not_lost():
    """The grace counts from the last time it was seen."""
    missing = [MISSING] * 15
    outcome, clock, _ = waited(*missing, RUNNING, *missing, DONE)

    assert "success" == kind_of(outcome)
    assert MISSING_GRACE_S < clock.now


def test_an_outage_does_not_count_as_missing():
    """Only mParticle itself can say that there is no such run."""
    outcome, _, _ = waited(MISSING, *[AWAY] * 50, MISSING, DONE)

    assert "success" == kind_of(outcome)


def test_a_pause_that_mparticle_asks_for_is_kept():
    """It is longer than the poll_timing, and asking sooner only prolongs the refusal."""
    _, clock, _ = waited(RateLimitedError("429", retry_after_s=30.0), RUNNING, DONE)

    assert 30.0 <= clock.paused[0] <= 33.0
    assert [pytest.approx(5.0, rel=poll_timing.JITTER)] == clock.paused[1:]


def test_a_pause_that_mparticle_asks_for_does_not_outlast_the_deadline():
    """The deadline is a promise to the user."""
    outcome, clock, _ = waited(RateLimitedError("429", retry_after_s=500.0), deadline=20.0)

    assert (RunTimeoutError, 20.0) == (kind_of(outcome), clock.now)


def test_trouble_is_said_at_first_and_then_rarely_with_a_count(caplog):
    """A night of outage must not fill the log, nor pass in silence."""
    with caplog.at_level(logging.INFO):
        waited(RUNNING, *[AWAY] * 25, DONE)

    said = [record.args[-1] for record in caplog.records if record.levelno == logging.WARNING]
    assert [1, 10, 20] == said
    assert "mParticle answers again after 25 failed polls." in caplog.messages


def test_a_state_is_said_only_when_it_changes(caplog):
    """The log tells the story of the run, not of the polling."""
    queued = replace(RUNNING, state="queued")
    with caplog.at_level(logging.INFO):
        waited(queued, queued, RUNNING, RUNNING, RUNNING, DONE)

    assert ["queued", "running"] == [record.args[-1] for record in caplog.records]


def test_an_unknown_state_is_said_once_with_the_cure(caplog):
    """Somebody who waits for ever has to learn that a word of mParticle's is not known here."""
    warming = replace(RUNNING, state="pre_warming", is_state_known=False)
    with caplog.at_level(logging.WARNING):
        waited(warming, warming, RUNNING, DONE)

    [said] = caplog.messages
    assert "'pre_warming'" in said
    assert "run_states" in said


@pytest.mark.parametrize(("run_id", "said"), [(7, "Run 7 of pipeline 'orders' had not ended"), (None, "No run of")])
def test_a_timeout_says_what_has_not_happened(run_id, said):
    """The message is what somebody reads at 2 a.m."""
    outcome = evaluate_run(PipelineRun("orders", run_id, state="queued"), now=2.0, deadline=1.0)

    assert said in str(outcome.error)


# The two drivers


def drive_async(steps, send, sleep):
    """``adrive`` with what ``drive`` takes."""

    async def carry_out(step):
        return sleep(step.seconds) if isinstance(step, Pause) else send(step)

    return asyncio.run(adrive(steps, carry_out))


@pytest.fixture(params=[drive, drive_async], ids=["drive", "adrive"])
def driver(request):
    """Both drivers."""
    return request.param


def test_a_driver_carries_out_steps_in_their_order(driver):
    """Tasks and triggers wait in the very same way."""
    call, done = endpoints.get_pipeline_run("orders", 7), []

    def steps():
        answer = yield call
        pause = yield Pause(3.0)
        return answer, pause

    result = driver(steps(), lambda step: done.append(step) or "answer", done.append)

    assert ("answer", None) == result
    assert [call, 3.0] == done


def test_a_driver_hands_our_errors_to_the_steps_once(driver):
    """The steps decide what an error means, and go on."""
    call = endpoints.get_pipeline_run("orders", 7)
    answers = iter([AWAY, "answer"])

    def send(_):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def steps():
        met = []
        try:
            yield call
        except ServerError as error:
            met.append(error)
        return [*met, (yield call)]

    assert [AWAY, "answer"] == driver(steps(), send, lambda _: None)


@pytest.mark.parametrize("error", [ServerError("503"), KeyError("a bug")], ids=["ours", "foreign"])
def test_a_driver_lets_errors_out_that_the_steps_do_not_handle(driver, error):
    """A bug is no trouble of mParticle's."""

    def steps():
        yield endpoints.get_pipeline_run("orders", 7)

    def send(_):
        raise error

    with pytest.raises(type(error)):
        driver(steps(), send, lambda _: None)


# Deadlines


@pytest.mark.parametrize(
    ("execution_timeout", "deadline"),
    [(None, 160.0), (timedelta(seconds=20), 120.0), (timedelta(seconds=90), 160.0)],
    ids=["timeout only", "execution_timeout is shorter", "timeout is shorter"],
)
def test_the_shorter_limit_counts(execution_timeout, deadline):
    """Airflow's ``execution_timeout`` does not bound a deferred task, so we do."""
    assert deadline == deadline_of(100.0, 60.0, execution_timeout)


def test_the_backstop_stands_behind_the_deadline():
    """Airflow's own limit ends a task without a word about its run."""
    assert timedelta(seconds=30 + BACKSTOP_S) == backstop(130.0, 100.0)
    assert timedelta(seconds=BACKSTOP_S) == backstop(90.0, 100.0)


def test_an_instant_without_a_zone_is_utc():
    """A deadline that shifts with the machine's zone would be hours off."""
    assert NOON.timestamp() == as_epoch(NOON.replace(tzinfo=None))
    assert (NOON.timestamp(), 5.0) == (as_epoch(NOON), as_epoch(5))


# Learning how long runs take


def runs_of(length_s):
    return [
        replace(DONE, pipeline_run_id=n, started_on=NOON, ended_on=NOON + timedelta(seconds=length_s)) for n in (1, 2)
    ]


def test_who_knows_nothing_asks_once_when_a_run_is_under_way_at_the_second_look():
    """A short wait does not pay for it, and a long one pays once."""
    _, clock, api = waited(*[RUNNING] * 6, DONE, runs=runs_of(60.0))

    assert ["pipeline_run", "pipeline_run", "pipeline_runs"] == api.asked[:3]
    assert 1 == api.asked.count("pipeline_runs")
    assert [pytest.approx(10.0, rel=poll_timing.JITTER)] * 3 == clock.paused[1:4]  # nobody expects the end yet


@pytest.mark.parametrize("runs", [[], MISSING], ids=["no run", "no such route"])
def test_who_has_asked_in_vain_does_not_ask_again(runs):
    """A pipeline's first run has none before it."""
    _, _, api = waited(*[RUNNING] * 6, DONE, runs=runs)

    assert 1 == api.asked.count("pipeline_runs")


@pytest.mark.parametrize("durations_s", [[], [5.0]], ids=["there were none", "known"])
def test_who_has_been_told_does_not_ask(durations_s):
    """The list before the start has told it."""
    _, _, api = waited(*[RUNNING] * 6, DONE, durations_s=durations_s)

    assert {"pipeline_run"} == {*api.asked}


def test_there_is_nothing_to_learn_before_there_is_a_run():
    """It is asked for when the run has come."""
    api = Api(pipeline_status=[status(None)] * 3 + [status(RUNNING)], pipeline_run=[RUNNING, DONE], pipeline_runs=[[]])
    clock = Clock()
    monitor = RunMonitor(RunLookup("orders"), 1000.0, clock.now)

    drive(wait(monitor, poll_interval_s=10.0, clock=clock), api.send, clock.sleep)

    assert [*["pipeline_status"] * 4, "pipeline_runs", "pipeline_run", "pipeline_run"] == api.asked


def test_a_run_s_age_counts_from_its_start_not_from_the_wait_s():
    """Whoever comes late to a run looks closely when its end is near."""
    clock = Clock()
    clock.now = NOON.timestamp() + 95.0
    api = Api(pipeline_run=[replace(RUNNING, started_on=NOON), DONE])
    monitor = RunMonitor(RunLookup("orders", 7), clock.now + 1000.0, clock.now, durations_s=[100.0] * 3)

    drive(wait(monitor, poll_interval_s=60.0, clock=clock), api.send, clock.sleep)

    assert clock.paused[0] < 10.0


def test_a_start_in_the_future_is_not_believed():
    """mParticle's clock may be ahead of ours."""
    clock = Clock()
    clock.now = NOON.timestamp() - 5.0
    api = Api(pipeline_run=[replace(RUNNING, started_on=NOON), DONE])
    monitor = RunMonitor(RunLookup("orders", 7), clock.now + 1000.0, clock.now)

    drive(wait(monitor, poll_interval_s=60.0, clock=clock), api.send, clock.sleep)

    assert [pytest.approx(20.0, rel=poll_timing.JITTER)] == clock.paused


def waited_briefly(*polls, poll_interval_s=1.0, durations_s=(), within_s=10.0):
    """Wait in a worker for run 7, which the *polls* report, the last of them for ever."""
    clock, api = Clock(), Api(pipeline_run=list(polls))
    monitor = RunMonitor(RunLookup("orders", 7), 1000.0, clock.now, durations_s)
    steps = wait_briefly(monitor, poll_interval_s=poll_interval_s, clock=clock, within_s=within_s)
    outcome, retry_after_s = drive(steps, api.send, clock.sleep)
    return outcome, retry_after_s, clock, api


def test_a_worker_waits_for_a_run_that_is_likely_to_end_before_a_deferred_task_could_resume():
    """Its end is seen earlier, and nothing has to start again."""
    outcome, _, clock, _ = waited_briefly(RUNNING, RUNNING, DONE, durations_s=[4.0] * 3)

    assert "success" == kind_of(outcome)
    assert clock.now < 10.0


@pytest.mark.parametrize("durations_s", [(), [60.0], [2.0, 60.0]], ids=["unknown", "long", "short or long"])
def test_a_worker_polls_once_if_it_is_not_likely_that_the_run_ends_soon(durations_s):
    """A wait in the worker holds its slot."""
    outcome, _, clock, api = waited_briefly(RUNNING, DONE, durations_s=durations_s)

    assert (None, 0.0, 1) == (outcome, clock.now, len(api.asked))


@settings(deadline=None)
@given(
    st.floats(0.01, 100.0),
    st.lists(st.floats(0.01, 30.0), max_size=6),
    st.floats(0.0, 40.0),
    st.lists(st.sampled_from([RUNNING, RateLimitedError("429", retry_after_s=3.0), ServerError("502")]), max_size=5),
)
def test_a_worker_never_waits_longer_than_it_should_nor_pauses_longer_than_poll_interval(
    poll_interval_s, durations_s, within_s, polls
):
    """Whatever the last runs, the pauses that mParticle asks for, and the faults of single polls."""
    _, _, clock, _ = waited_briefly(
        *polls, RUNNING, poll_interval_s=poll_interval_s, durations_s=durations_s, within_s=within_s
    )

    assert clock.now <= within_s
    assert all(pause_s <= max(poll_interval_s, 3.3) for pause_s in clock.paused)


@settings(deadline=None)
@given(st.floats(0.001, 100.0), st.lists(st.floats(0.01, 300.0), max_size=6))
def test_the_first_pause_of_a_trigger_is_not_longer_than_poll_interval(poll_interval_s, durations_s):
    """The trigger holds its event back, not its polls."""
    _, clock, _ = waited(RUNNING, DONE, poll_interval_s=poll_interval_s, durations_s=durations_s, retry_after_s=0.0)

    assert all(pause_s <= poll_interval_s for pause_s in clock.paused)
