"""The order in which a start stores records and sends requests, driven by hand."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat

import pytest
from api_answers import Api
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import (
    InvalidRequestError,
    MParticleError,
    NoAnswerError,
    NotFoundError,
    PermissionDeniedError,
    PipelineBusyError,
    RateLimitedError,
    ServerError,
    StartAmbiguousError,
)
from airflow_provider_mparticle.client.models import DataModel, Pipeline, PipelineRun, PipelineStatus
from airflow_provider_mparticle.client.retrying import ATTEMPTS
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs import start
from airflow_provider_mparticle.runs.coverage import LONGEST_INTERVAL
from airflow_provider_mparticle.runs.start import RunStarter
from airflow_provider_mparticle.runs.start_decision import Decision
from airflow_provider_mparticle.runs.start_record import SaveRecord, StartRecord
from airflow_provider_mparticle.runs.steps import SendOnce, drive
from airflow_provider_mparticle.slices.data_model_lock import DataModelLock, IsActive, LockOwner
from airflow_provider_mparticle.slices.slice import Slice

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS = PipelineRun("orders", 7, type="manual", state="running", logical_date=NOW)
DONE = replace(OURS, state="success", progress=Progress.SUCCEEDED)
FAILED = replace(OURS, state="failed", progress=Progress.FAILED)
OTHER = PipelineRun("orders", 3, type="manual", state="running", logical_date=NOW - timedelta(hours=1))


class Story(Api):
    """Carries out the steps of a start with prepared answers, and records the steps."""

    def __init__(self, **answers):
        super().__init__(**{"pipeline_runs": [[]], **answers})
        self.pauses_s = []
        self.read_since = []

    def start(self, if_running="fail", **options):
        options = {"max_tries": 3, "clear_number": 0, "clock": lambda: NOW.timestamp(), **options}
        try:
            started = drive(RunStarter("orders", if_running, **options).steps(), self.carry_out, self.pauses_s.append)
        except (StartAmbiguousError, PipelineBusyError) as error:
            assert error.pipeline_id == "orders"  # noqa: PT017 - the test itself expects the error
            raise
        assert started.record.pipeline_id == "orders"
        return started

    def carry_out(self, step):
        if isinstance(step, SaveRecord):
            known = step.record and (step.record.known_run_ids, step.record.pipeline_run_id)
            self.asked.append(("record", known))
            return None
        call = step.call if isinstance(step, SendOnce) else step
        assert {**call.ids, "pipeline_id": "orders"} == call.ids
        if "startDate" in call.params:
            self.read_since.append(datetime.fromisoformat(call.params["startDate"]))
        return self.send(call)

    def count(self, route):
        return self.asked.count(route)


def lost(status=None):
    return ServerError("502", status=status or 502, may_have_executed=True)


BUSY = PipelineBusyError("already in progress", status=400, reasons=("already in progress",))
NEW = replace(OURS, pipeline_run_id=8)


def test_the_request_is_recorded_before_the_start_and_the_id_after_it():
    """A worker may die between any two of these steps, and the next try knows only what was recorded."""
    story = Story(pipeline_runs=[[DONE]], trigger_pipeline=[8])

    started = story.start()

    assert ["pipeline_runs", ("record", (("7",), None)), "trigger_pipeline", ("record", (("7",), 8))] == story.asked
    assert (Decision.START, 8) == (started.decision, started.pipeline_run_id)
    assert NOW.timestamp() == started.record.waiting_since


def test_after_a_lost_answer_the_runs_are_read_first():
    """A run that the record does not have is ours."""
    story = Story(pipeline_runs=[[DONE], [DONE], [], [DONE, NEW]], trigger_pipeline=[lost()])

    started = story.start()

    assert (Decision.ADOPT, 8) == (started.decision, started.pipeline_run_id)
    assert ["trigger_pipeline", *["pipeline_runs"] * 4, ("record", (("7",), 8))] == story.asked[2:]


def test_a_request_that_started_no_run_is_sent_again_only_a_few_times():
    """If several requests start no run, something else is wrong, and a user should check it."""
    story = Story(trigger_pipeline=[lost()])

    with pytest.raises(StartAmbiguousError) as raised:
        story.start()

    assert start.STARTS == story.count("trigger_pipeline")
    assert ("orders", 502, True) == (raised.value.pipeline_id, raised.value.status, raised.value.may_have_executed)
    assert 1 + start.STARTS * len(start.LOOKUP_PAUSES_S) == story.count("pipeline_runs")


@pytest.mark.parametrize("requests", range(1, start.STARTS + 1))
@pytest.mark.parametrize(("if_running", "decision"), [("wait", Decision.WAIT), ("skip", Decision.SKIP)])
def test_a_scheduled_run_after_lost_answers_is_dealt_with_as_asked(if_running, decision, requests):
    """However many requests have been lost, the runs show the same: none of them started a run."""
    reads = 1 + requests * len(start.LOOKUP_PAUSES_S)
    story = Story(
        pipeline_runs=[*[[]] * (reads - 1), [replace(OTHER, type="scheduled", logical_date=NOW)]],
        trigger_pipeline=[lost()],
    )

    started = story.start(if_running)

    assert (decision, 3) == (started.decision, started.pipeline_run_id)
    assert (requests, ("record", None)) == (story.count("trigger_pipeline"), story.asked[-1])


@pytest.mark.parametrize("answer", [None, lost()], ids=["accepted without an id", "answer lost"])
def test_an_ambiguous_start_keeps_its_record(answer):
    """The next try looks for the run, and needs the record for that."""
    story = Story(trigger_pipeline=[answer])

    with pytest.raises(StartAmbiguousError):
        story.start()

    assert {("record", ((), None))} == {step for step in story.asked if step[0] == "record"}


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        pytest.param(InvalidRequestError("no"), 1, id="refused"),
        pytest.param(NoAnswerError("no connection"), ATTEMPTS, id="never left"),
        pytest.param(BUSY, 1, id="busy"),
    ],
)
def test_a_start_that_certainly_did_not_happen_deletes_its_record(answer, requests):
    """The next try need not look for a run, and must not take the run of another user for ours."""
    story = Story(trigger_pipeline=[answer])

    with pytest.raises(type(answer)):
        story.start()

    assert ("record", None) == [step for step in story.asked if step[0] == "record"][-1]
    assert requests == story.count("trigger_pipeline")


REFUSALS = st.one_of(
    st.builds(RateLimitedError, st.just("429"), retry_after_s=st.none() | st.floats(0, 250)),
    st.builds(NoAnswerError, st.just("no connection")),
    st.just(BUSY),
)


@given(
    answers=st.lists(REFUSALS | st.builds(lost), max_size=8),
    last=st.sampled_from([8, None, lost(), BUSY, InvalidRequestError("no")]),
    seconds=st.floats(0, 60),
)
def test_the_record_always_has_the_times_of_the_requests_in_doubt(answers, last, seconds):
    """A pause before a request may take minutes, and a run of others that began in it is not ours."""
    now, stored, in_doubt = [NOW.timestamp()], [None], []
    answered = chain(answers, repeat(last))

    def send(step):
        if isinstance(step, SaveRecord):
            stored[0] = step.record
            return None
        sent_at = now[0]
        now[0] += seconds
        if not isinstance(step, SendOnce):
            return []
        assert [*in_doubt, sent_at] == [*stored[0].sent_at]
        answer = next(answered)
        if not isinstance(answer, Exception) or answer.may_have_executed:
            in_doubt.append(sent_at)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sleep(pause_s):
        assert in_doubt == [*(stored[0].sent_at if stored[0] else ())]
        now[0] += pause_s

    with suppress(MParticleError):
        steps = RunStarter("orders", "wait", max_tries=3, clear_number=0, clock=lambda: now[0]).steps()
        drive(steps, send, sleep)


def test_an_accepted_start_is_never_repeated():
    """mParticle accepted the request. If it does not show the run, a second request would be wrong."""
    story = Story(trigger_pipeline=[None])

    with pytest.raises(StartAmbiguousError):
        story.start()

    assert 1 == story.count("trigger_pipeline")


def test_a_start_is_not_repeated_if_the_runs_cannot_be_read():
    """It may have started a run, and only the last read decides whether it did."""
    story = Story(pipeline_runs=[[], [], lost()], trigger_pipeline=[lost()])

    with pytest.raises(StartAmbiguousError):
        story.start()

    assert 1 == story.count("trigger_pipeline")


def test_a_start_refused_as_busy_after_a_lost_one_adopts_the_run_of_the_lost_one():
    """The first request has arrived after all, but late."""
    polls = [[]] * (1 + len(start.LOOKUP_PAUSES_S))
    story = Story(pipeline_runs=[*polls, [NEW]], trigger_pipeline=[lost(), BUSY])

    started = story.start()

    assert (Decision.ADOPT, 8) == (started.decision, started.pipeline_run_id)
    assert 2 == story.count("trigger_pipeline")


@pytest.mark.parametrize(
    ("if_running", "decision"), [("wait", Decision.WAIT), ("skip", Decision.SKIP), ("attach", Decision.ADOPT)]
)
@pytest.mark.parametrize("runs", [[[OTHER]], [[], [OTHER]]], ids=["seen before the start", "met by the start"])
def test_another_run_is_named_and_no_record_is_left_unless_it_is_adopted(if_running, decision, runs):
    """With a record from before that run, a later try would take the run for ours."""
    story = Story(pipeline_runs=runs, trigger_pipeline=[BUSY])

    started = story.start(if_running)

    assert (decision, 3) == (started.decision, started.pipeline_run_id)
    last_note = story.asked[-1][1]
    assert last_note is None if decision is not Decision.ADOPT else last_note[1] == 3


@pytest.mark.parametrize("if_running", ["fail", "wait", "attach"])
def test_another_run_without_an_id_is_no_doubt_about_a_run_of_this_task(if_running):
    """The task has sent nothing, so no user needs to look for a run that it started."""
    story = Story(pipeline_runs=[[replace(OTHER, pipeline_run_id=None)]])

    with pytest.raises(PipelineBusyError, match="a run that it does not name in progress"):
        story.start(if_running)

    assert 0 == story.count("trigger_pipeline")


@given(
    st.lists(st.sampled_from(["success", "failed"]), max_size=4),
    st.sampled_from([lost(), None]),
    st.sampled_from(["running", "success"]),
    st.integers(1, 3),
)
def test_runs_without_ids_never_lead_to_a_second_start(before, answer, state, retries):
    """The id of a run may have another name in mParticle's answers, in those to a start too."""

    def run(at_s, state):
        states = {"running": Progress.UNDER_WAY, "success": Progress.SUCCEEDED, "failed": Progress.FAILED}
        return PipelineRun("orders", state=state, progress=states[state], started_on=NOW + timedelta(seconds=at_s))

    old = [run(-3600 * (number + 1), state) for number, state in enumerate(before)]
    story = Story(pipeline_runs=[old, [*old, run(1, state)]], trigger_pipeline=[answer])
    kept = []

    def carry_out(step):
        if isinstance(step, SaveRecord):
            kept.append(step.record)
        return story.carry_out(step)

    for try_number in range(1 + retries):
        options = {"max_tries": 3, "clear_number": 0, "clock": lambda: NOW.timestamp() + 300 * try_number}  # noqa: B023
        steps = RunStarter("orders", "wait", kept=kept[-1] if kept else None, **options).steps()
        with pytest.raises(StartAmbiguousError, match="extra 'run_fields'"):
            drive(steps, carry_out, lambda _: None)

    assert 1 == story.count("trigger_pipeline")


