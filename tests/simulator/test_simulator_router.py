"""A table of routes finds what answers a request."""

from __future__ import annotations

import pytest

from airflow_provider_mparticle.simulator.http_messages import Answer, Refusal, Request
from airflow_provider_mparticle.simulator.router import Route, Router


def answer_with(name):
    """Answer with a name and the placeholders of the path."""
    return lambda _, **placeholders: Answer(body=f"{name} {placeholders}".encode())


ROUTER = Router(
    [
        Route("GET", "/pipelines", answer_with("list")),
        Route("GET", "/pipelines/{pipeline_id}", answer_with("get")),
        Route("PUT", "/pipelines/{pipeline_id}", answer_with("put")),
    ]
)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/pipelines", b"list {}"),
        ("GET", "/pipelines/orders", b"get {'pipeline_id': 'orders'}"),
        ("PUT", "/pipelines/a%2Fb", b"put {'pipeline_id': 'a/b'}"),
    ],
)
def test_a_route_gets_its_placeholders_decoded(method, path, body):
    """An id may have any character, so a client sends it encoded."""
    assert body == ROUTER.answer(Request(method, path)).body


@pytest.mark.parametrize("path", ["/", "/pipelines/", "/pipelines/a/b", "/Pipelines", "/x/pipelines"])
def test_another_path_is_not_found(path):
    """The whole path counts, not its beginning."""
    with pytest.raises(Refusal) as refused:
        ROUTER.answer(Request("GET", path))

    assert 404 == refused.value.status


def test_another_method_is_refused_with_those_that_are_allowed():
    """RFC 9110, section 15.5.6."""
    with pytest.raises(Refusal) as refused:
        ROUTER.answer(Request("DELETE", "/pipelines/orders"))

    assert (405, {"Allow": "GET, PUT"}) == (refused.value.status, refused.value.headers)
