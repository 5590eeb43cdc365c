"""The order of what is recorded and sent by a start, driven by hand."""

from __future__ import annotations

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
from airflow_provider_mparticle.runs.start import RunStarter
from airflow_provider_mparticle.runs.start_decision import Decision
from airflow_provider_mparticle.runs.start_record import SaveRecord, StartRecord
from airflow_provider_mparticle.runs.steps import drive

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS = PipelineRun("orders", 7, type="manual", state="running", logical_date=NOW)
DONE = replace(OURS, state="success", progress=Progress.SUCCEEDED)
FAILED = replace(OURS, state="failed", progress=Progress.FAILED)
OTHER = PipelineRun("orders", 3, type="manual", state="running", logical_date=NOW - timedelta(hours=1))


class Story:
    """Answers each route with what the story has for it, the last of it for ever, and writes down what was done."""

    def __init__(self, **answers):
        self.answers = {"pipeline_runs": [[]], **answers}
        self.told = []

    def start(self, if_running="fail", **options):
        options = {"max_tries": 3, "clear_number": 0, "clock": lambda: NOW.timestamp(), **options}
        return drive(RunStarter("orders", if_running, **options).steps(), self.carry_out, lambda _: None)

    def carry_out(self, step):
        if isinstance(step, SaveRecord):
            known = step.record and (step.record.known_run_ids, step.record.pipeline_run_id)
            self.told.append(("record", known))
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

    assert ["pipeline_runs", ("record", (("7",), None)), "trigger_pipeline", ("record", (("7",), 8))] == story.told
    assert (Decision.START, 8) == (started.decision, started.pipeline_run_id)
    assert NOW.timestamp() == started.record.waiting_since


def test_a_lost_answer_is_looked_into_before_anything_else():
    """The run that the note does not know is ours."""
    story = Story(pipeline_runs=[[DONE], [DONE], [DONE, NEW]], trigger_pipeline=[lost()])

    started = story.start()

    assert (Decision.ADOPT, 8) == (started.decision, started.pipeline_run_id)
    assert ["trigger_pipeline", "pipeline_runs", "pipeline_runs", ("record", (("7",), 8))] == story.told[2:]


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

    assert {("record", ((), None))} == {step for step in story.told if step[0] == "record"}


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

    assert ("record", None) == story.told[-1]
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
    assert ["pipeline_run", ("record", ((), 7))] == story.told


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
    assert [("record", (("7",), None)), "trigger_pipeline", ("record", (("7",), 8))] == story.told[2:]


def test_a_retry_without_an_id_checks_the_runs_before_it_starts():
    """An earlier try may have died on its way. After so long mParticle must show its run, so one check is enough."""
    story = Story(trigger_pipeline=[8])

    started = story.start(kept=StartRecord("orders", 1.0, (), 3))

    assert (Decision.START, 8) == (started.decision, started.pipeline_run_id)
    assert ["pipeline_runs"] * 2 == story.told[:-3]


def test_a_retry_soon_after_a_request_checks_the_runs_for_as_long_as_they_may_be_listed_late():
    """A run may be listed a minute after its start, and a retry may come after five seconds."""
    story = Story(trigger_pipeline=[8])

    story.start(kept=StartRecord("orders", NOW.timestamp() - 5, (), 3))

    assert ["pipeline_runs"] * (2 + len(start.LOOKUP_PAUSES_S)) == story.told[:-3]


def test_a_retry_that_cannot_read_the_runs_starts_nothing():
    """An old run must not be adopted because a request failed, nor a new one be started beside ours."""
    story = Story(pipeline_runs=[lost()])

    with pytest.raises(StartAmbiguousError):
        story.start(kept=StartRecord("orders", 1.0, ("7",), 3))

    assert 0 == story.count("trigger_pipeline")


def test_the_latest_run_stands_in_where_runs_cannot_be_listed():
    """Which run routes v2 has is assumed."""
    status = PipelineStatus("orders", latest_pipeline_run=DONE)
    story = Story(pipeline_runs=[NotFoundError("no route")], pipeline_status=[status], trigger_pipeline=[8])

    story.start()

    assert ["pipeline_runs", "pipeline_runs", "pipeline_status", ("record", (("7",), None))] == story.told[:4]


def test_a_new_pipeline_without_a_status_is_started():
    """For about a minute after its creation a pipeline's status answers 404."""
    story = Story(pipeline_runs=[NotFoundError("none")], pipeline_status=[NotFoundError("none")], trigger_pipeline=[8])

    started = story.start()

    assert (Decision.START, 8) == (started.decision, started.pipeline_run_id)


def test_an_unreachable_api_stops_a_start_before_anything_is_recorded():
    """Without knowing what was there before, a lost answer could not be resolved."""
    story = Story(pipeline_runs=[lost()])

    with pytest.raises(ServerError):
        story.start()

    assert ["pipeline_runs"] == story.told