READS = 1 + len(start.LOOKUP_PAUSES_S)


@given(st.lists(st.sampled_from([[], lost()]), min_size=READS, max_size=READS).filter(lambda reads: [] in reads))
def test_a_run_in_the_way_that_has_ended_is_not_in_the_way_whichever_reads_are_lost(reads):
    """One answer without a run in progress is enough, since mParticle refuses a start while there is one."""
    story = Story(pipeline_runs=[[], *reads, []], trigger_pipeline=[BUSY, 8])

    started = story.start("wait")

    assert (Decision.START, 8) == (started.decision, started.pipeline_run_id)


def test_a_busy_pipeline_that_shows_no_run_is_busy_all_the_same():
    """mParticle says that a run is in progress, so nothing is started, and the error says what is known."""
    story = Story(trigger_pipeline=[BUSY])

    with pytest.raises(PipelineBusyError, match="a run that it does not name in progress") as raised:
        story.start("attach")

    assert (400, ("already in progress",)) == (raised.value.status, raised.value.reasons)


def test_a_task_that_may_be_skipped_is_skipped_for_a_run_that_is_never_shown():
    """mParticle refuses each request because of a run in progress, and that is all that a skip needs to know."""
    story = Story(trigger_pipeline=[BUSY])

    started = story.start("skip")

    assert (Decision.SKIP, "") == (started.decision, started.pipeline_run_id)
    assert (start.STARTS, ("record", None)) == (story.count("trigger_pipeline"), story.asked[-1])


