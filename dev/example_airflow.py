"""Runs a complete Airflow with example DAGs and a stored connection to a simulated mParticle."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_mparticle.simulator import Simulator
from dev.standalone import StandaloneAirflow, standalone_airflow

EXAMPLES = Path(__file__).parents[1] / "example_dags"
# A DAG file that is copied into the folder is there after seconds, by default after five minutes.
NEW_FILES_NOTICED_SOON = {"AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10"}


@contextmanager
def example_airflow(
    home: Path, simulator: Simulator, pattern: str = "*.*", **environment: str
) -> Iterator[StandaloneAirflow]:
    """
    Run an Airflow until the end of the block. It has parsed its DAGs when the block begins.

    :param home: New folder for its files.
    :param simulator: The mParticle that the connection ``mparticle_default`` leads to.
    :param pattern: Which files of ``example_dags`` it has. Default: all.
    :param environment: More environment variables.
    """
    dags = home / "dags"
    dags.mkdir(parents=True)
    for path in EXAMPLES.glob(pattern):
        shutil.copy(path, dags)
    with standalone_airflow(home, dags, **NEW_FILES_NOTICED_SOON, **environment) as airflow:
        airflow.add_connection("mparticle_default", simulator.airflow_connection())
        for path in dags.glob("*.py"):
            airflow.wait_for_dag(f"mparticle_{path.stem}")
        yield airflow
