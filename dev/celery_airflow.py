"""Runs an Airflow on CeleryExecutor, as on several machines: PostgreSQL, Redis, some workers and some triggerers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from dev.postgres import postgres
from dev.redis_server import redis_server
from dev.standalone import HEALTHY_WITHIN_S, StandaloneAirflow, standalone_airflow

# Airflow asks this function for the name of the machine. It returns $LOGNAME, which differs for each component, so
# that worker-1 and worker-2 look like two machines.
MACHINE_NAME = "getpass.getuser"


@contextmanager
def celery_airflow(
    folder: Path,
    dags: Path,
    *,
    workers: int,
    slots: int,
    triggerers: int,
    of_component: Mapping[str, Mapping[str, str]] | None = None,
    **environment: str,
) -> Iterator[StandaloneAirflow]:
    """
    Run an Airflow whose workers are named ``worker-1``, ... and its triggerers ``triggerer-1``, ...

    :param folder: Where all files are.
    :param slots: How many tasks a worker executes at once.
    :param of_component: More environment variables for single components, by their names. Default: none.
    :param environment: More environment variables.
    """
    with postgres(folder / "database") as database, redis_server(folder / "broker") as broker:
        settings = {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": MACHINE_NAME,
            "AIRFLOW__CORE__PARALLELISM": str(workers * slots),
            "AIRFLOW__CELERY__BROKER_URL": broker,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{database}",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
        }
        components: dict[str, Sequence[str]] = {
            **{name: (name,) for name in ("api-server", "scheduler", "dag-processor")},
            **{f"triggerer-{number}": ("triggerer", "--skip-serve-logs") for number in range(1, triggerers + 1)},
            **{f"worker-{number}": _worker(number, slots, folder) for number in range(1, workers + 1)},
        }
        options = {**settings, **environment}
        with standalone_airflow(folder / "airflow", dags, components, of_component=of_component, **options) as airflow:
            names = {name for name in components if name.startswith("triggerer-")}
            airflow.wait_until(lambda: set(airflow.machines("TriggererJob")) == names, HEALTHY_WITHIN_S, "triggerers")
            yield airflow


def _worker(number: int, slots: int, folder: Path) -> Sequence[str]:
    name = f"worker-{number}"
    options = ("--celery-hostname", name, "--concurrency", str(slots), "--pid", f"{folder}/{name}.pid")
    return ("celery", "worker", "--skip-serve-logs", *options)
