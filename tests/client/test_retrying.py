"""When a call is sent again, and how long it waits before that."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client import endpoints, errors, retrying
from airflow_provider_mparticle.client.retrying import (
    ATTEMPTS,
    LONGEST_PAUSE_S,
    Retries,
    is_repeatable,
)
from airflow_provider_mparticle.simulator import Fault, Simulator

STATUS = endpoints.get_pipeline_status("orders")
TRIGGER = endpoints.trigger_pipeline("orders")


@pytest.mark.parametrize(
    ("kind", "acted", "idempotent", "otherwise"),
    [
        # whether it may have been executed; repeated if idempotent; repeated if not
        (errors.NoAnswerError, False, True, True),
        (errors.NoAnswerError, True, True, False),
        (errors.RateLimitedError, False, True, True),
        (errors.ServerError, True, True, False),
        (errors.UnreadableAnswerError, True, True, False),
        (errors.ConfigError, False, False, False),
        (errors.AuthenticationError, False, False, False),
        (errors.PermissionDeniedError, False, False, False),
        (errors.NotFoundError, False, False, False),
        (errors.PipelineBusyError, False, False, False),
        (errors.InvalidRequestError, False, False, False),
        (errors.WarehouseUnreachableError, False, False, False),
    ],
)
def test_a_call_is_repeated_if_that_may_help_and_does_no_harm(
    kind: type[errors.MParticleError], acted: bool, idempotent: bool, otherwise: bool
) -> None:
    """A trigger that may have arrived would start a second run, and a refusal would be repeated."""
    error = kind("It failed.")
    error.may_have_executed = acted

    assert (idempotent, otherwise) == (
        is_repeatable(error, idempotent=True),
        is_repeatable(error, idempotent=False),
    )


def test_an_error_of_our_own_is_not_repeated() -> None:
    """A mistake in the code is not an outage."""
    assert not is_repeatable(KeyError("x"), idempotent=True)


@pytest.mark.parametrize("status", [400, 403, 404, 405, 422, 505])
def test_a_refusal_is_sent_once(send: Callable[..., Any], simulator: Simulator, status: int) -> None:
    """The same call would fail again, and after a 505 it could lock the user of the warehouse."""
    simulator.fail_next(status, path="/status", times=None)

    with pytest.raises(errors.RefusedError):
        send(STATUS)

    assert 1 == simulator.count("GET", "/status")


@pytest.mark.parametrize("status", [429, 500, 503, 504])
def test_a_lasting_failure_ends_after_the_last_attempt(
    send: Callable[..., Any], simulator: Simulator, status: int
) -> None:
    """The error itself is raised, so that its class says the cause."""
    simulator.fail_next(status, path="/status", times=None)

    with pytest.raises(errors.RefusedError) as caught:
        send(STATUS)

    assert (5, 5) == (ATTEMPTS, simulator.count("GET", "/status"))
    assert status == caught.value.status


@given(wishes=st.lists(st.floats(0, 200), min_size=ATTEMPTS), acted_at=st.integers(0, ATTEMPTS))
def test_a_caller_that_pauses_itself_pauses_as_a_driver_does(wishes: list[float], acted_at: int) -> None:
    """A start records the time of each of its requests, so it sends them itself and asks for the pauses."""
    told: list[errors.MParticleError] = []
    retries = Retries(TRIGGER, lambda _, error: told.append(error))
    refusals = [errors.RateLimitedError("Slow down.", retry_after_s=wish) for wish in wishes]
    repeated = min(acted_at, ATTEMPTS - 1)
    refusals[repeated].may_have_executed = repeated == acted_at

    *pauses, last = [retries.pause_s(refusal) for refusal in refusals[: repeated + 1]]

    assert last is None
    assert refusals[:repeated] == told
    assert all(wish <= (pause or 0) <= wish + LONGEST_PAUSE_S for wish, pause in zip(wishes, pauses, strict=False))


def test_without_retry_a_call_is_sent_once(send: Callable[..., Any], simulator: Simulator) -> None:
    """A wait polls again by itself, with its own pauses."""
    simulator.fail_next(503, path="/status")

    with pytest.raises(errors.ServerError):
        send(STATUS, retry=False)

    assert 1 == simulator.count("GET", "/status")


def test_retry_after_is_obeyed(send: Callable[..., Any], simulator: Simulator) -> None:
    """A call that comes earlier would extend the limit."""
    simulator.fail_next(429, path="/trigger", headers={"Retry-After": "1"})

    send(TRIGGER)

    first, second = (request["at"] for request in simulator.requests if request["path"].endswith("/trigger"))
    assert second - first >= 1.0
    assert 1 == simulator.starts("orders")


def test_a_retry_after_that_is_too_long_ends_the_call(
    send: Callable[..., Any], simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller finds the seconds in the error, and decides whether to hold a worker for an hour."""
    monkeypatch.setattr(retrying, "LONGEST_RETRYING_S", 1.0)
    simulator.fail_next(429, path="/status", headers={"Retry-After": "2"})

    with pytest.raises(errors.RateLimitedError) as caught:
        send(STATUS)

    assert (2.0, 1) == (caught.value.retry_after_s, simulator.count("GET", "/status"))


def test_a_repetition_is_said_in_the_log(
    send: Callable[..., Any], simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """A user who looks at a slow task can see what it waits for."""
    caplog.set_level(logging.INFO)
    simulator.inject(Fault(path="/status", status=503, times=2))

    send(STATUS)

    said = [record.getMessage() for record in caplog.records if record.name.endswith("client.retrying")]
    assert 2 == len(said)
    assert "mParticle answered 503 to: get the status of pipeline 'orders'" in said[0]
    assert said[0].endswith("Trying again in 0.0 s.")
