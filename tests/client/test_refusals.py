"""Which error an answer other than a success becomes, and which of its words are shown."""

from __future__ import annotations

import time
import zlib
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest
from exchanges import APPS, HTML, ODD_BODIES, SECRET_BODY, TRIGGER, refused, said, short
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client import endpoints, errors
from airflow_provider_mparticle.client.endpoints import Scope
from airflow_provider_mparticle.client.resource_kinds import PIPELINE

# Refusals, by cause


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidRequestError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (405, errors.NotFoundError),
        (409, errors.InvalidRequestError),
        (422, errors.InvalidRequestError),
        (429, errors.RateLimitedError),
        (500, errors.ServerError),
        (502, errors.ServerError),
        (503, errors.ServerError),
        (504, errors.ServerError),
        (505, errors.WarehouseUnreachableError),
        (599, errors.ServerError),
    ],
)
def test_each_status_is_the_error_that_names_its_cause(status: int, kind: type[errors.MParticleError]) -> None:
    """Users catch the class, since the next step depends on the cause."""
    body = {"errors": [{"message": "Own words of mParticle."}]}

    error = refused(endpoints.get_pipeline_run("orders", 7), said(status, body))

    assert kind is type(error)
    assert (status, "orders", 7) == (error.status, error.pipeline_id, error.pipeline_run_id)
    assert ("Own words of mParticle.",) == error.reasons
    assert f"mParticle answered {status} to: get run 7 of pipeline 'orders', saying: Own words of mP" in str(error)


@pytest.mark.parametrize("status", [404, 405])
def test_not_found_names_its_three_causes_and_the_command_that_finds_the_right_one(status: int) -> None:
    """Missing, without access, and another route look alike; most routes are assumptions."""
    text = str(refused(endpoints.get_resource(PIPELINE, "orders"), said(status)))

    for needed in ("does not exist", "no access", "route", "python -m airflow_provider_mparticle doctor", "'routes'"):
        assert needed in text


def test_505_is_about_the_warehouse() -> None:
    """It looks like a server error, but only new credentials of the warehouse can cure it."""
    assert "credentials in the mParticle connection" in str(refused(TRIGGER, said(505)))


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2", 2.0), (" 30 ", 30.0), ("0", 0.0), ("", None), ("-1", None), ("soon", None), ("Wed, 21 Oct 2015", None)],
)
def test_a_rate_limit_carries_how_long_to_wait(value: str, expected: float | None) -> None:
    """``Retry-After`` has whole seconds and may be missing."""
    error = refused(TRIGGER, said(429, **{"retry-after": value}))

    assert expected == error.retry_after_s
    assert not error.may_have_executed


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6), st.sampled_from([429, 503]))
def test_a_date_in_retry_after_is_compared_with_the_clock_of_its_answer(skew_s: int, wait_s: int, status: int) -> None:
    """A gateway may send a date instead of seconds, and its clock may differ from ours."""
    now = 1_800_000_000 + skew_s
    dates = {"retry-after": formatdate(now + wait_s, usegmt=True), "date": formatdate(now, usegmt=True)}

    error = refused(TRIGGER, said(status, **dates))

    assert (min(wait_s, 86_400) if wait_s > 0 else None) == error.retry_after_s


def test_a_date_in_retry_after_of_an_answer_without_a_date_is_compared_with_our_clock() -> None:
    """Nothing else is known."""
    error = refused(TRIGGER, said(429, **{"retry-after": formatdate(time.time() + 60, usegmt=True)}))

    assert error.retry_after_s == pytest.approx(60, abs=5)


@pytest.mark.parametrize("status", [400, 409, 422])
@pytest.mark.parametrize(
    "body",
    [
        {"statusCode": 400, "errors": [{"message": "Pipeline orders is already in progress."}]},
        {"errors": [{"message": "Another thing."}, {"message": "The run is ALREADY IN PROGRESS"}]},
        b"Pipeline orders is already in progress.",
    ],
)
def test_the_busy_sentence_is_a_busy_pipeline(status: int, body: Any) -> None:
    """The user chooses whether to wait, to attach or to fail."""
    error = refused(TRIGGER, said(status, body))

    assert errors.PipelineBusyError is type(error)
    assert (status, "orders", False) == (error.status, error.pipeline_id, error.may_have_executed)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_the_busy_sentence_elsewhere_is_what_its_status_says(status: int) -> None:
    """A server that fails while it speaks of a run may have started one."""
    body = {"errors": [{"message": "Pipeline orders is already in progress."}]}

    assert errors.PipelineBusyError is not type(refused(TRIGGER, said(status, body)))


# With these, mParticle has certainly not executed the request. Platform API overview, "Status codes", and HTTP itself.
NO_SUCCESS = [*range(100, 200), *range(300, 1000)]
DECIDED = {400, 401, 402, 403, 404, 405, 406, 409, 410, 411, 413, 414, 415, 422, 429, 431, 505}