def test_a_retry_with_an_id_asks_for_that_run_only():
    """It needs nothing else, and starts nothing."""
    story = Story(pipeline_run=[OURS])
    kept = StartRecord("orders", 1.0, (), 3, 0, 7, 2.0)

    started = story.start(kept=kept)

    assert (Decision.ADOPT, 7, 2.0) == (started.decision, started.pipeline_run_id, started.record.waiting_since)
    assert ["pipeline_run", ("record", ((), 7))] == story.asked


@pytest.mark.parametrize(
    "error", [lost(), NoAnswerError("away"), NotFoundError("missing")], ids=["502", "no answer", "404"]
)
def test_a_retry_keeps_its_run_even_if_it_cannot_be_seen_now(error):
    """If the API cannot be reached, that says nothing about the run; the wait decides."""
    story = Story(pipeline_run=[error], pipeline_runs=[error], pipeline_status=[error])

    started = story.start(kept=StartRecord("orders", 1.0, (), 3, 0, 7, 2.0))

    assert (Decision.ADOPT, 7) == (started.decision, started.pipeline_run_id)


def test_a_retry_whose_run_may_not_be_seen_fails():
    """A user must give the role back; the record stays, so the next try waits for the same run."""
    story = Story(pipeline_run=[PermissionDeniedError("403")])

    with pytest.raises(PermissionDeniedError):
        story.start(kept=StartRecord("orders", 1.0, (), 3, 0, 7, 2.0))

    assert ["pipeline_run"] == story.asked


