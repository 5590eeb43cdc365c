"""The decision that makes one run out of one task, and the order of what is noted and sent."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_mparticle.client.errors import (
    InvalidRequestError,
    NoAnswerError,
    NotFoundError,
    PipelineBusyError,
    ServerError,
    StartAmbiguousError,
)
from airflow_provider_mparticle.client.models import PipelineRun, PipelineStatus
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs import start
from airflow_provider_mparticle.runs.run_list import runs_since
from airflow_provider_mparticle.runs.start import RunStarter, SaveRecord, StartRecord
from airflow_provider_mparticle.runs.start_decision import Decision, StartState, TriggerState, decide
from airflow_provider_mparticle.runs.steps import drive

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS = PipelineRun("orders", 7, type="manual", state="running", logical_date=NOW)
DONE = replace(OURS, state="success", progress=Progress.SUCCEEDED)
FAILED = replace(OURS, state="failed", progress=Progress.FAILED)
OTHER = PipelineRun("orders", 3, type="manual", state="running", logical_date=NOW - timedelta(hours=1))
SCHEDULED = replace(OTHER, type="scheduled")


def state(**facts):
    return StartState(**{"if_running": "fail", **facts})


DECISIONS = {
    # An idle or busy pipeline, nothing sent yet
    "an idle pipeline is started": (state(), Decision.START, None),
    "a busy pipeline fails the task if asked": (state(in_progress=OTHER), Decision.FAIL, OTHER),
    "a busy pipeline is waited for if asked": (state(if_running="wait", in_progress=OTHER), Decision.WAIT, OTHER),
    "a busy pipeline is attached to if asked": (state(if_running="attach", in_progress=OTHER), Decision.ADOPT, OTHER),
    "a busy pipeline skips the task if asked": (state(if_running="skip", in_progress=OTHER), Decision.SKIP, OTHER),
    # A run that an earlier try knows by its id
    "our run under way is adopted": (state(ours=OURS, is_retry=True), Decision.ADOPT, OURS),
    "our run that succeeded is adopted": (state(ours=DONE, is_retry=True), Decision.ADOPT, DONE),
    "our run that failed is started afresh": (state(ours=FAILED, is_retry=True), Decision.START, None),
    "our run is adopted though another is in progress": (state(ours=OURS, in_progress=OTHER), Decision.ADOPT, OURS),
    # A request whose answer is lost
    "after a lost answer the unknown run is ours": (
        state(trigger_state=TriggerState.UNCERTAIN, unknown=(OURS,)),
        Decision.ADOPT,
        OURS,
    ),
    "after a lost answer the oldest unknown run is ours": (
        state(trigger_state=TriggerState.UNCERTAIN, unknown=(OURS, OTHER)),
        Decision.ADOPT,
        OURS,
    ),
    "after a lost answer an unknown run that failed is ours as well": (
        state(trigger_state=TriggerState.UNCERTAIN, unknown=(FAILED,)),
        Decision.ADOPT,
        FAILED,
    ),
    "after a lost answer the runs are looked at again": (
        state(trigger_state=TriggerState.UNCERTAIN),
        Decision.CHECK_AGAIN,
        None,
    ),
    "after a lost answer a run in progress does not end the looks": (
        state(trigger_state=TriggerState.UNCERTAIN, in_progress=SCHEDULED),
        Decision.CHECK_AGAIN,
        None,
    ),
    "after a lost answer and enough looks the start is repeated": (
        state(trigger_state=TriggerState.UNCERTAIN, may_check_again=False),
        Decision.START,
        None,
    ),
    "after a lost answer and enough looks somebody's run is dealt with as asked": (
        state(if_running="wait", trigger_state=TriggerState.UNCERTAIN, may_check_again=False, in_progress=SCHEDULED),
        Decision.WAIT,
        SCHEDULED,
    ),
    "after a lost answer and enough starts the start is given up": (
        state(trigger_state=TriggerState.UNCERTAIN, may_check_again=False, may_start=False),
        Decision.GIVE_UP,
        None,
    ),
    "after a lost answer nobody starts who could not look": (
        state(trigger_state=TriggerState.UNCERTAIN, unknown=None, may_check_again=False),
        Decision.GIVE_UP,
        None,
    ),
    # A request that was accepted without an id
    "an accepted start without an id is the unknown run": (
        state(trigger_state=TriggerState.ACCEPTED, unknown=(OURS,)),
        Decision.ADOPT,
        OURS,
    ),
    "an accepted start that is not shown yet is looked for again": (
        state(trigger_state=TriggerState.ACCEPTED),
        Decision.CHECK_AGAIN,
        None,
    ),
    "an accepted start that is never shown is never repeated": (
        state(trigger_state=TriggerState.ACCEPTED, may_check_again=False),
        Decision.GIVE_UP,
        None,
    ),
    # A request refused as busy after one whose answer was lost
    "a busy pipeline after a lost answer is busy with ours": (
        state(trigger_state=TriggerState.BUSY, unknown=(OURS,), in_progress=OURS),
        Decision.ADOPT,
        OURS,
    ),
    "a busy pipeline after a lost answer is busy with somebody's if no run is unknown": (
        state(if_running="skip", trigger_state=TriggerState.BUSY, may_check_again=False, in_progress=SCHEDULED),
        Decision.SKIP,
        SCHEDULED,
    ),
    "a busy pipeline that shows no run is given up": (
        state(trigger_state=TriggerState.BUSY, may_check_again=False),
        Decision.GIVE_UP,
        None,
    ),
    # A try before this one may have sent the request
    "a retry adopts the unknown run": (
        state(trigger_state=TriggerState.UNCERTAIN, unknown=(OURS,), is_retry=True),
        Decision.ADOPT,
        OURS,
    ),
    "a retry adopts the unknown run that succeeded": (
        state(trigger_state=TriggerState.UNCERTAIN, unknown=(DONE,), is_retry=True),
        Decision.ADOPT,
        DONE,
    ),
    "a retry starts afresh if the unknown run failed": (
        state(trigger_state=TriggerState.UNCERTAIN, unknown=(FAILED,), is_retry=True),
        Decision.START,
        None,
    ),
    "a retry that finds no unknown run starts": (
        state(trigger_state=TriggerState.UNCERTAIN, may_check_again=False, is_retry=True),
        Decision.START,
        None,
    ),
    "a retry that cannot look gives up": (
        state(trigger_state=TriggerState.UNCERTAIN, unknown=None, may_check_again=False, is_retry=True),
        Decision.GIVE_UP,
        None,
    ),
}


@pytest.mark.parametrize(("seen", "decision", "run"), DECISIONS.values(), ids=DECISIONS.keys())
def test_a_decision_follows_from_what_is_seen(seen, decision, run):
    """One table says when a second run would be started, so that a reader can check it."""
    decided = decide(seen)

    assert (decision, run) == decided


# Notes


@pytest.mark.parametrize(
    "record",
    [
        StartRecord("orders", 1.5),
        StartRecord("orders", 1.5, ("1", "2"), 3, 1, 7, 2.5, is_finished=True),
        StartRecord("orders", 1.5, pipeline_run_id="seven"),
    ],
    ids=["new", "finished", "id as text"],
)
def test_a_note_survives_its_way_through_the_store(record):
    """Airflow's task state store keeps JSON, which knows no tuples."""
    stored = json.dumps(record.as_json())

    assert record == StartRecord.from_json(json.loads(stored))


