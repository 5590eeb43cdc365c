"""Injects the faults that a test or a user requests: what fails, for which requests, and how often."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from airflow_provider_mparticle.simulator.http_messages import JSON_TYPE, Answer, JsonObject, Refusal, Request

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Fault:
    """
    A failure of the requests that it matches.

    Only one fault acts on a request: the oldest that matches, is due and, with a *share*, is drawn. So two faults for
    the same path act one after the other. If a fault has several effects, *lose* has precedence over *status*, and
    *latency_s* is combined with any.
    """

    method: str | None = None
    """Matches requests with this method, for example ``"POST"``. None: any method."""

    path: str = ""
    """Matches requests whose path (without query) contains this text. Empty: any path, also ``/oauth/token``."""

    times: int | None = 1
    """Number of requests on which the fault acts. None: no limit."""

    status: int | None = None
    """Status of the answer, *instead of* the work (see *after*). None: do the work and answer as usual."""

    headers: dict[str, str] = field(default_factory=dict)
    """Headers added to the answer, for example ``{"Retry-After": "2"}``."""

    body: Any = None
    """
    The body of the answer: text is sent as it is (HTML, malformed JSON, ``""`` for nothing), anything else
    as JSON. None: an errors body when *status* is set, else the usual body. Without *status* the work is done
    and its status answered.
    """

    content_type: str = JSON_TYPE
    """Content type of the answer when *body* or *status* is set."""

    latency_s: float = 0.0
    """Seconds to wait before answering (or losing the answer). The work is done *before* the wait."""

    lose: Literal["before", "after"] | None = None
    """Reset the connection without an answer: *before* the work (it is not done) or *after* it."""

    skip: int = 0
    """Number of matching requests before the fault acts. Requests on which an older fault acts do not count."""

    share: float = 1.0
    """
    Share of the requests on which the fault acts, drawn for each request: ``0.01`` is one in a hundred. It is drawn
    after *skip* and before *times*. :class:`.simulator.Simulator` has the seed of all draws.
    """

    after: bool = False
    """With *status*: do the work first, then answer with *status* (for example "accepted, but answered 502")."""

    def __post_init__(self) -> None:
        """Refuse a fault that could not act as intended."""
        for problem in _problems(self):
            raise ValueError(problem)

    def matches(self, request: Request) -> bool:
        """Return whether the fault matches the request."""
        return self.method in (None, request.method) and self.path in request.path

    def act(self, request: Request, work: Callable[[Request], Answer]) -> Answer | None:
        """Answer the request, with or without the work. None means that the answer is lost."""
        if self.lose == "before":
            return None
        if self.status is not None and not self.after:
            return self._spoil(Answer(self.status))
        answer = work(request)
        return None if self.lose == "after" else self._spoil(answer)

    def _spoil(self, answer: Answer) -> Answer:
        spoilt = replace(answer, headers={**answer.headers, **self.headers})
        if self.status is None and self.body is None:
            return spoilt
        return replace(
            spoilt, status=self.status or answer.status, body=self._payload(), content_type=self.content_type
        )

    def _payload(self) -> bytes:
        body = self.body
        if body is None:
            body = {"errors": [{"message": f"Injected by the simulator: {self.status}."}]}
        return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def _problems(fault: Fault) -> list[str]:
    checks = {
        "method must be in capitals, or None for any": fault.method is None or str(fault.method).isupper(),
        "times must be at least 1, or None for no limit": fault.times is None or fault.times >= 1,
        "skip must not be negative": fault.skip >= 0,
        "share must be above 0, and 1 at most": 0 < fault.share <= 1,
        "latency_s must not be negative": fault.latency_s >= 0,
        "lose must be 'before' or 'after'": fault.lose in (None, "before", "after"),
        "status must be between 200 and 599": fault.status is None or 200 <= fault.status <= 599,
        "after needs a status": not fault.after or fault.status is not None,
        "headers must be an object of texts": all(isinstance(text, str) for text in dict(fault.headers).values()),
        "path must not contain a query": "?" not in fault.path,
    }
    return [problem for problem, fine in checks.items() if not fine]


def fault_from_json(fields: JsonObject) -> Fault:
    """Create a fault from the fields of the dataclass. 400 names what is wrong."""
    try:
        return Fault(**fields)
    except (TypeError, ValueError) as error:
        raise Refusal(400, f"Not a fault: {error}") from error


@dataclass
class _Armed:
    """A fault, and the number of requests that it still skips or acts on."""

    fault: Fault
    to_skip: int
    left: int | None


class Faults:
    """
    The faults that are armed, oldest first. Not thread-safe: the caller holds the lock.

    :param seed: Seed of the draws for faults with a share.
    """

    def __init__(self, seed: int = 0) -> None:
        self._armed: list[_Armed] = []
        self._random = random.Random(seed)  # noqa: S311 - not for secrets

    def add(self, fault: Fault) -> None:
        """Arm a fault."""
        self._armed.append(_Armed(fault, fault.skip, fault.times))

    def clear(self) -> None:
        """Remove every fault."""
        self._armed.clear()

    def take(self, request: Request) -> Fault | None:
        """Return the fault that acts on this request, or None, and count it."""
        for armed in self._armed:
            if not armed.fault.matches(request):
                continue
            if armed.to_skip:
                armed.to_skip -= 1
                continue
            if armed.fault.share < 1 and self._random.random() >= armed.fault.share:
                continue
            self._use(armed)
            return armed.fault
        return None

    def _use(self, armed: _Armed) -> None:
        if armed.left is None:
            return
        armed.left -= 1
        if not armed.left:
            self._armed.remove(armed)

    def overview(self) -> list[JsonObject]:
        """Return the active faults for the overview."""
        return [
            {
                "method": armed.fault.method,
                "path": armed.fault.path,
                "status": armed.fault.status,
                "lose": armed.fault.lose,
                "latency_s": armed.fault.latency_s,
                "share": armed.fault.share,
                "to_skip": armed.to_skip,
                "times_left": armed.left,
            }
            for armed in self._armed
        ]