def test_a_stray_404_does_not_end_a_task_that_may_have_a_run():
    """A 404 fails a task without a retry, and then nobody would look for the run."""
    story = Story(pipeline_runs=[*[[]] * start.READS_WITHOUT_A_RUN, NotFoundError("404", status=404)])

    with pytest.raises(StartAmbiguousError) as raised:
        story.start(kept=StartRecord("orders", 1.0, (), 3))

    assert isinstance(raised.value.__cause__, NotFoundError)
    assert 404 == raised.value.status
    assert 0 == story.count("trigger_pipeline")


@pytest.mark.parametrize(("run_id", "told"), [(7, 7), (None, "")], ids=["with an id", "without an id"])
def test_a_run_that_covers_the_instant_only_now_is_enough(run_id, told):
    """It has ended between the search for such a run and the look at the runs in progress."""
    covering = replace(DONE, pipeline_run_id=run_id, range_end=NOW)
    story = Story(pipeline_status=[PipelineStatus("orders")], pipeline_runs=[[covering]])

    started = story.start(covers=NOW)

    assert (Decision.COVERED, covering, told) == (started.decision, started.run, started.pipeline_run_id)
    assert 0 == story.count("trigger_pipeline")


def test_a_retry_of_a_finished_task_asks_nothing():
    """Its run succeeded, but Airflow does not know that yet."""
    story = Story()

    started = story.start(kept=StartRecord("orders", 1.0, (), 3, 0, 7, 2.0, is_finished=True))

    assert (Decision.ADOPT, 7) == (started.decision, started.pipeline_run_id)
    assert 0 == sum(isinstance(step, str) for step in story.asked)


def test_a_retry_of_a_failed_run_records_it_as_known_and_starts_a_new_one():
    """A failed run is no longer ours, not even after a lost answer."""
    story = Story(pipeline_run=[FAILED], pipeline_runs=[[FAILED]], trigger_pipeline=[8])

    started = story.start(kept=StartRecord("orders", 1.0, (), 3, 0, 7, 2.0))

    assert (Decision.START, 8, NOW.timestamp()) == (
        started.decision,
        started.pipeline_run_id,
        started.record.waiting_since,
    )
    assert [("record", (("7",), None)), "trigger_pipeline", ("record", (("7",), 8))] == story.asked[2:]


def test_a_retry_without_an_id_checks_the_runs_before_it_starts():
    """An earlier try may have died. After this time mParticle must show its run, so a few checks are enough."""
    story = Story(trigger_pipeline=[8])

    started = story.start(kept=StartRecord("orders", 1.0, (), 3))

    assert (Decision.START, 8) == (started.decision, started.pipeline_run_id)
    assert ["pipeline_runs"] * (start.READS_WITHOUT_A_RUN + 1) == story.asked[:-3]