@pytest.mark.parametrize(
    ("finished", "pipeline_id", "max_tries", "clear_number", "counts"),
    [
        pytest.param(False, "orders", 3, 0, True, id="a retry keeps max_tries"),
        pytest.param(False, "orders", 4, 1, False, id="a clear raises max_tries"),
        pytest.param(False, "orders", 3, 1, True, id="a clear of another task, or of this one while it runs"),
        pytest.param(False, "customers", 3, 0, False, id="another pipeline"),
        pytest.param(True, "orders", 3, 0, True, id="a worker lost after its work was done"),
        pytest.param(True, "orders", 3, 1, False, id="a clear after success that keeps max_tries"),
    ],
)
def test_a_note_counts_for_a_retry_and_not_after_a_clear(finished, pipeline_id, max_tries, clear_number, counts):
    """A retry has to find its run, and a user who clears a task wants a fresh one."""
    record = StartRecord("orders", 1.5, max_tries=3, clear_number=0, is_finished=finished)

    assert counts == record.counts_for(pipeline_id, None, max_tries, clear_number)


# The steps, driven by hand


class Story:
    """Answers each route with what the story has for it, the last of it for ever, and writes down what was done."""

    def __init__(self, **answers):
        self.answers = {"pipeline_runs": [[]], **answers}
        self.told = []

    def start(self, if_running="fail", **options):
        options = {"max_tries": 3, "clear_number": 0, "now": NOW.timestamp(), **options}
        return drive(RunStarter("orders", if_running, **options).steps(), self.carry_out, lambda _: None)

    def carry_out(self, step):
        if isinstance(step, SaveRecord):
            known = step.record and (step.record.known_run_ids, step.record.pipeline_run_id)
            self.told.append(("note", known))
            return None
        self.told.append(step.route)
        answers = self.answers[step.route]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def count(self, route):
        return self.told.count(route)


