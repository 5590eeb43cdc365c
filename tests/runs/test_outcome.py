"""What a run state or an error means for a wait, and how an outcome becomes an event and back."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import (
    AuthenticationError,
    InvalidRequestError,
    MParticleError,
    NoAnswerError,
    NotFoundError,
    PermissionDeniedError,
    PipelineBusyError,
    RateLimitedError,
    RunError,
    RunFailedError,
    RunLostError,
    RunTimeoutError,
    ServerError,
    UnreadableAnswerError,
    WarehouseUnreachableError,
)
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.outcome import MISSING_GRACE_S, Outcome, evaluate_error, evaluate_run

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUNNING = PipelineRun("orders", 7, state="running", logical_date=NOON)
DONE = replace(RUNNING, state="success", progress=Progress.SUCCEEDED, successful_records=10)
FAILED = replace(
    RUNNING, state="failed", progress=Progress.FAILED, errors=("Column x.",), successful_records=1, failed_records=2
)
MISSING = NotFoundError("no such run", status=404)
AWAY = ServerError("503", status=503)

INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
COUNTS = st.none() | st.integers(0, 2**63)
RUNS = st.builds(
    PipelineRun,
    st.text(min_size=1),
    st.none() | st.integers() | st.text(min_size=1),
    state=st.none() | st.text(),
    progress=st.sampled_from(Progress),
    started_on=st.none() | INSTANTS,
    ended_on=st.none() | INSTANTS,
    successful_records=COUNTS,
    failed_records=COUNTS,
    errors=st.lists(st.text(), max_size=3).map(tuple),
)
SECONDS = st.floats(-1e9, 1e9)
TRANSIENT = [NoAnswerError, RateLimitedError, ServerError, UnreadableAnswerError]
JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["status", "run", "error"]), inner),
    max_leaves=8,
)


def kind_of(outcome):
    return outcome and (type(outcome.error) if outcome.error else "success")


# The duration of the run


@pytest.mark.parametrize(
    ("started_on", "ended_on", "duration_s"),
    [
        (NOON, NOON + timedelta(seconds=90.5), 90.5),
        (NOON, NOON, 0.0),
        (NOON, NOON - timedelta(seconds=1), None),
        (NOON, None, None),
        (None, NOON, None),
    ],
)
def test_a_run_takes_from_its_start_to_its_end(started_on, ended_on, duration_s):
    """A metric or a log line must not show a duration that mParticle does not give."""
    run = replace(DONE, started_on=started_on, ended_on=ended_on)

    assert duration_s == Outcome(run.as_dict()).duration_s


@given(run=st.dictionaries(st.sampled_from(["started_on", "ended_on"]), JSON | INSTANTS.map(datetime.isoformat)))
def test_a_duration_is_never_negative_and_never_fails(run):
    """An event comes from Airflow's database, and another version may have written it."""
    duration_s = Outcome(run).duration_s

    assert duration_s is None or duration_s >= 0


# The meaning of states and errors


@pytest.mark.parametrize(
    ("run", "now", "outcome"),
    [
        pytest.param(RUNNING, 0.0, None, id="in progress"),
        pytest.param(replace(RUNNING, state="warming_up"), 0.0, None, id="an unknown word"),
        pytest.param(replace(RUNNING, ended_on=NOON), 0.0, None, id="an end instant without an end word"),
        pytest.param(DONE, 0.0, "success", id="success"),
        pytest.param(FAILED, 0.0, RunFailedError, id="failed"),
        pytest.param(RUNNING, 10.0, RunTimeoutError, id="in progress at the deadline"),
        pytest.param(DONE, 11.0, "success", id="success after the deadline"),
        pytest.param(FAILED, 11.0, RunFailedError, id="failed after the deadline"),
    ],
)
def test_the_state_word_decides_and_the_deadline_comes_second(run, now, outcome):
    """Ended runs may have no end instant, as in mParticle's own examples."""
    assert outcome == kind_of(evaluate_run(run, now, deadline=10.0))


def test_a_failed_run_carries_everything_that_is_known_of_it():
    """A reader of the error needs the reason and the counts."""
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
    assert "1 records ingested, 2 rejected" in str(error)


def test_an_unknown_count_is_said_to_be_unknown():
    """None in a message would look like a number of records."""
    error = evaluate_run(replace(FAILED, failed_records=None), 0.0, 10.0).error

    assert "1 records ingested, unknown rejected" in str(error)