@given(
    st.lists(st.sampled_from(["missing", "lost"]), max_size=len(start.LOOKUP_PAUSES_S)).filter(
        lambda reads: reads.count("missing") < start.READS_WITHOUT_A_RUN
    )
)
def test_a_retry_adopts_the_run_that_a_list_lacks_for_a_moment(reads):
    """A server that lags behind must not lead to a second run. A read that fails shows nothing and does not count."""
    answers = {"missing": [], "lost": lost()}
    story = Story(pipeline_runs=[*(answers[read] for read in reads), [NEW]])

    started = story.start(kept=StartRecord("orders", NOW.timestamp() - 1000, (), 3))

    assert (Decision.ADOPT, 8, 0) == (started.decision, started.pipeline_run_id, story.count("trigger_pipeline"))


def test_a_retry_soon_after_a_request_checks_the_runs_for_as_long_as_they_may_be_listed_late():
    """A run may be listed a minute after its start, and a retry may come after five seconds."""
    story = Story(trigger_pipeline=[8])

    story.start(kept=StartRecord("orders", NOW.timestamp() - 5, (), 3))

    assert ["pipeline_runs"] * (2 + len(start.LOOKUP_PAUSES_S)) == story.asked[:-3]


def test_a_retry_that_cannot_read_the_runs_starts_nothing():
    """A failed request must lead neither to the adoption of an old run nor to a second run."""
    story = Story(pipeline_runs=[lost()])

    with pytest.raises(StartAmbiguousError):
        story.start(kept=StartRecord("orders", 1.0, ("7",), 3))

    assert 0 == story.count("trigger_pipeline")


def test_the_latest_run_is_used_if_runs_cannot_be_listed():
    """The run routes of v2 are assumed."""
    status = PipelineStatus("orders", latest_pipeline_run=DONE)
    story = Story(pipeline_runs=[NotFoundError("no route")], pipeline_status=[status], trigger_pipeline=[8])

    story.start()

    assert ["pipeline_runs", "pipeline_runs", "pipeline_status", ("record", (("7",), None))] == story.asked[:4]


def test_a_new_pipeline_without_a_status_is_started():
    """A pipeline's status answers 404 for about a minute after the pipeline was created."""
    story = Story(pipeline_runs=[NotFoundError("none")], pipeline_status=[NotFoundError("none")], trigger_pipeline=[8])

    started = story.start()

    assert (Decision.START, 8) == (started.decision, started.pipeline_run_id)


def test_an_unreachable_api_stops_a_start_before_anything_is_recorded():
    """If the runs from before are not known, a lost answer could not be resolved."""
    story = Story(pipeline_runs=[lost()])

    with pytest.raises(ServerError):
        story.start()

    assert ["pipeline_runs"] == story.asked


@pytest.mark.parametrize(
    ("if_running", "reads"),
    [("fail", 1 + 1 + start.READS_FOR_A_NAME), ("wait", 1 + start.STARTS * (1 + len(start.LOOKUP_PAUSES_S)))],
)
def test_a_run_that_refused_the_start_is_looked_for_as_long_as_its_name_is_worth(if_running, reads):
    """A task that fails needs it for its message only; a task that waits needs it for its wait."""
    story = Story(trigger_pipeline=[BUSY])

    with pytest.raises(PipelineBusyError):
        story.start(if_running)

    assert reads == story.count("pipeline_runs")


def test_an_ambiguous_start_names_the_run_that_may_be_its_own():
    """A user can look at it in mParticle."""
    later = replace(NEW, started_on=NOW - timedelta(seconds=70))
    story = Story(pipeline_runs=[[later]])

    with pytest.raises(StartAmbiguousError, match="run 8 may be the one") as raised:
        story.start(kept=StartRecord("orders", NOW.timestamp() - 100, (), 3), skew_s=lambda: 0.0)

    assert 8 == raised.value.pipeline_run_id


@pytest.mark.parametrize(
    ("if_running", "decision"), [("skip", Decision.SKIP), ("attach", Decision.ADOPT), ("wait", Decision.WAIT)]
)
def test_every_result_has_the_record_of_its_task(if_running, decision):
    """What the task stores later is based on it."""
    started = Story(pipeline_runs=[[OTHER]]).start(if_running, clear_number=2)

    assert (decision, "orders", 3, 2) == (
        started.decision,
        started.record.pipeline_id,
        started.record.max_tries,
        started.record.clear_number,
    )


USUAL, WIDE = NOW - start.USUAL_SPAN, NOW - LONGEST_INTERVAL
WIDE_READS = [USUAL] * start.WIDE_FROM_READ + [WIDE] * (len(start.LOOKUP_PAUSES_S) - start.WIDE_FROM_READ)


