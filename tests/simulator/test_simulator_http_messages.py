"""Requests are read, and answers written, as JSON by RFC 8259."""

from __future__ import annotations

import json

import pytest

from airflow_provider_mparticle.simulator.http_messages import Refusal, Request, error_answer, json_answer

JSON = {"content-type": "Application/JSON; charset=utf-8"}


def test_a_body_is_read_if_the_caller_says_that_it_is_json():
    """Parameters of the content type, and its case, do not matter."""
    assert {"a": 1} == Request("POST", "/", {}, JSON, b'{"a": 1}').json_object()


@pytest.mark.parametrize(
    ("headers", "raw", "words"),
    [
        ({}, b"{}", "Send a JSON body"),
        (JSON, b"", "not valid JSON"),
        (JSON, b'{"a": NaN}', "not valid JSON"),
        (JSON, b"[]", "must be a JSON object"),
    ],
)
def test_any_other_body_is_refused(headers, raw, words):
    """NaN is not JSON, although Python would read and write it."""
    with pytest.raises(Refusal, match=words) as refused:
        Request("POST", "/", {}, headers, raw).json_object()

    assert 400 == refused.value.status


def test_the_log_shows_a_body_that_is_json_and_none_otherwise():
    """The log must not refuse a request."""
    assert ({"a": 1}, None) == (Request("GET", "/", raw=b'{"a": 1}').json_or_none(), Request("GET", "/").json_or_none())


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"statusCode": 400, "errors": [{"message": "One."}, {"message": "Two."}]}),
        (404, {"errors": [{"message": "One."}, {"message": "Two."}]}),
    ],
)
def test_a_refusal_is_answered_as_warehouse_sync_does(status, body):
    """A 400 repeats its status (v1 reference, "Trigger an on-demand pipeline")."""
    answer = error_answer(Refusal(status, "One.", "Two.", headers={"Allow": "GET"}))

    assert (status, body, {"Allow": "GET"}) == (answer.status, json.loads(answer.body), answer.headers)


def test_an_answer_has_its_status_and_headers():
    """For example a rate limit."""
    answer = json_answer([1], 201, {"Retry-After": "1"})

    assert (201, b"[1]", {"Retry-After": "1"}) == (answer.status, answer.body, answer.headers)
