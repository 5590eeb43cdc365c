"""
Decides whether to start a run, to adopt one, to wait for one, or to refuse: a pure function of what is known.

`start.RunStarter` gathers what is known, step by step, and carries out the decision.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress
from airflow_provider_mparticle.runs.run_matching import Matches

IfRunning = Literal["fail", "wait", "attach", "skip"]


class TriggerState(StrEnum):
    """What is known of this task's own trigger requests."""

    NO = "no"  # no request was sent, or every request was certainly refused
    UNCERTAIN = "uncertain"  # a request was sent and its answer was lost, or an earlier try may have sent a request
    ACCEPTED = "accepted"  # mParticle accepted the request, but did not say which run it started
    BUSY = "busy"  # refused because of a run in progress, after an uncertain request: that run may be ours


class Decision(StrEnum):
    """What to do next."""

    START = "start"
    ADOPT = "adopt"
    WAIT = "wait"
    FAIL = "fail"
    SKIP = "skip"
    COVERED = "covered"
    CHECK_AGAIN = "check again"
    GIVE_UP = "give up"


@dataclass(frozen=True)
class StartState:
    """
    Everything that a decision depends on.

    :param if_running: What the user wants when another run is in progress.
    :param trigger_state: What is known of this task's trigger requests.
    :param ours: This task's run, if an earlier try recorded its id.
    :param matches: New runs that this task's requests may have started; None if the runs could not be read.
    :param in_progress: A run in progress that is not this task's.
    :param is_retry: Whether an earlier try sent the request.
    :param may_check_again: Whether mParticle may still show our run later.
    """

    if_running: IfRunning
    trigger_state: TriggerState = TriggerState.NO
    ours: PipelineRun | None = None
    matches: Matches | None = field(default_factory=Matches)
    in_progress: PipelineRun | None = None
    is_retry: bool = False
    may_check_again: bool = True


def decide(state: StartState) -> tuple[Decision, PipelineRun | None]:
    """Return what to do next, and with which run."""
    s = state
    if s.ours:
        return _again(s.ours)
    if s.trigger_state is TriggerState.NO:
        return _unless_running(s)
    not_failed = [run for run in s.matches.ours if not _has_failed(run)] if s.matches else []
    if len(not_failed) == 1:
        return Decision.ADOPT, not_failed[0]
    if s.may_check_again:
        return Decision.CHECK_AGAIN, None
    if s.matches is None or not_failed:
        return Decision.GIVE_UP, None
    if s.trigger_state is TriggerState.ACCEPTED and s.matches.ours:  # the run began before the answer, so none is later
        return Decision.ADOPT, s.matches.ours[-1]
    if s.matches.maybe:
        return _if_it_may_be_ours(s, s.matches.maybe[-1])
    if s.matches.ours:
        return (Decision.START, None) if s.is_retry else (Decision.ADOPT, s.matches.ours[-1])
    if s.trigger_state is TriggerState.BUSY and s.in_progress:
        return _unless_running(s)
    if s.trigger_state is TriggerState.UNCERTAIN:
        return _unless_running(s)
    return Decision.GIVE_UP, None


def _again(run: PipelineRun) -> tuple[Decision, PipelineRun | None]:
    """Return what a retry does whose run is known: it reattaches, or starts a new run if that run failed."""
    return (Decision.START, None) if _has_failed(run) else (Decision.ADOPT, run)


def _if_it_may_be_ours(s: StartState, run: PipelineRun) -> tuple[Decision, PipelineRun | None]:
    if s.if_running == "attach" and run.progress is Progress.UNDER_WAY:
        return Decision.ADOPT, run
    return Decision.GIVE_UP, run


def _unless_running(s: StartState) -> tuple[Decision, PipelineRun | None]:
    if s.in_progress is None:
        return Decision.START, None
    decisions = {"fail": Decision.FAIL, "wait": Decision.WAIT, "attach": Decision.ADOPT, "skip": Decision.SKIP}
    return decisions[s.if_running], s.in_progress


def _has_failed(run: PipelineRun) -> bool:
    return run.progress is Progress.FAILED