@pytest.mark.parametrize("answer", [None, lost()], ids=["no id", "lost"])
def test_after_a_request_the_first_reads_are_short_and_the_later_ones_go_back_the_longest_interval(answer):
    """A run's logical date may be the start of its interval."""
    story = Story(trigger_pipeline=[answer])

    with pytest.raises(StartAmbiguousError):
        story.start()

    requests = story.count("trigger_pipeline")
    assert [USUAL, *WIDE_READS * requests] == story.read_since
    assert [*start.LOOKUP_PAUSES_S] * requests == story.pauses_s


def test_a_run_that_refused_the_request_is_looked_for_at_once_and_then_further_back():
    """It is in progress, so it may be listed already."""
    story = Story(trigger_pipeline=[BUSY])

    with pytest.raises(PipelineBusyError):
        story.start("wait")

    assert [USUAL, *[*WIDE_READS, WIDE] * start.STARTS] == story.read_since
    assert [0.0, *start.LOOKUP_PAUSES_S] * start.STARTS == story.pauses_s


def test_a_run_that_refused_the_request_is_looked_for_although_a_read_fails():
    """The task that waits for it needs its id."""
    story = Story(pipeline_runs=[[], lost(), [OTHER]], trigger_pipeline=[BUSY])

    assert 3 == story.start("wait").pipeline_run_id


@pytest.mark.usefixtures("_tokyo")
def test_a_retry_reads_the_runs_since_the_longest_interval_before_its_first_request():
    """Its clock may be behind that of the earlier try."""
    sent_at = NOW - timedelta(days=3)
    story = Story(trigger_pipeline=[8])

    story.start(kept=StartRecord("orders", sent_at.timestamp(), (), 3))

    wide = [sent_at - LONGEST_INTERVAL] * start.READS_WITHOUT_A_RUN
    assert [*wide, sent_at - start.USUAL_SPAN] == story.read_since
    assert [0.0, *start.LOOKUP_PAUSES_S[: start.READS_WITHOUT_A_RUN - 1]] == story.pauses_s


def test_a_retry_reads_the_runs_again_if_a_read_failed():
    """However long ago the request was: only an answer can show that it started nothing."""
    story = Story(pipeline_runs=[lost(), [NEW]])

    started = story.start(kept=StartRecord("orders", NOW.timestamp() - 1000, (), 3))

    assert (Decision.ADOPT, 8) == (started.decision, started.pipeline_run_id)


def test_a_retry_starts_a_new_run_if_the_run_of_the_lost_request_failed():
    """A first try would report the failure of its own run; a retry is there to try again."""
    story = Story(pipeline_runs=[[FAILED]], trigger_pipeline=[8])

    started = story.start(kept=StartRecord("orders", NOW.timestamp() - 1000, (), 3))

    assert (Decision.START, 8) == (started.decision, started.pipeline_run_id)


def test_a_retry_after_a_clear_that_adopts_a_run_records_the_tries_of_now():
    """The next try must know that it is a retry, and no longer a clear."""
    started = Story(pipeline_runs=[[NEW]]).start(kept=StartRecord("orders", 1.0, (), 3), max_tries=6)

    assert (Decision.ADOPT, 6) == (started.decision, started.record.max_tries)


def test_another_run_seen_before_the_start_fails_the_task_if_asked():
    """The error names it, and no request is sent."""
    story = Story(pipeline_runs=[[OTHER]])

    with pytest.raises(PipelineBusyError) as raised:
        story.start("fail")

    assert (3, ["pipeline_runs"]) == (raised.value.pipeline_run_id, story.asked)


def test_a_lost_answer_after_which_a_run_began_too_late_names_that_run():
    """It may be the task's own or another's."""
    late = replace(NEW, started_on=NOW + timedelta(seconds=70))
    story = Story(pipeline_runs=[[], [late]], trigger_pipeline=[lost()])

    with pytest.raises(StartAmbiguousError) as raised:
        story.start(skew_s=lambda: 0.0)

    assert (8, 502, 1) == (raised.value.pipeline_run_id, raised.value.status, story.count("trigger_pipeline"))