def lost(status=None):
    return ServerError("502", status=status or 502, may_have_executed=True)


BUSY = PipelineBusyError("already in progress", status=400, reasons=("already in progress",))
NEW = replace(OURS, pipeline_run_id=8)


def test_the_intent_is_noted_before_the_start_and_the_id_after_it():
    """A worker may die between any two of these steps, and the next try has only what was noted."""
    story = Story(pipeline_runs=[[DONE]], trigger_pipeline=[8])

    started = story.start()

    assert ["pipeline_runs", ("note", (("7",), None)), "trigger_pipeline", ("note", (("7",), 8))] == story.told
    assert (Decision.START, 8) == (started.decision, started.pipeline_run_id)
    assert NOW.timestamp() == started.record.waiting_since


def test_a_lost_answer_is_looked_into_before_anything_else():
    """The run that the note does not know is ours."""
    story = Story(pipeline_runs=[[DONE], [DONE], [DONE, NEW]], trigger_pipeline=[lost()])

    started = story.start()

    assert (Decision.ADOPT, 8) == (started.decision, started.pipeline_run_id)
    assert ["trigger_pipeline", "pipeline_runs", "pipeline_runs", ("note", (("7",), 8))] == story.told[2:]


def test_a_start_that_left_no_trace_is_sent_again_a_few_times_only():
    """After a few starts without a trace something else is wrong, and a person should look."""
    story = Story(trigger_pipeline=[lost()])

    with pytest.raises(StartAmbiguousError) as raised:
        story.start()

    assert start.STARTS == story.count("trigger_pipeline")
    assert ("orders", 502, True) == (raised.value.pipeline_id, raised.value.status, raised.value.may_have_executed)
    assert 1 + start.STARTS * len(start.LOOKUP_PAUSES_S) == story.count("pipeline_runs")


@pytest.mark.parametrize("answer", [None, lost()], ids=["accepted without an id", "answer lost"])
def test_an_ambiguous_start_keeps_its_note(answer):
    """The next try resolves it, and can do so only with the note."""
    story = Story(trigger_pipeline=[answer])

    with pytest.raises(StartAmbiguousError):
        story.start()

    assert [("note", ((), None))] == [step for step in story.told if step[0] == "note"]


@pytest.mark.parametrize(
    "answer",
    [InvalidRequestError("no"), NoAnswerError("no connection"), BUSY],
    ids=["refused", "never left", "busy"],
)
def test_a_start_that_certainly_did_not_happen_forgets_its_note(answer):
    """The next try has nothing to resolve, and a run of somebody else's must not look like ours to it."""
    story = Story(trigger_pipeline=[answer])

    with pytest.raises(type(answer)):
        story.start()

    assert ("note", None) == story.told[-1]
    assert 1 == story.count("trigger_pipeline")


def test_an_accepted_start_is_never_repeated():
    """The answer was yes; that mParticle does not show the run is no reason to ask for another."""
    story = Story(trigger_pipeline=[None])

    with pytest.raises(StartAmbiguousError):
        story.start()

    assert 1 == story.count("trigger_pipeline")


