"""
Whether to start a run, to adopt one, to wait for one, or to refuse: a pure function of what is known.

`starting` gathers what it needs to know, step by step, and carries the decision out.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.client.run_states import Progress

IfRunning = Literal["fail", "wait", "attach", "skip"]


class TriggerState(StrEnum):
    """What is known of our own trigger request."""

    NO = "no"  # not sent, or certainly refused
    UNCERTAIN = "uncertain"  # sent, the answer is lost; or a try before this one may have sent it
    ACCEPTED = "accepted"  # mParticle took it, but did not say which run it started
    BUSY = "busy"  # refused because of a run in progress, after an uncertain one


class Decision(StrEnum):
    """What to do next."""

    START = "start"
    ADOPT = "adopt"
    WAIT = "wait"
    FAIL = "fail"
    SKIP = "skip"
    COVERED = "covered"
    CHECK_AGAIN = "look again"
    GIVE_UP = "give up"


@dataclass(frozen=True)
class StartState:
    """
    All that a decision depends on.

    :param if_running: What the user wants when somebody else's run is in progress.
    :param sent: What is known of our own trigger request.
    :param ours: Our run, if its id is known from an earlier try.
    :param unknown: Manual runs that our note does not know, oldest first; None when nobody could look.
    :param in_progress: A run in progress that is not ours.
    :param is_retry: Whether an earlier try of the task may have got further than this one.
    :param may_look: Whether it makes sense to look again.
    :param may_start: Whether the trigger request may be sent (again).
    """

    if_running: IfRunning
    trigger_state: TriggerState = TriggerState.NO
    ours: PipelineRun | None = None
    unknown: tuple[PipelineRun, ...] | None = ()
    in_progress: PipelineRun | None = None
    is_retry: bool = False
    may_check_again: bool = True
    may_start: bool = True


def decide(state: StartState) -> tuple[Decision, PipelineRun | None]:
    """Say what to do next, and with which run."""
    s = state
    if s.ours:
        return _again(s.ours)
    if s.trigger_state is TriggerState.NO:
        return _unless_running(s)
    if s.unknown:
        return _again(s.unknown[0]) if s.is_retry else (Decision.ADOPT, s.unknown[0])
    if s.may_check_again:
        return Decision.CHECK_AGAIN, None
    if s.trigger_state is TriggerState.BUSY and s.in_progress:
        return _unless_running(s)
    if s.trigger_state is TriggerState.UNCERTAIN and s.unknown is not None and s.may_start:
        return _unless_running(s)
    return Decision.GIVE_UP, None


def _again(run: PipelineRun) -> tuple[Decision, PipelineRun | None]:
    """A retry reattaches to its run, and starts afresh only if that one failed."""
    return (Decision.START, None) if run.progress is Progress.FAILED else (Decision.ADOPT, run)


def _unless_running(s: StartState) -> tuple[Decision, PipelineRun | None]:
    if s.in_progress is None:
        return Decision.START, None
    moves = {"fail": Decision.FAIL, "wait": Decision.WAIT, "attach": Decision.ADOPT, "skip": Decision.SKIP}
    return moves[s.if_running], s.in_progress
