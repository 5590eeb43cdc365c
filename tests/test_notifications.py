"""Failure callbacks on a real Airflow get the facts of a failure, and retry rules accept our error classes."""

from __future__ import annotations

import json
import re
import runpy
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from hypothesis import example, given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import PipelineBusyError, RunFailedError
from airflow_provider_mparticle.notifications import Failure, failure_of
from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.simulator import Simulator
from airflow_provider_mparticle.task_groups import mparticle_sync_group

EXAMPLE = Path(__file__).parents[1] / "example_dags" / "alert_on_failure.py"
ALERTING = Path(__file__).parents[1] / "docs" / "how-to" / "alerting.md"


def dag_of(dag_id: str, operator: Any, **options: Any) -> tuple[DAG, list[Failure]]:
    """A DAG with one task for ``orders``, and the failures that its callback gets."""
    told: list[Failure] = []
    arguments = {"pipeline_id": "orders", "poll_interval": 0.2, "timeout": 60, **options}
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        operator(task_id="sync", on_failure_callback=lambda context: told.append(failure_of(context)), **arguments)
    return dag, told


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferred", "in the worker"])
def test_a_callback_gets_the_run_and_the_reasons(
    run_dag: Callable[[Any], Any], simulator: Simulator, deferrable: bool
) -> None:
    """The message contains everything that an on-call engineer needs."""
    simulator.script_next_run("orders", errors=["The warehouse is closed."])
    dag, told = dag_of(f"alert_{deferrable}", MParticleTriggerPipelineOperator, deferrable=deferrable)

    run_dag(dag)

    [failure] = told
    run_id = simulator.runs("orders")[-1]["pipeline_run_id"]
    assert ("RunFailedError", "orders", run_id, ("The warehouse is closed.",)) == (
        failure.kind,
        failure.pipeline_id,
        failure.pipeline_run_id,
        failure.reasons,
    )
    assert failure.link.startswith("https://app.mparticle.com")
    for part in (
        dag.dag_id,
        "orders",
        str(run_id),
        "The warehouse is closed.",
        failure.link,
        f"DAG run {failure.run_id}",
    ):
        assert part in str(failure)
    assert failure.run_link.startswith(simulator.url)
    assert failure.run_link.endswith(f"/{run_id}")
    assert failure.run_id
    assert "map index" not in str(failure)


@pytest.mark.parametrize(
    ("operator", "options", "kind"),
    [
        pytest.param(MParticleTriggerPipelineOperator, {"pipeline_id": "missing"}, "NotFoundError", id="missing"),
        pytest.param(MParticleTriggerPipelineOperator, {"min_records": 5000}, "DataGateError", id="too few records"),
        pytest.param(MParticleTriggerPipelineOperator, {"timeout": -1}, "ConfigError", id="argument"),
        pytest.param(MParticleTriggerPipelineOperator, {"mparticle_conn_id": "none"}, "ConfigError", id="connection"),
        pytest.param(MParticlePipelineRunSensor, {"timeout": 0.3}, "RunTimeoutError", id="sensor"),
    ],
)
def test_our_error_is_found_behind_airflow_s(
    run_dag: Callable[[Any], Any], simulator: Simulator, operator: Any, options: dict[str, Any], kind: str
) -> None:
    """Errors that a retry cannot cure, and timeouts of a sensor, reach Airflow as its own errors."""
    if operator is MParticlePipelineRunSensor:
        simulator.add_run("orders", "running")
    dag, told = dag_of(f"alert_{kind}_{len(options)}", operator, **options)

    run_dag(dag)

    [failure] = told
    assert (kind, options.get("pipeline_id", "orders")) == (failure.kind, failure.pipeline_id)
    assert "mparticle_conn_id" in options or failure.link
    assert simulator.client_secret not in str(failure)


@pytest.mark.parametrize("exception", [None, "The worker was lost.", ValueError("The worker was lost.")])
def test_other_failures_have_a_message_too(exception: Any) -> None:
    """A callback that fails itself would send no message."""
    ti = SimpleNamespace(dag_id="sync", task_id="orders")

    failure = failure_of({"ti": ti, "exception": exception})

    assert "sync.orders failed" in str(failure)
    assert exception is None or "The worker was lost." in failure.message


