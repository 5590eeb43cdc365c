"""
No secret appears in a log at DEBUG, in an error, or in anything that Airflow stores.

The tests search for the client secret, every token that the login has issued, and the key of the feed.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import os
import pickle
import secrets
import sqlite3
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, TaskDeferred
from main_job import REFUNDS, main_job
from wait_until import wait_until

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.errors import MParticleError, RefusedError
from airflow_provider_mparticle.client.resource_kinds import PIPELINE
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.operators import MParticleCreatePipelineOperator, MParticleTriggerPipelineOperator
from airflow_provider_mparticle.runs.outcome import Outcome
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.simulator.faults import Fault
from airflow_provider_mparticle.triggers import MParticlePipelineRunTrigger

FEED_PIPELINE = {**REFUNDS, "partner_feed_id": 11}


class Search:
    """
    Searches for the secrets of one simulator.

    The simulator forgets expired tokens, so tests expire them with the methods of this class.
    """

    def __init__(self, simulator: Simulator, feed_key: str) -> None:
        self.simulator = simulator
        self._known = {"client secret": simulator.client_secret, "feed key": feed_key}

    @property
    def sought(self) -> dict[str, str]:
        """Every secret so far, with its kind."""
        for token in list(self.simulator.token_values):
            if token not in self._known.values():
                self._known[f"token {len(self._known) - 1}"] = token
        return self._known

    def expire_tokens(self) -> None:
        """Expire every token, and continue to search for it."""
        assert self.sought
        self.simulator.expire_tokens()

    def rotate_credentials(self) -> None:
        """Replace the credentials, and continue to search for the old ones."""
        assert self.sought
        self.simulator.rotate_credentials(client_secret=secrets.token_urlsafe())

    def found_in(self, **places: Any) -> list[str]:
        """Return what was found, and where."""
        texts = {place: shown if isinstance(shown, str) else repr(shown) for place, shown in places.items()}
        return [
            f"{what} in {place}" for what, one in self.sought.items() for place, text in texts.items() if one in text
        ]


@pytest.fixture
def search(start_simulator: Callable[..., Simulator], monkeypatch: pytest.MonkeyPatch) -> Search:
    """A search, and a simulator with secrets that are in no source file, whose runs end when a test ends them."""
    simulator = start_simulator(client_secret=secrets.token_urlsafe(), run_s=3600)
    simulator.add_pipeline("orders")
    key = secrets.token_urlsafe()
    # Airflow takes a variable for a secret only if its name says so.
    monkeypatch.setenv("AIRFLOW_VAR_ORDERS_FEED", key)
    return Search(simulator, key)


@pytest.fixture
def _no_unmasked_log() -> Iterator[None]:
    """
    Drop what dag.test() of Airflow 3.0 prints with a structlog that nobody has configured.

    It prints local variables and what it is to mask, in the terminal of a developer. For a real task structlog is
    configured, and the tests in tests/airflow_e2e read its log.
    """
    structlog = importlib.import_module("structlog") if importlib.util.find_spec("structlog") else None
    if structlog is None or structlog.is_configured():
        yield
        return
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    yield
    structlog.reset_defaults()


@pytest.fixture
def everything_said(
    _no_unmasked_log: None, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Callable[[], str]:
    """Everything that was logged at any level, and everything that was printed."""
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "requests", "aiohttp", "asyncio", "tenacity", "airflow", "airflow_provider_mparticle"):
        caplog.set_level(logging.DEBUG, name)

    def said() -> str:
        arguments = "\n".join(repr((record.msg, record.args, record.exc_info)) for record in caplog.records)
        return "\n".join([caplog.text, arguments, *capfd.readouterr()])

    return said


def everything_stored() -> str:
    """Every row of every table in Airflow's database, and every log file."""
    home = Path(os.environ["AIRFLOW_HOME"])
    with sqlite3.connect(home / "airflow.db") as database:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [row for name in tables for row in database.execute(f'SELECT * FROM "{name}"')]
    cells = [cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell) for row in rows for cell in row]
    files = [file.read_text(errors="replace") for file in (home / "logs").rglob("*") if file.is_file()]
    return "\n".join([*cells, *files])


def everything_of(error: BaseException | None) -> str:
    """An error with all its causes: text, repr, attributes, traceback, and its pickle in an executor."""
    told = []
    while error:
        told += [str(error), repr(error), *traceback.format_exception(error)]
        if isinstance(error, MParticleError):
            told += [repr(vars(error)), repr(pickle.dumps(error)), repr(Outcome({}, error).as_event())]
        error = error.__cause__ or error.__context__
    return "\n".join(told)


