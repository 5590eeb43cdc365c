"""How mParticle's rate limit slows the asynchronous client down."""

from __future__ import annotations

import asyncio

import pytest

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.aio import AsyncClient
from airflow_provider_mparticle.client.config import ApiConfig
from airflow_provider_mparticle.client.errors import RateLimitedError
from airflow_provider_mparticle.client.messages import HttpResponse
from airflow_provider_mparticle.client.rate_limit import MAX_SLOWDOWN, RateLimit
from airflow_provider_mparticle.client.resource_kinds import PIPELINE
from airflow_provider_mparticle.simulator import Fault, Simulator

USED = "x-mp-rate-limit-percentage-used"
GET = endpoints.get_resource(PIPELINE, "orders")


def rate_limit_after(*responses: HttpResponse) -> RateLimit:
    rate_limit = RateLimit()
    for response in responses:
        rate_limit.observe(response)
    return rate_limit


@pytest.mark.parametrize(
    ("told", "slowdown"),
    [
        pytest.param("0", 1.0, id="nothing used"),
        pytest.param("50", 1.0, id="half"),
        pytest.param("75", 2.5, id="three quarters"),
        pytest.param("100", MAX_SLOWDOWN, id="all"),
        pytest.param("250", MAX_SLOWDOWN, id="more than all"),
        pytest.param('"75"', 2.5, id="in quotation marks"),
        pytest.param("75%", 2.5, id="with its sign"),
        pytest.param("75.0", 2.5, id="a fraction"),
        pytest.param("plenty", 1.0, id="unreadable"),
        pytest.param("-3", 1.0, id="negative"),
    ],
)
def test_pauses_grow_with_the_used_share_of_the_limit(told: str, slowdown: float) -> None:
    """A client that waits for many runs leaves a part of the limit to other clients."""
    assert pytest.approx(slowdown) == rate_limit_after(HttpResponse(200, {USED: told})).slowdown


def test_a_refusal_counts_as_the_whole_limit() -> None:
    """mParticle may not say how much is used."""
    assert pytest.approx(MAX_SLOWDOWN) == rate_limit_after(HttpResponse(429)).slowdown


def test_answers_that_do_not_mention_the_limit_restore_the_usual_pauses() -> None:
    """The pauses become shorter step by step, or the next answer would be a refusal again."""
    slowdowns = [rate_limit_after(HttpResponse(429), *[HttpResponse(200)] * n).slowdown for n in range(12)]

    assert slowdowns == sorted(slowdowns, reverse=True)
    assert 1.0 < slowdowns[9]
    assert 1.0 == slowdowns[10]


def test_a_refusal_counts_for_as_long_as_it_asks_to_wait() -> None:
    """The error says how much of that time is left."""
    now = [100.0]
    rate_limit = RateLimit(clock=lambda: now[0])
    rate_limit.hold_back(RateLimitedError("Too many", status=429, reasons=("Slow down",), retry_after_s=30.0))

    now[0] = 110.0
    refusal = rate_limit.refusal
    now[0] = 130.0

    assert refusal is not None
    assert (20.0, 429, ("Slow down",)) == (refusal.retry_after_s, refusal.status, refusal.reasons)
    assert "Too many" in str(refusal)
    assert rate_limit.refusal is None


def test_a_refusal_that_asks_for_nothing_is_not_kept() -> None:
    """``Retry-After`` may be missing."""
    rate_limit = RateLimit()

    rate_limit.hold_back(RateLimitedError("Too many", status=429))

    assert rate_limit.refusal is None


def test_a_refusal_holds_back_all_calls_of_a_client(simulator: Simulator, config: ApiConfig) -> None:
    """A limit applies to the workspace, not only to the pipeline that reached it first."""
    simulator.inject(Fault(method="GET", status=429, headers={"Retry-After": "60"}))

    async def use() -> list[float | None]:
        client = AsyncClient(config)
        try:
            answers = await asyncio.gather(*[_refused(client)], return_exceptions=False)
            return [*answers, await _refused(client), await _refused(client)]
        finally:
            await client.close()

    asked = asyncio.run(use())

    assert 60.0 == asked[0]
    assert all(55.0 < (left or 0) <= 60.0 for left in asked[1:])
    assert 1 == simulator.count("GET", "/data-pipelines")


async def _refused(client: AsyncClient) -> float | None:
    with pytest.raises(RateLimitedError) as refused:
        await client.send(GET, retry=False)
    return refused.value.retry_after_s


def test_what_an_answer_says_about_the_limit_stretches_the_pauses(simulator: Simulator, config: ApiConfig) -> None:
    """Any answer may have the header, also a success."""
    simulator.inject(Fault(method="GET", headers={"X-mp-rate-limit-percentage-used": "75"}))

    async def use() -> float:
        client = AsyncClient(config)
        try:
            await client.send(GET)
            return client.rate_limit.slowdown
        finally:
            await client.close()

    assert pytest.approx(2.5) == asyncio.run(use())