def test_only_a_decided_status_ends_a_wait_or_says_that_nothing_was_started() -> None:
    """A proxy may answer anything for a while: a wait continues, and a start looks for its run first."""
    errors_by_status = {
        status: refused(TRIGGER, *[said(status)] * (2 if status == 401 else 1)) for status in NO_SUCCESS
    }

    assert DECIDED - {429} == {status for status, error in errors_by_status.items() if not error.is_transient}
    assert DECIDED == {status for status, error in errors_by_status.items() if not error.may_have_executed}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_names_the_host(status: int) -> None:
    """It may be a maintenance page, which will go away, or a new address, which the user must set."""
    assert "Redirects are not followed. If it lasts, check host" in str(refused(TRIGGER, said(status)))


# The words of an answer


@pytest.mark.parametrize(
    ("body", "reasons"),
    [
        ({"errors": [{"message": "No such column."}]}, ("No such column.",)),
        ({"statusCode": 400, "errors": [{"message": "No such column."}]}, ("No such column.",)),
        ({"data": None, "dataType": "error", "errors": [{"code": "7", "message": "No app."}]}, ("No app.",)),
        ({"error": "access_denied", "error_description": "Wrong audience."}, ("Wrong audience.",)),
        ({"error": "access_denied"}, ("access_denied",)),
        ({"message": "Try later."}, ("Try later.",)),
        (["One.", "Two."], ("One.", "Two.")),
        ("Just text as JSON.", ("Just text as JSON.",)),
        (b"Just text.", ("Just text.",)),
        (HTML, ("Bad Gateway nginx",)),
        (b"", ()),
    ],
)
def test_mparticles_words_are_found_in_any_body(body: Any, reasons: tuple[str, ...]) -> None:
    """These are the known shapes, and those of gateways in between."""
    assert reasons == refused(TRIGGER, said(400, body)).reasons


@pytest.mark.parametrize(
    "body",
    [
        {"errors": [{"message": "gone\x1b[2J\x1b[32mall is well"}]},
        {"error": "gone\x1b[2J\x1b[32mall is well"},
        b"gone\x1b[2J\x1b[32mall is well",
    ],
    ids=short,
)
def test_mparticles_words_cannot_clear_a_terminal(body: Any) -> None:
    """A server that answers in place of mParticle decides about these words."""
    error = refused(TRIGGER, said(400, body))

    assert ("gone\ufffd[2J\ufffd[32mall is well",) == error.reasons
    assert "\x1b" not in str(error)


@given(st.binary(min_size=100, max_size=3000).map(partial(zlib.compress, wbits=31)), st.sampled_from([400, 503]))
def test_a_page_that_is_not_text_is_not_shown(body: bytes, status: int) -> None:
    """A proxy may compress a page without saying so. Its bytes help nobody, and may be control characters."""
    assert () == refused(TRIGGER, said(status, body)).reasons


def test_a_page_in_another_encoding_is_shown() -> None:
    """Most of it can be read."""
    assert ("Wartung bis 12 Uhr: bitte sp\ufffdter",) == refused(
        TRIGGER, said(503, "Wartung bis 12 Uhr: bitte später".encode("latin-1"))
    ).reasons


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 429, 500, 505])
@pytest.mark.parametrize("body", ODD_BODIES, ids=short)
def test_reading_an_error_never_raises_another(status: int, body: bytes) -> None:
    """The status is enough; a strange body must not hide it."""
    error = refused(APPS, *[said(status, body)] * (2 if status == 401 else 1))

    assert status == error.status
    assert len(str(error)) < 2000


# Secrets in an answer

ECHO = "cl1ent-s3cret token-1 f33d-key pa55word pr1vate t0ken-in-list ADA"
SHOWN = "*** *** *** *** *** *** ADA"


@pytest.mark.parametrize("scope", list(Scope))
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"errors": [{"message": ECHO}]}),
        (500, ECHO.encode()),
        (200, b"<p>" + ECHO.encode()),
        (404, {"error": "x", "error_description": ECHO}),
    ],
)
def test_a_secret_that_an_answer_echoes_is_not_shown(scope: Scope, status: int, body: Any) -> None:
    """Validators quote the value that they refuse, and errors end up in logs, XComs and tickets."""
    error = refused(endpoints.request("POST", "/connections", scope, json=SECRET_BODY), said(status, body))

    assert (SHOWN,) == error.reasons
    assert SHOWN in str(error)


def test_a_secret_in_an_envelope_with_a_good_status_is_not_shown() -> None:
    """The Platform API also refuses with status 200."""
    call = endpoints.request("POST", "/users", Scope.ACCOUNT, json=SECRET_BODY)

    error = refused(call, said(200, {"data": None, "errors": [{"message": ECHO}]}))

    assert (SHOWN,) == error.reasons
    assert "pa55word" not in str(error)


def test_a_token_that_was_renewed_is_not_shown() -> None:
    """After a 401, an answer may repeat the second token."""
    error = refused(TRIGGER, said(401), said(500, b"got token-2"))

    assert ("got ***",) == error.reasons