@contextmanager
def meanwhile(simulator: Simulator, act: Callable[[], None]) -> Iterator[None]:
    """Call a function as soon as a task waits for a run."""

    def wait_and_act() -> None:
        wait_until(lambda: simulator.count("GET", "/runs/") > 0)
        act()

    acting = Thread(target=wait_and_act, daemon=True)
    acting.start()
    yield
    acting.join(timeout=120)


def job_with_key(dag_id: str, errors: list[BaseException], *, deferrable: bool = True, secret: str = "") -> DAG:
    """Return the main job, whose pipeline has a feed key. *secret* is leaked on purpose."""
    return main_job(
        dag_id,
        deferrable=deferrable,
        default_args={"on_failure_callback": lambda context: errors.append(context["exception"])},
        name=secret or "Refunds",
        partner_feed_id=11,
        partner_feed_key="{{ var.value.orders_feed }}",
        if_exists="update",
    )


# Whole DAGs


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "in the worker"])
def test_a_run_with_expired_tokens(
    run_dag: Callable[[Any], Any], search: Search, everything_said: Callable[[], str], deferrable: bool
) -> None:
    """Tokens expire before a task and during a wait, and each is renewed without a message."""
    errors: list[BaseException] = []
    MParticleHook().list_pipelines()
    search.expire_tokens()

    def expire_again() -> None:
        search.expire_tokens()
        wait_until(lambda: search.simulator.tokens_minted == 3)
        search.simulator.end_runs()

    with meanwhile(search.simulator, expire_again):
        run = run_dag(job_with_key(f"expired_{deferrable}", errors, deferrable=deferrable))

    assert "success" == run.state
    assert {"client secret", "feed key", "token 1", "token 2", "token 3"} == set(search.sought)
    assert [] == search.found_in(said=everything_said(), stored=everything_stored())


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "in the worker"])
def test_a_run_whose_credentials_are_refused_half_way(
    run_dag: Callable[[Any], Any], search: Search, everything_said: Callable[[], str], deferrable: bool
) -> None:
    """The secret is rotated while a task waits. The task fails, and its error says what to correct."""
    errors: list[BaseException] = []

    with meanwhile(search.simulator, search.rotate_credentials):
        run = run_dag(job_with_key(f"rotated_{deferrable}", errors, deferrable=deferrable))

    assert "failed" == run.state
    assert "refused the login of Airflow connection 'mparticle_default'" in str(errors[0])
    assert {"client secret", "feed key", "token 1"} == set(search.sought)
    assert [] == search.found_in(said=everything_said(), stored=everything_stored(), errors=everything_of(errors[0]))


def test_a_run_whose_credentials_are_refused_from_the_start(
    run_dag: Callable[[Any], Any], search: Search, everything_said: Callable[[], str]
) -> None:
    """A typing mistake has this result."""
    errors: list[BaseException] = []
    search.rotate_credentials()

    run = run_dag(job_with_key("refused", errors))

    assert "failed" == run.state
    assert 1 == len(errors)
    assert [] == search.found_in(said=everything_said(), stored=everything_stored(), errors=everything_of(errors[0]))


def test_a_run_against_a_server_that_repeats_what_it_was_sent(
    run_dag: Callable[[Any], Any], search: Search, everything_said: Callable[[], str]
) -> None:
    """The error pages of some proxies contain the whole request."""
    errors: list[BaseException] = []
    MParticleHook().list_pipelines()
    secret, key, token = search.sought.values()
    for method, status, echo in (("GET", 503, f"{secret} {token}"), ("POST", 422, f"{secret} {token} {key}")):
        search.simulator.inject(Fault(method, "/inputs/data-pipelines", status=status, body=f"<p>You sent {echo}</p>"))

    run = run_dag(job_with_key("echoed", errors))

    assert "failed" == run.state
    assert "saying: You sent *** *** ***" in str(errors[0])
    assert [] == search.found_in(said=everything_said(), stored=everything_stored(), errors=everything_of(errors[0]))