COVERING = replace(DONE, range_end=NOW)


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param([COVERING], id="not good enough"),
        pytest.param([replace(DONE, range_end=NOW - timedelta(seconds=1))], id="not far enough"),
        pytest.param([], id="none"),
    ],
)
@pytest.mark.parametrize("is_latest", [True, False], ids=["the latest run", "listed"])
def test_a_run_that_does_not_cover_the_instant_well_enough_is_not_enough(runs, is_latest):
    """The gates of the task decide which run is good enough, and they see the run itself."""
    latest = runs[0] if is_latest and runs else replace(FAILED, pipeline_run_id=2)
    seen = []

    def accept(run):
        seen.append(run.pipeline_run_id)
        return False

    story = Story(
        pipeline_status=[PipelineStatus("orders", latest_pipeline_run=latest)],
        pipeline_runs=[runs],
        trigger_pipeline=[8],
    )
    started = story.start(covers=NOW, accept=accept)

    assert (Decision.START, 8) == (started.decision, started.pipeline_run_id)
    assert {7} & {*seen} == {run.pipeline_run_id for run in runs if run is COVERING}


@pytest.mark.parametrize("is_latest", [True, False], ids=["the latest run", "listed"])
def test_a_run_that_covers_the_instant_is_enough(is_latest):
    """No run is started."""
    latest = COVERING if is_latest else replace(FAILED, pipeline_run_id=2)
    story = Story(
        pipeline_status=[PipelineStatus("orders", latest_pipeline_run=latest)], pipeline_runs=[[FAILED, COVERING]]
    )

    started = story.start(covers=NOW)

    assert (Decision.COVERED, COVERING) == (started.decision, started.run)
    assert 0 == story.count("trigger_pipeline")


# A slice of history: the lock on the data model

OWNER = LockOwner("history", "sync", "manual", 0)
LOCK = DataModelLock("orders", "model", lambda: "SELECT 1", OWNER, Slice("2026-01-01", "2026-02-01"))
OTHERS_SQL = replace(LOCK, owner=replace(OWNER, map_index=1)).sql


class SliceStory(Story):
    """A pipeline whose data model has this SQL, which takes some seconds to read."""

    def __init__(self, sql, written_on=None, read_takes_s=0.0, **answers):
        super().__init__(**answers)
        self.sql, self.written_on, self.read_takes_s = sql, written_on, read_takes_s
        self.now = NOW.timestamp()
        self.records, self.sent_at = [], []

    def start(self, if_running="fail", **options):
        return super().start(if_running, **{"lock": replace(LOCK), "clock": lambda: self.now, **options})

    def carry_out(self, step):
        if isinstance(step, IsActive):
            return False
        if isinstance(step, SaveRecord):
            self.records.append(step.record)
        elif isinstance(step, SendOnce):
            self.sent_at.append(self.now)
        elif step.route == "pipeline":
            return Pipeline("orders", data_model_id="model", sync_mode={"type": "full"}, schedule={"type": "on_demand"})
        elif step.route == "data_model":
            if step.method == "PUT":
                self.sql = step.json["config"]["sql_query"]
                return None
            self.now += self.read_takes_s
            return DataModel("model", type="sql", config={"sql_query": self.sql}, last_modified_on=self.written_on)
        return super().carry_out(step)


@pytest.mark.parametrize(("read_takes_s", "records"), [(0.0, 1), (2.0, 1), (2.125, 2), (30.0, 2)])
def test_the_record_of_a_slice_has_the_time_of_its_request_although_its_check_takes_long(read_takes_s, records):
    """A run that others start meanwhile would be taken for ours."""
    story = SliceStory("SELECT 2", read_takes_s=read_takes_s, trigger_pipeline=[8])

    started = story.start()

    assert (Decision.START, 8, LOCK.slice_id) == (started.decision, started.pipeline_run_id, started.record.slice_id)
    assert LOCK.sql == story.sql
    *before, kept = story.records
    assert [1] * records == [len(record.sent_at) for record in before]
    assert before[-1].sent_at == kept.sent_at
    [sent_at] = story.sent_at
    assert 0.0 <= sent_at - kept.sent_at[0] <= start.LONGEST_CHECK_S


