"""The decision with which a task starts exactly one run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.run_matching import Matches
from airflow_provider_mparticle.runs.start_decision import Decision, StartState, TriggerState, decide

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OURS = PipelineRun("orders", 7, type="manual", state="running", logical_date=NOW)
DONE = replace(OURS, state="success", progress=Progress.SUCCEEDED)
FAILED = replace(OURS, state="failed", progress=Progress.FAILED)
OTHER = PipelineRun("orders", 3, type="manual", state="running", logical_date=NOW - timedelta(hours=1))
SCHEDULED = replace(OTHER, type="scheduled")


def state(**facts):
    return StartState(**{"if_running": "fail", **facts})


DECISIONS = {
    # An idle or busy pipeline, no request sent yet
    "an idle pipeline is started": (state(), Decision.START, None),
    "a busy pipeline fails the task if asked": (state(in_progress=OTHER), Decision.FAIL, OTHER),
    "a busy pipeline is waited for if asked": (state(if_running="wait", in_progress=OTHER), Decision.WAIT, OTHER),
    "a busy pipeline is attached to if asked": (state(if_running="attach", in_progress=OTHER), Decision.ADOPT, OTHER),
    "a busy pipeline skips the task if asked": (state(if_running="skip", in_progress=OTHER), Decision.SKIP, OTHER),
    # A run whose id an earlier try has recorded
    "our run in progress is adopted": (state(ours=OURS, is_retry=True), Decision.ADOPT, OURS),
    "our run that succeeded is adopted": (state(ours=DONE, is_retry=True), Decision.ADOPT, DONE),
    "our run that failed is started again": (state(ours=FAILED, is_retry=True), Decision.START, None),
    "our run is adopted though another is in progress": (state(ours=OURS, in_progress=OTHER), Decision.ADOPT, OURS),
    # A request whose answer was lost
    "after a lost answer the new run is ours": (
        state(trigger_state=TriggerState.UNCERTAIN, matches=Matches((OURS,))),
        Decision.ADOPT,
        OURS,
    ),
    "after a lost answer two runs that may be ours are not chosen from": (
        state(trigger_state=TriggerState.UNCERTAIN, matches=Matches((OURS, OTHER)), may_check_again=False),
        Decision.GIVE_UP,
        None,
    ),
    "after a lost answer a failed run does not hide ours": (
        state(trigger_state=TriggerState.UNCERTAIN, matches=Matches((FAILED, OURS))),
        Decision.ADOPT,
        OURS,
    ),
    "after a lost answer a run that may be ours or another's is not adopted": (
        state(trigger_state=TriggerState.UNCERTAIN, matches=Matches(maybe=(OURS,)), may_check_again=False),
        Decision.GIVE_UP,
        OURS,
    ),
    "after a lost answer a run that may be ours is attached to if asked": (
        state(
            if_running="attach",
            trigger_state=TriggerState.UNCERTAIN,
            matches=Matches(maybe=(OURS,)),
            may_check_again=False,
        ),
        Decision.ADOPT,
        OURS,
    ),
    "after a lost answer an new run that failed is ours as well": (
        state(trigger_state=TriggerState.UNCERTAIN, matches=Matches((FAILED,)), may_check_again=False),
        Decision.ADOPT,
        FAILED,
    ),
    "after a lost answer the runs are checked again": (
        state(trigger_state=TriggerState.UNCERTAIN),
        Decision.CHECK_AGAIN,
        None,
    ),
    "after a lost answer a run in progress does not end the checks": (
        state(trigger_state=TriggerState.UNCERTAIN, in_progress=SCHEDULED),
        Decision.CHECK_AGAIN,
        None,
    ),
    "after a lost answer and enough checks the start is repeated": (
        state(trigger_state=TriggerState.UNCERTAIN, may_check_again=False),
        Decision.START,
        None,
    ),
    "after a lost answer and enough checks another run is dealt with as asked": (
        state(if_running="wait", trigger_state=TriggerState.UNCERTAIN, may_check_again=False, in_progress=SCHEDULED),
        Decision.WAIT,
        SCHEDULED,
    ),
    "after a lost answer nothing is started unless the runs were read": (
        state(trigger_state=TriggerState.UNCERTAIN, matches=None, may_check_again=False),
        Decision.GIVE_UP,
        None,
    ),
    # A request that was accepted without an id
    "an accepted start without an id is the new run": (
        state(trigger_state=TriggerState.ACCEPTED, matches=Matches((OURS,))),
        Decision.ADOPT,
        OURS,
    ),
    "an accepted start whose run has failed is not mixed up with a later run": (
        state(
            trigger_state=TriggerState.ACCEPTED,
            matches=Matches((FAILED,), (replace(OURS, pipeline_run_id=8),)),
            may_check_again=False,
        ),
        Decision.ADOPT,
        FAILED,
    ),
    "an accepted start that is not shown yet is checked for again": (
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
        state(trigger_state=TriggerState.BUSY, matches=Matches((OURS,)), in_progress=OURS),
        Decision.ADOPT,
        OURS,
    ),
    "a busy pipeline after a lost answer is busy with another run if no run is unknown": (
        state(if_running="skip", trigger_state=TriggerState.BUSY, may_check_again=False, in_progress=SCHEDULED),
        Decision.SKIP,
        SCHEDULED,
    ),
    "a busy pipeline that shows no run is given up": (
        state(trigger_state=TriggerState.BUSY, may_check_again=False),
        Decision.GIVE_UP,
        None,
    ),
    # An earlier try may have sent the request
    "a retry adopts the new run": (
        state(trigger_state=TriggerState.UNCERTAIN, matches=Matches((OURS,)), is_retry=True),
        Decision.ADOPT,
        OURS,
    ),
    "a retry adopts the new run that succeeded": (
        state(trigger_state=TriggerState.UNCERTAIN, matches=Matches((DONE,)), is_retry=True),
        Decision.ADOPT,
        DONE,
    ),
    "a retry starts a new run if the new run failed": (
        state(trigger_state=TriggerState.UNCERTAIN, matches=Matches((FAILED,)), is_retry=True, may_check_again=False),
        Decision.START,
        None,
    ),
    "a retry that finds no new run starts": (
        state(trigger_state=TriggerState.UNCERTAIN, may_check_again=False, is_retry=True),
        Decision.START,
        None,
    ),
    "a retry that cannot read the runs gives up": (
        state(trigger_state=TriggerState.UNCERTAIN, matches=None, may_check_again=False, is_retry=True),
        Decision.GIVE_UP,
        None,
    ),
}


@pytest.mark.parametrize(("seen", "decision", "run"), DECISIONS.values(), ids=DECISIONS.keys())
def test_a_decision_follows_from_what_is_seen(seen, decision, run):
    """One table shows when a second run is started, so that a reader can check it."""
    decided = decide(seen)

    assert (decision, run) == decided