class UnprintableError(Exception):
    """An error of a library whose text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


@given(
    present=st.sets(st.sampled_from(["ti", "task", "dag", "run_id", "reason", "exception"])),
    pipeline_id=st.sampled_from(["orders", "{{ params.pipeline }}", "{% if a %}b{% endif %}", None, ["orders"], 7, ""]),
    exception=st.sampled_from([None, "lost", ValueError("lost"), UnprintableError(), ValueError, {"a": 1}]),
    reason=st.sampled_from(["timed_out", "", None, 5]),
)
@example({"dag", "run_id", "reason"}, "orders", None, "timed_out")
def test_every_context_has_a_message(present: set[str], pipeline_id: Any, exception: Any, reason: Any) -> None:
    """The callback of a DAG may get no task, and that of a lost worker has a task whose templates are not rendered."""
    everything: dict[str, Any] = {
        "ti": SimpleNamespace(dag_id="sync", task_id="orders"),
        "task": SimpleNamespace(pipeline_id=pipeline_id, mparticle_conn_id="not_there"),
        "dag": SimpleNamespace(dag_id="sync"),
        "run_id": "manual_1",
        "exception": exception,
        "reason": reason,
    }

    failure = failure_of({name: everything[name] for name in present})  # type: ignore[arg-type]  # an incomplete context

    assert str(failure).startswith("sync" if present & {"ti", "dag"} else " failed")
    assert failure.pipeline_id in (None, "orders", "7")
    assert failure.message
    assert ("timed_out" in failure.message) == (
        {"reason"} <= present and reason == "timed_out" and ("exception" not in present or exception is None)
    )


def test_a_mapped_task_is_named_by_its_map_index(run_dag: Callable[[Any], Any], simulator: Simulator) -> None:
    """Many tasks of one DAG run have the same id."""
    told: list[Failure] = []
    with DAG("alert_mapped", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
        mparticle_sync_group(
            ["orders", "missing"],
            poll_interval=0.2,
            timeout=60,
            on_failure_callback=lambda context: told.append(failure_of(context)),
        )

    dag_run = run_dag(dag)

    [failure] = told
    assert (dag_run.run_id, 1, "missing", "") == (
        failure.run_id,
        failure.map_index,
        failure.pipeline_id,
        failure.run_link,
    )
    assert f"DAG run {dag_run.run_id}, map index 1" in str(failure)


@pytest.mark.parametrize("status", [200, 500])
def test_the_sender_for_a_chat_in_the_docs_posts_the_message(
    status: int,
    run_dag: Callable[[Any], Any],
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The page has a sender to copy. If the chat refuses the message, the task still ends as failed."""
    posted: list[dict[str, str]] = []

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

    chat = HTTPServer(("127.0.0.1", 0), Chat)
    threading.Thread(target=chat.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{chat.server_port}/hook"
    monkeypatch.setenv("AIRFLOW_CONN_CHAT_WEBHOOK", json.dumps({"conn_type": "generic", "password": url}))
    simulator.script_next_run("orders", errors=["The warehouse is closed."])
    [code] = [one for one in re.findall(r"```python\n(.*?)```", ALERTING.read_text(), re.DOTALL) if "webhook" in one]
    script = tmp_path / "alert.py"
    script.write_text(code)
    dag = runpy.run_path(str(script))["dag"]

    assert "failed" == run_dag(dag).state

    chat.shutdown()
    chat.server_close()
    [message] = posted
    assert "The warehouse is closed." in message["text"]


def test_a_circular_chain_of_errors_ends() -> None:
    """The contexts of exceptions may form a circle."""
    one, two = ValueError("one"), ValueError("two")
    one.__context__, two.__context__ = two, one

    assert "ValueError" == failure_of({"ti": SimpleNamespace(dag_id="a", task_id="b"), "exception": one}).kind


def test_the_example_prints_both_messages(
    run_dag: Callable[[Any], Any], start_simulator: Callable[..., Simulator], capsys: pytest.CaptureFixture[str]
) -> None:
    """The function and the notifier print the failure."""
    simulator = start_simulator(run_s=0.0)
    simulator.add_pipeline("payments")
    simulator.script_next_run("payments", errors=["The warehouse is closed."])

    run_dag(runpy.run_path(str(EXAMPLE))["dag"])

    printed = capsys.readouterr().out
    assert "To data owners: mparticle_alert_on_failure.sync_payments failed: RunFailedError" in printed
    assert 2 <= printed.count("mparticle_alert_on_failure.sync_payments failed: RunFailedError")


@pytest.mark.parametrize(
    ("error", "starts", "state"), [(RunFailedError, 1, "failed"), (PipelineBusyError, 2, "success")], ids=str
)
def test_rules_for_retries_name_our_errors(
    run_dag: Callable[[Any], Any], simulator: Simulator, error: Any, starts: int, state: str
) -> None:
    """With a rule for it, a failed run fails the task at once. With a rule for another error it is retried as usual."""
    sdk = pytest.importorskip("airflow.sdk.definitions.retry_policy", reason="Airflow has retry rules since 3.3.")
    simulator.script_next_run("orders", errors=["The warehouse is closed."])
    policy = sdk.ExceptionRetryPolicy(rules=[sdk.RetryRule(exception=error, action=sdk.RetryAction.FAIL)])
    dag, _ = dag_of(
        f"rules_{error.__name__}",
        MParticleTriggerPipelineOperator,
        retries=2,
        retry_delay=timedelta(0),
        retry_policy=policy,
    )

    run = run_dag(dag)

    assert (state, starts) == (run.state, simulator.starts("orders"))
