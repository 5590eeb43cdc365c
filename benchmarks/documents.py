"""
Measures what it costs to plan, apply, apply again and export a document of 1,000 resources.

The simulated mParticle runs in its own process. ``python -m benchmarks.documents`` runs this measurement alone.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow_provider_mparticle.client.config import ApiConfig, Credentials
from airflow_provider_mparticle.client.endpoints import Call
from airflow_provider_mparticle.client.sync import Client
from airflow_provider_mparticle.configuration.apply import apply_plan, export_document, read_workspace
from airflow_provider_mparticle.configuration.document import load_document, parse_document
from airflow_provider_mparticle.configuration.document_writer import as_yaml
from airflow_provider_mparticle.configuration.kept_forms import KeptForms
from airflow_provider_mparticle.configuration.plan import plan
from benchmarks.figures import table

# One connection, and 333 each of data models, field transformations and pipelines.
RESOURCES = 1000
STEPS = ("plan", "apply", "apply again", "export", "apply changes")

_SERVE = """
import sys
from airflow_provider_mparticle.simulator import Simulator
with Simulator() as simulator:
    print(simulator.airflow_connection_json(), flush=True)
    sys.stdin.read()
"""


class CountingSender:
    """Sends calls as a client does, and counts them."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.reads = self.writes = 0

    def send(self, call: Call[Any], *, retry: bool = True) -> Any:
        """Carry out a call."""
        if call.method == "GET":
            self.reads += 1
        else:
            self.writes += 1
        return self._client.send(call, retry=retry)


def document(name: str = "Model") -> dict[str, Any]:
    """Return a document of `RESOURCES` resources."""
    number = (RESOURCES - 1) // 3
    sql = "SELECT o.id, o.customer_id, o.total, o.updated_at\nFROM shop.public.orders_{0} o\nWHERE o.total > {0}"
    connection = {"database": "SALES", "user": "sync", "password": "warehouse-password"}
    models = [{"id": f"m{n}", "name": f"{name} {n}", "config": {"sql_query": sql.format(n)}} for n in range(number)]
    mapping = {"mapping_type": "column", "source": "customer_id", "destination": "user_identities.customer_id"}
    pipelines = [
        {
            "id": f"p{n}",
            "name": f"Pipeline {n}",
            "connection_id": "sales",
            "data_model_id": f"m{n}",
            "field_transformation_id": f"f{n}",
            "sync_mode": {"type": "incremental", "iterator_field": "updated_at", "iterator_data_type": "timestamp"},
            "schedule": {"type": "interval", "frequency": "daily", "delay": "1d"},
            "state": "paused",
        }
        for n in range(number)
    ]
    return {
        "connections": [{"id": "sales", "name": "Sales", "service_provider": "Redshift", "config": connection}],
        "data_models": models,
        "field_transformations": [{"id": f"f{n}", "name": f"To {n}", "mappings": [mapping]} for n in range(number)],
        "pipelines": pipelines,
    }


def results() -> dict[str, dict[str, float]]:
    """Measure each step once."""
    with _server() as connection:
        extra = connection["extra"]
        client = Client(
            ApiConfig(
                Credentials(connection["login"], connection["password"], extra["token_url"]),
                workspace_id=extra["workspace_id"],
                base_url=connection["host"],
            )
        )
        sender, kept, text = CountingSender(client), KeptForms(), as_yaml(document())

        def planned(content: str) -> Any:
            return plan(parse_document(content), read_workspace(sender), kept=kept)

        changed = as_yaml(document("Renamed"))
        work: Mapping[str, Callable[[], Any]] = {
            "plan": lambda: planned(text),
            "apply": lambda: apply_plan(sender, planned(text), kept=kept),
            "apply again": lambda: apply_plan(sender, planned(text), kept=kept),
            "export": lambda: load_document(export_document(sender)),
            "apply changes": lambda: apply_plan(sender, planned(changed), kept=kept),
        }
        return {step: _measured(sender, work[step]) for step in STEPS}


def section(measured: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield the parts of the report's section."""
    yield f"## A document of {RESOURCES:,} resources"
    yield (
        "Read from YAML, checked, planned and applied; a third of it are data models, which the last row renames. "
        "Memory is the most that the process has held so far, the interpreter included."
    )
    rows = (
        (step, f"{of['reads']:.0f}", f"{of['writes']:.0f}", f"{of['took_s']:.1f}", f"{of['peak_mb']:.0f}")
        for step, of in measured.items()
    )
    yield table(("step", "reads", "writes", "s", "MB"), rows)


def _measured(sender: CountingSender, work: Callable[[], Any]) -> dict[str, float]:
    sender.reads = sender.writes = 0
    began = time.perf_counter()
    work()
    took_s, reads, writes = time.perf_counter() - began, sender.reads, sender.writes
    return {"took_s": took_s, "reads": reads, "writes": writes, "peak_mb": _peak_mb()}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@contextmanager
def _server() -> Iterator[dict[str, Any]]:
    with subprocess.Popen(
        [sys.executable, "-c", _SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout  # noqa: S101 - it is a pipe
        assert process.stdin  # noqa: S101 - as above
        connection: dict[str, Any] = json.loads(process.stdout.readline())
        try:
            yield connection
        finally:
            process.stdin.close()


if __name__ == "__main__":
    print("\n\n".join(section(results())))
