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


class Sent(StrEnum):
    """What is known of our own trigger request."""

    NO = "no"  # not sent, or certainly refused
    UNCERTAIN = "uncertain"  # sent, the answer is lost; or a try before this one may have sent it
    ACCEPTED = "accepted"  # mParticle took it, but did not say which run it started
    BUSY = "busy"  # refused because of a run in progress, after an uncertain one


class Move(StrEnum):
    """What to do next."""

    START = "start"
    ADOPT = "adopt"
    WAIT = "wait"
    FAIL = "fail"
    SKIP = "skip"
    COVERED = "covered"
    LOOK_AGAIN = "look again"
    GIVE_UP = "give up"


@dataclass(frozen=True)
class Situation:
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
    sent: Sent = Sent.NO
    ours: PipelineRun | None = None
    unknown: tuple[PipelineRun, ...] | None = ()
    in_progress: PipelineRun | None = None
    is_retry: bool = False
    may_look: bool = True
    may_start: bool = True


def decide(situation: Situation) -> tuple[Move, PipelineRun | None]:
    """Say what to do next, and with which run."""
    s = situation
    if s.ours:
        return _again(s.ours)
    if s.sent is Sent.NO:
        return _unless_running(s)
    if s.unknown:
        return _again(s.unknown[0]) if s.is_retry else (Move.ADOPT, s.unknown[0])
    if s.may_look:
        return Move.LOOK_AGAIN, None
    if s.sent is Sent.BUSY and s.in_progress:
        return _unless_running(s)
    if s.sent is Sent.UNCERTAIN and s.unknown is not None and s.may_start:
        return _unless_running(s)
    return Move.GIVE_UP, None


def _again(run: PipelineRun) -> tuple[Move, PipelineRun | None]:
    """A retry reattaches to its run, and starts afresh only if that one failed."""
    return (Move.START, None) if run.progress is Progress.FAILED else (Move.ADOPT, run)


def _unless_running(s: Situation) -> tuple[Move, PipelineRun | None]:
    if s.in_progress is None:
        return Move.START, None
    moves = {"fail": Move.FAIL, "wait": Move.WAIT, "attach": Move.ADOPT, "skip": Move.SKIP}
    return moves[s.if_running], s.in_progress
