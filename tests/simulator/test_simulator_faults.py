"""Each injected fault has its own effect, and no other."""

from __future__ import annotations

import pytest
import requests

from airflow_provider_mparticle.simulator import Fault
from airflow_provider_mparticle.simulator.faults import Faults
from airflow_provider_mparticle.simulator.http_messages import Request


def test_a_status_is_answered_instead_of_the_work(simulator, caller):
    """A 503 without the work is the simplest fault."""
    simulator.fail_next(503, path="/trigger")

    assert [503, 200] == [caller.trigger().status_code, caller.trigger().status_code]
    assert 1 == simulator.starts("orders")


def test_a_status_after_the_work_hides_what_was_done(simulator, caller):
    """After such a 502, a repeated trigger request would start a second run."""
    simulator.inject(Fault(path="/trigger", status=502, after=True))

    assert 502 == caller.trigger().status_code
    assert 1 == simulator.starts("orders")


@pytest.mark.parametrize(("lose", "starts"), [("before", 0), ("after", 1)])
def test_a_lost_answer_leaves_the_work_undone_or_done(simulator, caller, lose, starts):
    """The caller cannot distinguish the two cases, but the simulator can."""
    simulator.inject(Fault(method="POST", path="/trigger", lose=lose))

    with pytest.raises(requests.ConnectionError):
        caller.trigger()

    assert starts == simulator.starts("orders")
    assert 1 == simulator.count("POST", "/trigger")
    assert simulator.requests[-1]["status"] is None


def test_a_fault_acts_as_often_as_it_says_after_letting_some_pass(simulator, caller):
    """``skip`` and ``times`` place a fault anywhere in a sequence of polls."""
    simulator.inject(Fault(path="/status", status=500, skip=1, times=2))

    assert [200, 500, 500, 200] == [caller.status().status_code for _ in range(4)]


def test_a_fault_without_a_number_acts_until_it_is_cleared(simulator, caller):
    """The number of requests in an outage is unknown."""
    simulator.inject(Fault(path="/status", status=503, times=None))
    down = [caller.status().status_code for _ in range(20)]
    simulator.clear_faults()

    assert ({503}, 200) == (set(down), caller.status().status_code)


def test_a_fault_with_a_share_acts_now_and_then(simulator, caller):
    """Occasional failures are harder for a client than an outage."""
    simulator.inject(Fault(path="/status", status=503, times=None, share=0.2))

    seen = [caller.status().status_code for _ in range(200)]

    assert {200, 503} == set(seen)
    assert 20 <= seen.count(503) <= 60