def test_a_start_after_which_nobody_can_look_is_not_repeated():
    """It may have started a run, and the last look decides whether one is there."""
    story = Story(pipeline_runs=[[], [], lost()], trigger_pipeline=[lost()])

    with pytest.raises(StartAmbiguousError):
        story.start()

    assert 1 == story.count("trigger_pipeline")


def test_a_start_refused_as_busy_after_a_lost_one_adopts_the_run_of_the_lost_one():
    """The first request arrived after all, only late."""
    polls = [[]] * (1 + len(start.LOOKUP_PAUSES_S))
    story = Story(pipeline_runs=[*polls, [NEW]], trigger_pipeline=[lost(), BUSY])

    started = story.start()

    assert (Decision.ADOPT, 8) == (started.decision, started.pipeline_run_id)
    assert 2 == story.count("trigger_pipeline")


@pytest.mark.parametrize(
    ("if_running", "decision"), [("wait", Decision.WAIT), ("skip", Decision.SKIP), ("attach", Decision.ADOPT)]
)
@pytest.mark.parametrize("runs", [[[OTHER]], [[], [OTHER]]], ids=["seen before the start", "met by the start"])
def test_somebody_elses_run_is_named_and_no_note_is_left_unless_it_is_adopted(if_running, decision, runs):
    """By a note from before that run, a later try would take it for ours."""
    story = Story(pipeline_runs=runs, trigger_pipeline=[BUSY])

    started = story.start(if_running)

    assert (decision, 3) == (started.decision, started.pipeline_run_id)
    last_note = story.told[-1][1]
    assert last_note is None if decision is not Decision.ADOPT else last_note[1] == 3


def test_a_busy_pipeline_that_shows_no_run_is_busy_all_the_same():
    """By its answer there is one, so nothing is started and the error says what is known."""
    story = Story(trigger_pipeline=[BUSY])

    with pytest.raises(PipelineBusyError, match="a run that it does not name in progress") as raised:
        story.start("attach")

    assert (400, ("already in progress",)) == (raised.value.status, raised.value.reasons)


def test_a_retry_with_an_id_asks_for_that_run_only():
    """It needs to know nothing else, and starts nothing."""
    story = Story(pipeline_run=[OURS])
    kept = StartRecord("orders", 1.0, (), 3, 0, 7, 2.0)

    started = story.start(kept=kept)

    assert (Decision.ADOPT, 7, 2.0) == (started.decision, started.pipeline_run_id, started.record.waiting_since)
    assert ["pipeline_run", ("note", ((), 7))] == story.told


@pytest.mark.parametrize(
    "error", [lost(), NoAnswerError("away"), NotFoundError("missing")], ids=["502", "no answer", "404"]
)
def test_a_retry_keeps_to_its_run_though_nobody_can_see_it_now(error):
    """An API that is away says nothing about the run; the wait is what decides."""
    story = Story(pipeline_run=[error], pipeline_runs=[error], pipeline_status=[error])

    started = story.start(kept=StartRecord("orders", 1.0, (), 3, 0, 7, 2.0))

    assert (Decision.ADOPT, 7) == (started.decision, started.pipeline_run_id)


def test_a_retry_of_a_finished_task_asks_nothing():
    """Its run ended well; Airflow only has not heard of it."""
    story = Story()

    started = story.start(kept=StartRecord("orders", 1.0, (), 3, 0, 7, 2.0, is_finished=True))

    assert (Decision.ADOPT, 7) == (started.decision, started.pipeline_run_id)
    assert 0 == sum(isinstance(step, str) for step in story.told)


def test_a_retry_of_a_failed_run_notes_it_as_known_and_starts_afresh():
    """A failed run is no longer ours, not even after a lost answer."""
    story = Story(pipeline_run=[FAILED], pipeline_runs=[[FAILED]], trigger_pipeline=[8])

    started = story.start(kept=StartRecord("orders", 1.0, (), 3, 0, 7, 2.0))

    assert (Decision.START, 8, NOW.timestamp()) == (
        started.decision,
        started.pipeline_run_id,
        started.record.waiting_since,
    )
    assert [("note", (("7",), None)), "trigger_pipeline", ("note", (("7",), 8))] == story.told[2:]


