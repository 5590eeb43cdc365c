"""
Runs an Airflow with the example DAGs and a connection to the simulator for your browser, until Ctrl-C.

Run it with ``make ui``. It listens on this machine only.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

from airflow_provider_mparticle.connection.form import RARE_SECTION
from airflow_provider_mparticle.simulator import Simulator
from dev.example_airflow import example_airflow
from dev.standalone import AIRFLOW

HOME = Path(__file__).parents[1] / ".ui"
# The pipelines that the example DAGs expect. They create the others.
PIPELINES = (
    *("orders", "subscriptions", "payments", "customers", "invoices", "products", "refunds"),
    *("orders-by-day", "orders-history", "accounts", "visits", "surveys"),
)
FAILING = "payments"
REASON = "Column 'updated_at' of the data model is missing in the warehouse."
# Rows of the warehouse that mparticle_historical_backfill_then_incremental reads: some are newer than its history.
FIRST_ROW_AT = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = [
    {"id": number, "email": f"{number}@example.com", "updated_at": FIRST_ROW_AT + timedelta(hours=6 * number)}
    for number in range(180)
]

GUIDE = """
Airflow is up: {airflow.url}
  docs/how-to/airflow-ui.md leads through it. No login is needed.
  The example DAGs are paused until you trigger them or switch them on.
  Connection mparticle_default leads to a simulated mParticle, where a run takes {run_s:g} s. Airflow notices the end of
  a run at the next poll of its task. The first run of a pipeline is polled 10 to 20 s and about 60 s after its start.

What to trigger:
  mparticle_create_and_run_pipeline succeeds.
  mparticle_alert_on_failure fails, because the first run of pipeline {failing!r} fails. Its next run succeeds.

What to enter in a connection of your own, for example my_mparticle:
  Standard Fields: Client id {simulator.client_id}, Client secret {simulator.client_secret},
    API base URL {simulator.url}
  Extra Fields: Workspace id {simulator.workspace_id}
  {rare_section}: Token URL {simulator.token_url}
  A task uses it with mparticle_conn_id="my_mparticle".

Copy these lines into another terminal:
Test a connection:     {home} AIRFLOW__CORE__TEST_CONNECTION=Enabled {command} connections test mparticle_default
Check the workspace:   {home} {command} mparticle doctor --conn-id mparticle_default
What mParticle holds:  curl -s {simulator.url}/_simulator
End all runs now:      curl -s -X POST {simulator.url}/_simulator/runs/end
Fail all runs now:     curl -s -X POST {simulator.url}/_simulator/runs/end -d '{{"state": "failed"}}'
Fail orders next time: curl -s {simulator.url}/_simulator/pipelines/orders/script -d '{{"errors": ["Why it failed."]}}'

The test icon in the browser is red in Airflow 3.3.1 and 3.3.2 for every connection without a port: use the first line.
DAG files and logs:    {airflow.home}

Ctrl-C stops everything.
"""


def main() -> int:
    """Run Airflow until Ctrl-C or SIGTERM, then stop it and return 0."""
    parser = argparse.ArgumentParser(prog="python -m dev.ui", description=__doc__)
    parser.add_argument("--home", type=Path, default=HOME, help="folder for Airflow's files, emptied first")
    parser.add_argument("--run-seconds", type=float, default=15.0, metavar="S", help="how long a run takes")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    home = arguments.home.resolve()
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    print("Starting Airflow, which takes about half a minute ...", flush=True)
    try:
        _run(home, arguments.run_seconds)
    finally:
        print("Stopped.", flush=True)


def _run(home: Path, run_s: float) -> NoReturn:
    warehouse = home / "warehouse.db"
    with Simulator(run_s=run_s, warehouse_path=warehouse) as simulator:
        _fill(simulator)
        with example_airflow(home, simulator, AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION="True") as airflow:
            airflow.add_connection("warehouse", {"conn_type": "sqlite", "host": str(warehouse)})
            print(
                GUIDE.format(
                    airflow=airflow,
                    simulator=simulator,
                    home=f"AIRFLOW_HOME={shlex.quote(str(home))}",
                    command=shlex.quote(AIRFLOW),
                    run_s=run_s,
                    failing=FAILING,
                    rare_section=RARE_SECTION,
                ),
                flush=True,
            )
            while True:
                signal.pause()


def _fill(simulator: Simulator) -> None:
    """Add what the example DAGs need, and let one run fail."""
    for pipeline_id in PIPELINES:
        simulator.add_pipeline(pipeline_id)
    simulator.add_source("main.orders", ROWS)
    simulator.script_next_run(FAILING, errors=[REASON])


def _end(*_: object) -> None:
    """End at the first signal; a second one must not leave Airflow's processes behind."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    print("Stopping ...", flush=True)
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