def test_the_same_seed_draws_the_same_faults():
    """A failed test can be repeated."""

    def drawn(seed):
        faults = Faults(seed)
        faults.add(Fault(status=503, times=None, share=0.3))
        return [faults.take(Request("GET", "/status")) is not None for _ in range(100)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_a_fault_with_a_share_still_counts_its_times(simulator, caller):
    """It acts on a limited number of requests."""
    simulator.inject(Fault(path="/status", status=503, times=2, share=0.5))

    seen = [caller.status().status_code for _ in range(60)]

    assert 2 == seen.count(503)


def test_a_fault_that_is_not_drawn_leaves_the_request_to_the_next(simulator, caller):
    """Several faults with a share can be combined."""
    for status in (500, 503):
        simulator.inject(Fault(path="/status", status=status, times=None, share=0.3))

    assert {200, 500, 503} == {caller.status().status_code for _ in range(100)}


def test_the_request_log_says_on_which_requests_a_fault_acted(simulator, caller):
    """A malformed answer has the usual status, and a lost answer has none."""
    simulator.inject(Fault(path="/status", body="<html>"))
    simulator.inject(Fault(path="/trigger", lose="after"))
    caller.status()
    with pytest.raises(requests.ConnectionError):
        caller.trigger()
    caller.status()

    seen = [(entry["status"], entry["fault"]) for entry in simulator.requests[1:]]

    assert [(200, True), (None, True), (200, False)] == seen


def test_faults_for_the_same_path_act_one_after_the_other(simulator, caller):
    """A test can inject several faults in order."""
    simulator.fail_next(503, path="/status")
    simulator.fail_next(429, path="/status", times=2)

    assert [503, 429, 429, 200] == [caller.status().status_code for _ in range(4)]


def test_a_fault_matches_by_method_and_part_of_the_path(simulator, caller):
    """A fault in polls must not affect the start."""
    simulator.inject(Fault(method="GET", path="/status", status=500, times=None))

    assert (200, 500) == (caller.trigger().status_code, caller.status().status_code)


def test_headers_reach_the_caller(simulator, caller):
    """``Retry-After`` and the rate limit's own headers come with the answer."""
    simulator.fail_next(429, headers={"Retry-After": "2", "X-mp-rate-limit-exceeded": '"org"'})

    headers = caller.status().headers

    assert ("2", '"org"') == (headers["Retry-After"], headers["X-mp-rate-limit-exceeded"])


def test_headers_can_join_a_usual_answer(simulator, caller):
    """A rate limit's percentage may come with a 200."""
    simulator.inject(Fault(headers={"X-mp-rate-limit-percentage-used": "85"}))

    answer = caller.status()

    assert (200, "85") == (answer.status_code, answer.headers["X-mp-rate-limit-percentage-used"])
    assert "orders" == answer.json()["pipeline_id"]


@pytest.mark.parametrize(
    ("body", "sent"), [("<html>", b"<html>"), ('{"a', b'{"a'), ("", b""), ([1], b"[1]"), (False, b"false")]
)
def test_a_body_replaces_the_usual_one_and_the_work_is_done(simulator, caller, body, sent):
    """HTML with 200, cut JSON and nothing at all are answers that a client must survive."""
    simulator.inject(Fault(path="/trigger", body=body, content_type="text/html"))

    answer = caller.trigger()

    assert (200, sent, 1) == (answer.status_code, answer.content, simulator.starts("orders"))
    assert sent == b"" or "text/html" == answer.headers["Content-Type"]


def test_a_status_comes_with_an_errors_body_unless_another_is_given(simulator, caller):
    """The usual shape is the default."""
    simulator.fail_next(400)
    simulator.fail_next(400, body={"errors": [{"message": "Too many columns."}]})

    bodies = [caller.trigger().json(), caller.trigger().json()]

    assert ["Injected by the simulator: 400.", "Too many columns."] == [b["errors"][0]["message"] for b in bodies]


def test_latency_delays_one_answer_and_no_other(simulator, caller, log_in):
    """The lock is released while waiting, so other callers are served."""
    other = log_in(simulator)
    simulator.inject(Fault(path="/trigger", latency_s=3600))
    with pytest.raises(requests.ReadTimeout):
        caller.session.post(
            f"{simulator.url}/platform/v2/workspaces/1234/inputs/data-pipelines/orders/trigger", timeout=0.1
        )

    assert 200 == other.status().status_code  # within the caller's own timeout, shorter than the latency
    assert 1 == simulator.starts("orders")


def test_the_login_can_fail_too(simulator, caller):
    """The token endpoint has a path like all others."""
    simulator.fail_next(503, path="/oauth/token")

    answer = requests.post(simulator.token_url, json={}, timeout=60)

    assert 503 == answer.status_code


@pytest.mark.parametrize(
    "fields",
    [
        {"method": "post"},
        {"times": 0},
        {"skip": -1},
        {"latency_s": -1},
        {"share": 0},
        {"share": 1.5},
        {"lose": "maybe"},
        {"status": 99},
        {"after": True},
        {"path": "/runs?x=1"},
        {"headers": {"Retry-After": 2}},
    ],
)
def test_a_fault_that_could_never_act_is_refused(fields):
    """A test with a fault that does nothing would pass for the wrong reason."""
    with pytest.raises(ValueError, match=next(iter(fields))):
        Fault(**fields)