@pytest.mark.parametrize(
    ("error", "refused_for_s", "now", "outcome"),
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
def test_an_error_ends_a_wait_only_if_waiting_cannot_help(error, refused_for_s, now, outcome):
    """If the API cannot be reached, the run has not failed."""
    assert outcome == kind_of(evaluate_error(error, RUNNING, refused_for_s, now, deadline=10.0))


def test_a_pipeline_that_is_not_found_is_not_a_lost_run():
    """Without a run id no run is lost: the pipeline does not exist."""
    outcome = evaluate_error(MISSING, PipelineRun("orders"), 91.0, 0.0, 10.0)

    assert MISSING is outcome.error


REFUSALS = [PermissionDeniedError, InvalidRequestError, WarehouseUnreachableError, PipelineBusyError]


@given(st.sampled_from([*REFUSALS, AuthenticationError]), RUNS, st.floats(0, 200), st.booleans())
def test_a_refusal_after_an_answer_ends_a_wait_only_if_it_lasts(kind, last, refused_for_s, is_answered):
    """A firewall may refuse a poll by mistake; but credentials that are refused again may lock the account."""
    error = kind("refused")

    outcome = evaluate_error(error, last, refused_for_s, now=0.0, deadline=math.inf, is_answered=is_answered)

    may_pass = is_answered and kind in REFUSALS and refused_for_s <= MISSING_GRACE_S
    assert (None if may_pass else error) is (outcome and outcome.error)


@pytest.mark.parametrize(("run_id", "said"), [(7, "Run 7 of pipeline 'orders' had not ended"), (None, "No run of")])
def test_a_timeout_says_what_has_not_happened(run_id, said):
    """The message is the first thing that an engineer on call reads."""
    outcome = evaluate_run(PipelineRun("orders", run_id, state="queued"), now=2.0, deadline=1.0)

    assert said in str(outcome.error)
    assert "at the deadline; its last known state is queued. The run continues" in str(outcome.error)


def test_a_timeout_after_failed_polls_says_why_they_failed():
    """mParticle may be down, or the network."""
    outcome = evaluate_error(AWAY, PipelineRun("orders", 7), 0.0, now=2.0, deadline=1.0)

    assert "its state was never seen. The last poll failed: 503 The run continues" in str(outcome.error)
    assert 503 == outcome.error.status


def test_a_lost_run_has_the_status_and_the_reasons_of_its_last_poll():
    """A retry rule may look at them."""
    error = NotFoundError("no such run", status=404, reasons=("Run 7 is gone.",))

    outcome = evaluate_error(error, RUNNING, 91.0, 0.0, 10.0)

    assert (404, ("Run 7 is gone.",)) == (outcome.error.status, outcome.error.reasons)


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
def test_an_outcome_is_the_same_after_its_way_as_an_event(outcome):
    """Airflow stores events as JSON, and the task raises the same error as the trigger."""
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
def test_an_event_of_another_shape_is_refused(event):
    """A task must not succeed if it does not know how its run ended."""
    with pytest.raises(MParticleError, match=re.escape(f"does not say how the run ended: {event!r}. ")):
        Outcome.from_event(event)


# Any run, any error, any event (generated)


@given(RUNS, SECONDS, SECONDS)
def test_only_the_state_word_makes_a_success_or_a_failure(run, now, deadline):
    """No instant, count or message of a run can make its task succeed or fail."""
    known = {Progress.SUCCEEDED: "success", Progress.FAILED: RunFailedError}

    expected = known.get(run.progress, RunTimeoutError if now >= deadline else None)

    assert expected == kind_of(evaluate_run(run, now, deadline))


@given(st.sampled_from(TRANSIENT), RUNS, st.floats(0, 1e6))
def test_a_transient_error_never_ends_a_wait_before_its_deadline(kind, last, refused_for_s):
    """The run continues in mParticle, however long its API cannot be reached."""
    assert evaluate_error(kind("away"), last, refused_for_s, now=0.0, deadline=math.inf) is None


@given(RUNS, st.floats(0, 1e6))
def test_a_run_is_lost_only_after_the_grace_period(last, refused_for_s):
    """A new pipeline answers 404 for about a minute."""
    outcome = evaluate_error(MISSING, last, refused_for_s, now=0.0, deadline=math.inf)

    lost = NotFoundError if last.pipeline_run_id is None else RunLostError
    assert (lost if refused_for_s > MISSING_GRACE_S else None) == kind_of(outcome)


@given(RUNS, st.booleans())
def test_the_outcome_of_any_run_survives_its_way_as_an_event(run, is_late):
    """Airflow stores the event as JSON between the triggerer and the task."""
    outcome = evaluate_run(run, 1.0, 0.0 if is_late else 2.0)
    if outcome is None:
        return

    read = Outcome.from_event(json.loads(json.dumps(outcome.as_event())))

    assert outcome.run == read.run
    assert (type(outcome.error), str(outcome.error)) == (type(read.error), str(read.error))
    assert (outcome.error and outcome.error.facts()) == (read.error and read.error.facts())


@given(JSON)
def test_an_event_of_any_other_shape_never_reads_as_a_success(event):
    """A task that does not know how its run ended must end with an error."""
    with pytest.raises(MParticleError, match="does not say how the run ended"):
        Outcome.from_event(event)


@given(RUNS)
def test_an_error_names_the_run_and_keeps_what_mparticle_said(run):
    """An alert is useful only if it says which run failed, and why."""
    outcome = evaluate_run(replace(run, progress=Progress.FAILED), 0.0, 1.0)

    assert outcome
    assert isinstance(outcome.error, RunError)
    assert (run.pipeline_id, run.pipeline_run_id, run.state) == (
        outcome.error.pipeline_id,
        outcome.error.pipeline_run_id,
        outcome.error.state,
    )
    assert run.errors == outcome.error.reasons


@pytest.mark.parametrize("status", [None, *range(400, 432), 505])
def test_a_login_that_is_missing_does_not_end_a_wait_at_once(status):
    """The token has expired during the wait, and a proxy may answer the login with 404 for a moment."""
    error = AuthenticationError("refused", status=status)

    ends = evaluate_error(error, PipelineRun("orders", 7), 0.0, 0.0, 100.0, is_answered=True)

    assert (ends is None) is (status in (404, 405, 410))