def test_a_retry_without_an_id_looks_before_it_starts():
    """The try before this one may have died on its way."""
    story = Story(trigger_pipeline=[8])

    started = story.start(kept=StartRecord("orders", 1.0, (), 3))

    assert (Decision.START, 8) == (started.decision, started.pipeline_run_id)
    assert ["pipeline_runs"] * len(start.LOOKUP_PAUSES_S) == story.told[:-3]


def test_a_retry_that_cannot_look_starts_nothing():
    """An old run must not become ours because a look failed, nor a new one be started beside ours."""
    story = Story(pipeline_runs=[[DONE], lost()])

    with pytest.raises(StartAmbiguousError):
        story.start(kept=StartRecord("orders", 1.0, ("7",), 3))

    assert 0 == story.count("trigger_pipeline")


def test_the_latest_run_stands_in_where_runs_cannot_be_listed():
    """Which run routes v2 has is assumed."""
    status = PipelineStatus("orders", latest_pipeline_run=DONE)
    story = Story(pipeline_runs=[NotFoundError("no route")], pipeline_status=[status], trigger_pipeline=[8])

    story.start()

    assert ["pipeline_runs", "pipeline_status", ("note", (("7",), None))] == story.told[:3]


def test_a_new_pipeline_without_a_status_is_started():
    """For about a minute after its creation a pipeline's status answers 404."""
    story = Story(pipeline_runs=[NotFoundError("none")], pipeline_status=[NotFoundError("none")], trigger_pipeline=[8])

    started = story.start()

    assert (Decision.START, 8) == (started.decision, started.pipeline_run_id)


def test_an_unreachable_api_stops_a_start_before_anything_is_noted():
    """Without knowing what was there before, a lost answer could not be resolved."""
    story = Story(pipeline_runs=[lost()])

    with pytest.raises(ServerError):
        story.start()

    assert ["pipeline_runs"] == story.told


@pytest.mark.parametrize(
    ("began", "kind", "decision"),
    [
        pytest.param(timedelta(minutes=1), "manual", Decision.ADOPT, id="manual, from this DAG run"),
        pytest.param(timedelta(minutes=-1), "manual", Decision.FAIL, id="manual, older"),
        pytest.param(timedelta(minutes=1), "scheduled", Decision.FAIL, id="scheduled"),
        pytest.param(timedelta(minutes=1), None, Decision.ADOPT, id="kind not told"),
    ],
)
def test_without_a_store_a_retry_takes_only_what_can_be_ours(began, kind, decision):
    """Where no note is kept, the DAG run's beginning is all that is known."""
    run = replace(OURS, type=kind, logical_date=NOW + began)
    story = Story(pipeline_runs=[[run]])

    if decision is Decision.FAIL:
        with pytest.raises(PipelineBusyError):
            story.start(retry_since=NOW)
    else:
        assert (Decision.ADOPT, 7) == (story.start(retry_since=NOW).decision, 7)

    assert 0 == story.count("trigger_pipeline")


@pytest.mark.parametrize(("sizes", "pages"), [((0,), 1), ((99,), 1), ((100, 0), 2), ((100, 100, 30), 3)])
def test_runs_are_read_to_the_last_page(sizes, pages):
    """In which order mParticle lists them is not documented, so the newest may stand on any."""
    asked = []

    def page(call):
        asked.append(call.params["currentPage"])
        first = sum(sizes[: asked[-1] - 1])
        return [PipelineRun("orders", number) for number in range(first, first + sizes[asked[-1] - 1])]

    found = drive(runs_since("orders", NOW), page, lambda _: None)

    assert [*range(sum(sizes))] == [run.pipeline_run_id for run in found]
    assert [*range(1, pages + 1)] == asked


def test_a_server_that_repeats_its_page_does_not_keep_us_for_ever():
    """Whether mParticle knows pages at all is only assumed."""
    same = [PipelineRun("orders", number) for number in range(100)]

    assert same == drive(runs_since("orders", NOW), lambda _: same, lambda _: None)
