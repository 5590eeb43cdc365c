"""Finds the function that answers a method and a path. It must not know state or sockets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote

from airflow_provider_mparticle.simulator.http_messages import Answer, Refusal, Request

Act: TypeAlias = Callable[..., Answer]


@dataclass(frozen=True)
class Route:
    """A row of the routing table. *act* is called with the request and the placeholders of *path*."""

    method: str
    path: str
    act: Act


class Router:
    """Answers a request by its route: 404 if no route has the path, 405 if no route with the path has the method."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._rows = [(re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.path)), route) for route in routes]

    def answer(self, request: Request) -> Answer:
        """Call the function of the request's route."""
        allowed: list[str] = []
        for pattern, route in self._rows:
            match = pattern.fullmatch(request.path)
            if match and route.method == request.method:
                return route.act(request, **{name: unquote(value) for name, value in match.groupdict().items()})
            if match:
                allowed.append(route.method)
        if allowed:
            raise Refusal(405, f"{request.method} is not allowed here.", headers={"Allow": ", ".join(allowed)})
        raise Refusal(404, f"The path {request.path} does not exist.")
