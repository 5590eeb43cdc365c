"""Answers a request to the API: checks the token, then calls the router. It must not know sockets or faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_mparticle.simulator.http_messages import Answer, Refusal, Request, error_answer
from airflow_provider_mparticle.simulator.platform_v1 import V1_BASE, platform_error_answer

if TYPE_CHECKING:
    from airflow_provider_mparticle.simulator.router import Router
    from airflow_provider_mparticle.simulator.tokens import Tokens

TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path


class Service:
    """Checks the token and calls the router. Not thread-safe: the caller holds the lock."""

    def __init__(self, tokens: Tokens, router: Router) -> None:
        self._tokens = tokens
        self._router = router

    def answer(self, request: Request) -> Answer:
        """Answer one request. A refusal has the form of its family of paths."""
        try:
            return self._carry_out(request)
        except Refusal as refusal:
            in_v1 = request.path.startswith(V1_BASE + "/")
            return platform_error_answer(refusal) if in_v1 else error_answer(refusal)

    def _carry_out(self, request: Request) -> Answer:
        if request.path == TOKEN_PATH:
            return self._login(request)
        self._tokens.check(request)
        return self._router.answer(request)

    def _login(self, request: Request) -> Answer:
        if request.method != "POST":
            raise Refusal(405, f"{request.method} is not allowed here.", headers={"Allow": "POST"})
        return self._tokens.login(request)