def test_a_mapped_task(run_dag: Callable[[Any], Any], search: Search, everything_said: Callable[[], str]) -> None:
    """Airflow renders the fields of a mapped task in another way."""
    key, fields = "{{ var.value.orders_feed }}", {**FEED_PIPELINE, "if_exists": "update"}
    del fields["pipeline_id"]
    with DAG("mapped", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        create = MParticleCreatePipelineOperator
        create.partial(task_id="same", partner_feed_key=key, **fields).expand(pipeline_id=["a", "b"])
        create.partial(task_id="own", pipeline_id="c", **fields).expand(partner_feed_key=[key])

    run = run_dag(dag)

    assert "success" == run.state
    assert {search.sought["feed key"]} == {
        search.simulator.stored("pipeline", name)["partner_feed_key"] for name in ("a", "b", "c")
    }
    assert [] == search.found_in(said=everything_said(), stored=everything_stored())


# One call at a time, with either client


def by_hook(call: endpoints.Call[Any]) -> Any:
    """Send a call as a task does."""
    return MParticleHook().send(call, retry=False)


def by_trigger(call: endpoints.Call[Any]) -> Any:
    """Send a call as a trigger does."""

    async def send() -> Any:
        async with MParticleHook().async_client() as client:
            return await client.send(call, retry=False)

    return asyncio.run(send())


def create_call(search: Search) -> endpoints.Call[Any]:
    """A call with all three secrets."""
    return endpoints.create_resource(PIPELINE, {**_wire(FEED_PIPELINE), "partner_feed_key": search.sought["feed key"]})


LOGIN, CREATE = "/oauth/token", "/data-pipelines"
WAYS_TO_WRITE: dict[str, Callable[[str], str]] = {
    "json": lambda text: json.dumps({"errors": [{"message": text}]}),
    "array": lambda text: json.dumps([text]),
    "html": "<html><body>{}</body></html>".format,
    "text": str,
}
ANSWERS = [
    *((LOGIN, status, way) for status in (200, 401, 500) for way in ("json", "html")),
    *((CREATE, status, way) for status in (400, 401, 403, 404, 429, 500, 505) for way in ("json", "html")),
    *((CREATE, 200, way) for way in ("array", "html", "text")),
]


@pytest.mark.parametrize("send", [by_hook, by_trigger])
@pytest.mark.parametrize(
    ("path", "status", "way"), ANSWERS, ids=[f"{way} with {status} to {path[1:]}" for path, status, way in ANSWERS]
)
def test_no_error_repeats_a_secret_that_the_server_repeats(
    search: Search,
    everything_said: Callable[[], str],
    send: Callable[[endpoints.Call[Any]], Any],
    path: str,
    status: int,
    way: str,
) -> None:
    """Errors are written to logs, and passed to callbacks and events."""
    if path == CREATE:
        send(endpoints.list_resources(PIPELINE))
    sent = {what: secret for what, secret in search.sought.items() if path == CREATE or what == "client secret"}
    body = WAYS_TO_WRITE[way](f"You sent: Bearer {sent}")
    search.simulator.inject(Fault(path=path, status=status, times=None, body=body))

    with pytest.raises(MParticleError) as failed:
        send(create_call(search))

    assert len(sent) == (1 if path == LOGIN else 3)
    assert [] == search.found_in(said=everything_said(), error=everything_of(failed.value))


@pytest.mark.parametrize("send", [by_hook, by_trigger])
@pytest.mark.parametrize("path", ["/oauth/token", "/data-pipelines"])
def test_no_error_without_an_answer_shows_a_secret(
    search: Search, everything_said: Callable[[], str], send: Callable[[endpoints.Call[Any]], Any], path: str
) -> None:
    """The HTTP libraries keep the request in their errors."""
    search.simulator.inject(Fault(path=path, lose="before"))

    with pytest.raises(MParticleError) as failed:
        send(create_call(search))

    assert [] == search.found_in(said=everything_said(), error=everything_of(failed.value))


# What is kept and shown


def test_what_is_handed_to_the_triggerer(search: Search) -> None:
    """Airflow stores the arguments in plain text and shows them in its UI."""
    records: list[Any] = []  # what is stored between tries is shown, too
    store = SimpleNamespace(get=lambda _: None, set=lambda *kept: records.append(kept), delete=print)
    context: Any = {"ti": _TaskInstance(), "dag_run": _DagRun(), "task_state_store": store}
    tasks = [
        MParticleTriggerPipelineOperator(task_id="trigger", pipeline_id="orders", deferrable=True),
        MParticlePipelineRunSensor(task_id="sense", pipeline_id="orders", deferrable=True),
    ]

    stored = []
    for task in tasks:
        with pytest.raises(TaskDeferred) as deferred:
            task.resume_execution("execute", {}, context)
        stored.append(json.dumps([*deferred.value.trigger.serialize(), deferred.value.kwargs]))

    assert "token 1" in search.sought
    assert records
    assert [] == search.found_in(stored=stored, records=records)


class _TaskInstance:
    """The part of a task instance that the trigger operator uses."""

    max_tries = 0
    try_number = 1

    def xcom_push(self, key: str, value: Any) -> None:
        """Do nothing."""


class _DagRun:
    """The part of a DAG run that the trigger operator uses."""

    start_date = datetime(2026, 1, 1)
    clear_number = 0


def test_what_a_debugger_shows(search: Search) -> None:
    """Error reports contain the reprs of local variables: hook, client, configuration, request, trigger."""
    hook = MParticleHook()
    hook.create_pipeline({**_wire(FEED_PIPELINE), "partner_feed_key": search.sought["feed key"]})
    client = hook.get_conn()
    pipeline = hook.get_pipeline("refunds")
    trigger = MParticlePipelineRunTrigger("mparticle_default", "orders", 1, 1, time.time() - 1)
    with suppress(MParticleError):
        by_trigger(endpoints.list_resources(PIPELINE))

    shown = {
        "hook": (hook, vars(hook)),
        "client": (client, vars(client), client.config, vars(client.config)),
        "credentials": client.config.credentials,
        "call": create_call(search),
        "pipeline": (pipeline, pipeline.as_dict()),
        "trigger": (trigger, vars(trigger)),
        "steps": _steps_of_an_exchange(client.config, search),
        "tokens": _kept_tokens(),
    }

    assert "token 1" in search.sought
    assert [] == search.found_in(**shown)


def _wire(fields: dict[str, Any]) -> dict[str, Any]:
    """The operator's arguments with mParticle's names."""
    return {"id" if name == "pipeline_id" else name: value for name, value in fields.items()}


def _steps_of_an_exchange(config: Any, search: Search) -> list[str]:
    """The reprs of all that an exchange yields: the need for a token, the login, the signed request."""
    from airflow_provider_mparticle.client.exchange import exchange
    from airflow_provider_mparticle.client.login import login
    from airflow_provider_mparticle.client.messages import TokenNeeded

    token = search.sought["token 1"]
    steps = exchange(endpoints.list_resources(PIPELINE), config)
    return [repr(next(login(config))), repr(next(steps)), repr(steps.send(token)), repr(TokenNeeded(refused=token))]


def _kept_tokens() -> str:
    from airflow_provider_mparticle.client import token_cache

    return repr(token_cache._tokens)


# The search itself


@pytest.mark.parametrize("secret", ["client secret", "feed key", "token 1"])
@pytest.mark.parametrize(
    "give_away",
    [
        lambda secret: logging.getLogger("urllib3.connectionpool").debug("Authorization: Bearer %s", secret),
        lambda secret: logging.getLogger("aiohttp.client").debug({"headers": {"Authorization": secret}}),
        lambda secret: logging.getLogger("airflow_provider_mparticle.client").info("Logged in: %r", [secret]),
        lambda secret: print("secret:", secret),
        lambda secret: os.system(f"echo {secret} >&2"),  # noqa: S605 - the test makes the secret
    ],
    ids=["log argument", "log message", "log repr", "stdout", "stderr of a child"],
)
def test_the_search_finds_what_is_said_on_purpose(
    search: Search, everything_said: Callable[[], str], secret: str, give_away: Callable[[str], object]
) -> None:
    """A search proves something only if it can find a secret."""
    MParticleHook().list_pipelines()

    give_away(search.sought[secret])

    assert [f"{secret} in said"] == search.found_in(said=everything_said())


def test_the_search_finds_what_is_stored_on_purpose(
    run_dag: Callable[[Any], Any], search: Search, everything_said: Callable[[], str]
) -> None:
    """The same for XComs, rendered fields and everything else that Airflow stores."""
    given_away = f"Refunds {secrets.token_urlsafe()}"
    search.sought["given away"] = given_away.split()[1]

    with meanwhile(search.simulator, search.simulator.end_runs):
        run = run_dag(job_with_key("given_away", [], secret=given_away))

    assert "success" == run.state
    assert ["given away in stored"] == search.found_in(stored=everything_stored())
    assert "given away" in _places_of(search.sought["given away"])


def _places_of(secret: str) -> str:
    return "given away" if secret in everything_stored() else ""


def test_the_search_finds_what_an_error_carries(search: Search) -> None:
    """The search also finds secrets in causes and pickles."""
    secret = search.sought["client secret"]
    errors = [
        MParticleError(f"Bad secret {secret}"),
        RefusedError("Refused", reasons=(f"Bad secret {secret}",)),
        _chained(ValueError("The task failed"), ConnectionError(secret)),
    ]

    found = [search.found_in(error=everything_of(error)) for error in errors]

    assert [["client secret in error"]] * 3 == found


def _chained(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_the_search_knows_every_token(search: Search) -> None:
    """The search also knows expired and refused tokens."""
    MParticleHook().list_pipelines()
    search.expire_tokens()
    MParticleHook().list_pipelines()
    search.rotate_credentials()

    assert 2 == search.simulator.tokens_minted
    assert {"client secret", "feed key", "token 1", "token 2"} == set(search.sought)
