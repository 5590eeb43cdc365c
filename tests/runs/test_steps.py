"""Driving steps in a thread and in an event loop: order, errors and time limits."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.driving import adrive
from airflow_provider_mparticle.client.errors import ServerError
from airflow_provider_mparticle.runs.run_lookup import RunLookup
from airflow_provider_mparticle.runs.steps import SHORTEST_CALL_S, FetchDurations, Pause, Poll, drive

AWAY = ServerError("503", status=503)
CALL = endpoints.get_pipeline_run("orders", 7)


def drive_async(steps, send, sleep):
    """``adrive`` with the parameters of ``drive``."""

    async def carry_out(step):
        return sleep(step.seconds) if isinstance(step, Pause) else send(step)

    return asyncio.run(adrive(steps, carry_out))


@pytest.fixture(params=[drive, drive_async], ids=["drive", "adrive"])
def driver(request):
    """Both drivers."""
    return request.param


def test_a_driver_carries_out_steps_in_their_order(driver):
    """A task and the triggerer wait in the same way."""
    call, done = endpoints.get_pipeline_run("orders", 7), []

    def steps():
        answer = yield call
        pause = yield Pause(3.0)
        return answer, pause

    result = driver(steps(), lambda step: done.append(step) or "answer", done.append)

    assert ("answer", None) == result
    assert [call, 3.0] == done


def test_a_driver_passes_each_of_our_errors_to_the_steps_once(driver):
    """The steps decide what an error means, and continue."""
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
def test_a_driver_raises_errors_that_the_steps_do_not_handle(driver, error):
    """A bug must not look like an error of mParticle."""

    def steps():
        yield endpoints.get_pipeline_run("orders", 7)

    def send(_):
        raise error

    with pytest.raises(type(error)):
        driver(steps(), send, lambda _: None)


def test_a_poll_is_carried_out_by_its_source():
    """A task polls at once by itself; it shares no polls."""
    sent = []

    def steps():
        return (yield Poll(RunLookup("orders", 7)))

    assert "the run" == drive(steps(), lambda call: sent.append(call) or "the run", lambda _: None)
    assert [(CALL.title, math.inf)] == [(call.title, call.within_s) for call in sent]


@pytest.mark.parametrize(("ask", "expected"), [(None, None), (lambda: (yield CALL), "durations")])
def test_durations_are_requested_only_where_a_request_can_tell_them(ask, expected):
    """A step without *ask* sends no request."""

    def steps():
        return (yield FetchDurations("orders", ask))

    assert expected == drive(steps(), lambda _: "durations", lambda _: None)


@given(st.floats(-10, 100), st.integers(1, 5))
def test_the_calls_of_one_poll_share_its_time(within_s, calls):
    """A poll at the deadline must end soon, however many routes it tries."""
    sent = []

    class Source:
        def poll(self):
            for _ in range(calls):
                yield CALL

    def steps():
        yield Poll(Source(), within_s)

    drive(steps(), sent.append, lambda _: None)

    limits = [call.within_s for call in sent]
    assert calls == len(limits)
    assert sorted(limits, reverse=True) == limits
    assert all(SHORTEST_CALL_S <= limit <= max(SHORTEST_CALL_S, within_s) for limit in limits)


def test_a_poll_without_a_limit_sends_its_calls_unchanged():
    """Each call then has the timeout of the connection."""
    sent = []

    def steps():
        yield Poll(RunLookup("orders", 7), math.inf)

    drive(steps(), sent.append, lambda _: None)

    assert [(CALL.title, math.inf)] == [(call.title, call.within_s) for call in sent]


@given(st.lists(st.sampled_from(["call", "error"]) | st.floats(0, 100), max_size=10))
def test_both_drivers_carry_out_any_steps_alike(plan):
    """A task and the triggerer must do the same."""

    def steps():
        met = []
        for step in plan:
            try:
                met.append((yield Pause(step) if isinstance(step, float) else CALL))
            except ServerError as error:
                met.append(error)
        return met

    def played(driver):
        answers, pauses = iter([step for step in plan if isinstance(step, str)]), []

        def send(_):
            if (answer := next(answers)) == "error":
                raise AWAY
            return answer

        return driver(steps(), send, pauses.append), pauses

    assert played(drive) == played(drive_async)