@pytest.mark.parametrize(
    ("sql", "max_tries", "runs", "decision"),
    [
        pytest.param(LOCK.sql, 3, [], Decision.START, id="its own SQL"),
        pytest.param(OTHERS_SQL, 3, [], None, id="the SQL of another slice"),
        pytest.param(OTHERS_SQL, 6, [], Decision.START, id="the SQL of another slice, after a clear"),
        pytest.param(OTHERS_SQL, 3, [NEW], Decision.ADOPT, id="the SQL of another slice, and a run"),
    ],
)
def test_a_retry_of_a_slice_whose_sql_was_replaced_starts_nothing(sql, max_tries, runs, decision):
    """The SQL is replaced only after the task has ended for Airflow, so its run may have ended and left the list."""
    story = SliceStory(sql, pipeline_runs=[runs], trigger_pipeline=[9])
    kept = StartRecord("orders", NOW.timestamp() - 1000, (), 3)

    if decision is None:
        with pytest.raises(StartAmbiguousError):
            story.start(kept=kept, max_tries=max_tries)
        assert 0 == story.count("trigger_pipeline")
    else:
        assert decision is story.start(kept=kept, max_tries=max_tries).decision


def test_a_run_that_began_before_the_sql_was_written_is_not_the_run_of_the_slice():
    """It has read the rows of the slice before, whoever started it."""
    sent_at = NOW - timedelta(seconds=1000)
    early = replace(DONE, pipeline_run_id=8, started_on=sent_at)
    written = (sent_at + timedelta(seconds=60)).isoformat()
    story = SliceStory(LOCK.sql, written, pipeline_runs=[[early]], trigger_pipeline=[9])

    started = story.start(kept=StartRecord("orders", sent_at.timestamp(), (), 3))

    assert (Decision.START, 9) == (started.decision, started.pipeline_run_id)


@pytest.mark.parametrize("answer", [8, None, lost(), BUSY], ids=["started", "no id", "lost", "busy"])
@pytest.mark.parametrize("kept", [None, StartRecord("orders", 1.0, (), 3)], ids=["first try", "retry"])
def test_no_list_of_runs_goes_back_without_end(answer, kept):
    """A pipeline may have thousands of runs, a hundred for each request."""
    story, since = Story(trigger_pipeline=[answer]), []

    def carry_out(step):
        if getattr(step, "route", None) == "pipeline_runs":
            since.append(step.params.get("startDate"))
        return story.carry_out(step)

    steps = RunStarter("orders", "fail", max_tries=3, clear_number=0, clock=lambda: NOW.timestamp(), kept=kept).steps()
    with suppress(MParticleError):
        drive(steps, carry_out, lambda _: None)

    assert since
    assert all(since)


@given(st.sampled_from([DONE, FAILED]), st.integers(0, 5), st.booleans())
def test_an_answer_that_names_an_earlier_run_does_not_hide_the_new_one(earlier, reads, is_lost):
    """mParticle may name the latest run that it knows at this moment. The task would report the result of that one."""
    reading = [[earlier]] * reads
    story = Story(pipeline_runs=[[earlier], *reading, [earlier, NEW]], trigger_pipeline=[lost(), 7] if is_lost else [7])

    started = story.start()

    assert (Decision.ADOPT, 8) == (started.decision, started.pipeline_run_id)


def test_a_failed_run_may_begin_again_under_its_id():
    """mParticle names it, and shows no other run."""
    story = Story(pipeline_runs=[[FAILED], [replace(FAILED, progress=Progress.UNDER_WAY)]], trigger_pipeline=[7])

    started = story.start()

    assert (Decision.START, 7) == (started.decision, started.pipeline_run_id)


@given(st.floats(-86_400, 86_400), st.floats(0, 89))
def test_a_retry_soon_after_a_request_is_patient_whatever_clock_was_set(set_s, ago_s):
    """mParticle's clock may have been set since the request, which does not make the request older."""
    kept = StartRecord("orders", NOW.timestamp(), (), 3).with_request(NOW.timestamp() - ago_s, 0.0)
    story = Story(trigger_pipeline=[8])

    story.start(kept=kept, skew_s=lambda: set_s)

    assert ["pipeline_runs"] * (2 + len(start.LOOKUP_PAUSES_S)) == story.asked[:-3]


@given(st.floats(-2e9, 2.5e11))
def test_the_runs_are_read_by_the_clock_that_is_behind(skew_s):
    """A clock may be wrong by months. Logical dates are on mParticle's clock, so ours alone might exclude all runs."""
    story = Story(pipeline_runs=[[], [NEW]], trigger_pipeline=[lost()])

    story.start(skew_s=lambda: skew_s)

    behind = datetime.fromtimestamp(max(0.0, NOW.timestamp() + min(0.0, skew_s)), UTC)
    assert all(behind - LONGEST_INTERVAL - timedelta(1) < since < behind for since in story.read_since)
