"""Models the network between Airflow and mParticle: it loses requests and answers, and answers with its own errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import tenacity
from mparticle_model import BUSY, body_of

from airflow_provider_mparticle.client.clocks import clock_skew_s
from airflow_provider_mparticle.client.config import ApiConfig, Credentials
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.errors import NoAnswerError
from airflow_provider_mparticle.client.exchange import exchange
from airflow_provider_mparticle.client.messages import HttpResponse, TokenNeeded
from airflow_provider_mparticle.client.retrying import policy

if TYPE_CHECKING:
    from airflow_tasks import Task
    from explorer_world import World

LATENCY_S = 0.1
NO_ANSWER_S = 30.0
LATE_S = 20.0
CONFIG = ApiConfig(Credentials("id", "secret"), workspace_id=1)

POST_FATES = (
    "ok",
    "done, answer lost",
    "lost on the way",
    "done, 503",
    "not done, 503",
    "done, 408",
    "arrives 20 s late, answer lost",
    "429",
    "429, Retry-After: 5",
    "429, Retry-After: 60",
    "429, Retry-After: 120",
    "429, Retry-After: 250",
)
GET_FATES = ("ok", "404", "503", "no answer")
PUT_FATES = ("ok", "done, answer lost", "not done, 503")


class Client:
    """Sends calls with the real protocol code, over a network that loses messages."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.config = CONFIG
        self.clock_skew_s: float | None = None

    def send(self, call: Call[Any], *, retry: bool = True, worker: bool = True) -> Any:
        """Send a call, with the real retry policy if *retry* is true."""
        if not retry:
            return self._once(call, worker)
        return tenacity.Retrying(**policy(call, lambda *_: None))(self._once, call, worker)

    def _once(self, call: Call[Any], worker: bool) -> Any:
        steps = exchange(call, self.config)
        answer: Any = None
        try:
            while True:
                step = steps.send(answer)
                answer = "token" if isinstance(step, TokenNeeded) else self._deliver(call, worker)
        except StopIteration as done:
            return done.value

    def _deliver(self, call: Call[Any], worker: bool) -> HttpResponse:
        world, task = self.world, self.world.actor
        what = f"asks {call.method} {call.route}"
        if worker:
            with task.may_die(what):
                return self._deliver_to(world, task, call)
        return self._deliver_to(world, task, call)

    def _deliver_to(self, world: World, task: Task, call: Call[Any]) -> HttpResponse:
        world.sleep(LATENCY_S)
        world.other_people(f"other people before {task.name} asks {call.method} {call.route}")
        fates = {"POST": POST_FATES, "PUT": PUT_FATES}.get(call.method, GET_FATES)
        fate = world.choices.choose(f"{task.name} asks {call.method} {call.route}, fate", fates)
        if fate != "ok":
            world.note_fault(f"{task.name}: {call.method} {call.route}: {fate}")
        answer = self._carried_out(world, task, call, fate)
        if call.method == "POST":
            task.note_request(world.now, is_refused="429" in fate or (fate == "ok" and answer[0] == BUSY))
        world.sleep(LATENCY_S)
        if "lost" in fate or fate == "no answer":
            world.sleep(NO_ANSWER_S)
            raise NoAnswerError(f"No answer from {call.method}.", may_have_executed=True)
        headers = world.mparticle.headers()
        if " Retry-After: " in fate:
            headers["retry-after"] = fate.rpartition(" ")[2]
            self._let_others_start(task, float(headers["retry-after"]))
        self.clock_skew_s = clock_skew_s(headers, world.clock - 2 * LATENCY_S, world.clock)
        status = next((int(word) for word in ("404", "408", "429", "503") if word in fate), None)
        if status:
            return HttpResponse(status, headers, b"")
        return HttpResponse(answer[0], headers, b"" if answer[1] is None else body_of(answer[1]))

    def _let_others_start(self, task: Task, pause_s: float) -> None:
        """Other people may start a run early or late in a pause that mParticle asks for."""
        for share in (0.05, 0.6):
            label = f"other people while mParticle holds {task.name} back"
            self.world.spawn(lambda label=label: self.world.other_people(label), self.world.now + pause_s * share)

    def _carried_out(self, world: World, task: Task, call: Call[Any], fate: str) -> Any:
        if fate.startswith("arrives"):
            world.spawn(lambda: world.trigger(task) and None, world.now + LATE_S)
            return None
        if fate != "ok" and not fate.startswith("done"):
            return None
        if call.method == "POST":
            return world.trigger(task)
        return world.mparticle.answer(call.method, call.route, dict(call.ids), dict(call.params), call.json)
