"""Every example DAG works on a real Airflow with the simulator, in any order."""

from __future__ import annotations

import random
import runpy
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_mparticle.simulator import Simulator
from dev import ui

FOLDER = Path(__file__).parents[1] / "example_dags"
# Airflow 2 has no events that start DAGs.
NEED_AIRFLOW_3 = ("start_by_scheduled_runs",) if find_spec("airflow.sdk") is None else ()
ALL = sorted(path for path in FOLDER.glob("*.py") if path.stem not in NEED_AIRFLOW_3)
# Examples that have a test of their own, since they need a warehouse, a triggerer, or many pipelines.
ELSEWHERE = (
    *("alert_on_failure", "daily_sync_with_audit", "historical_backfill_then_incremental"),
    *("start_by_scheduled_runs", "sync_many_pipelines"),
)
EXAMPLES = [path for path in ALL if path.stem not in ELSEWHERE]


def example(path: Path) -> Any:
    """The DAG of an example."""
    return runpy.run_path(str(path))["dag"]


def ids_in(dag: Any, *names: str) -> Iterator[str]:
    """The ids under these names that the tasks of a DAG declare, mapped ones included."""
    for task in dag.tasks:
        for name in names:
            declared = getattr(task, name, None) or getattr(task, "partial_kwargs", {}).get(name)
            if isinstance(declared, str):
                yield declared


def test_every_example_has_pipelines_of_its_own() -> None:
    """Two examples with one pipeline would see each other's runs, or read each other's slices."""
    used = Counter(pipeline for path in ALL for pipeline in {*ids_in(example(path), "pipeline_id")})

    assert {} == {pipeline: count for pipeline, count in used.items() if count > 1}
    assert len(used) >= len(EXAMPLES) - 1


def test_a_data_model_that_is_sliced_is_read_by_no_other_example() -> None:
    """After a backfill it has the SQL of the last slice, so another pipeline would silently read only those rows."""
    models = {path.stem: {*ids_in(example(path), "data_model_id")} for path in ALL}

    for sliced in ("backfill_history", "historical_backfill_then_incremental"):
        others = set().union(*(ids for name, ids in models.items() if name != sliced))
        assert set() == models[sliced] & others


def test_an_airflow_to_look_at_has_the_pipelines_of_all_examples() -> None:
    """With ``make ui``, every example finds its pipeline."""
    named = {pipeline for path in ALL for pipeline in ids_in(example(path), "pipeline_id")}
    created = {"daily-orders", "orders-on-demand", "orders-incremental"}

    assert named - created <= {*ui.PIPELINES}


@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_example_explains_itself_in_the_ui(path: Path) -> None:
    """Airflow's UI shows the text in the file and the description, which the documentation lists."""
    dag = example(path)

    assert dag.doc_md
    assert dag.dag_id == f"mparticle_{path.stem}"
    page = (FOLDER.parent / "docs/reference/examples.md").read_text()
    assert f"| [`{dag.dag_id}`](../../example_dags/{path.name}) | {dag.description} |" in page


def add_pipelines(simulator: Simulator, dag: Any) -> None:
    """Add the pipelines that a DAG expects, and the resources that other resources refer to."""
    created = {
        "mparticle_apply_configuration": {"daily-orders"},
        "mparticle_create_and_run_pipeline": {"orders-on-demand"},
    }
    for pipeline_id in {*ids_in(dag, "pipeline_id")} - created.get(dag.dag_id, set()):
        models = [*ids_in(dag, "data_model_id")]
        simulator.add_pipeline(pipeline_id, **({"data_model_id": models[0]} if models else {}))


@pytest.mark.parametrize(
    ("seed", "run_s"),
    [
        pytest.param(1, 0.0, id="runs end at once"),
        # The examples have the poll interval of real life.
        pytest.param(2, 0.5, id="tasks defer", marks=pytest.mark.slow),
    ],
)
def test_the_examples_pass_together_in_any_order(
    seed: int, run_s: float, run_dag: Callable[[Any], Any], start_simulator: Callable[..., Simulator]
) -> None:
    """Users try all examples in one Airflow with one workspace. Each example starts exactly one run."""
    simulator = start_simulator(run_s=run_s)
    dags = [example(path) for path in EXAMPLES]
    random.Random(seed).shuffle(dags)  # noqa: S311 - not for secrets
    for dag in dags:
        add_pipelines(simulator, dag)

    states = {dag.dag_id: run_dag(dag).state for dag in dags}

    assert dict.fromkeys(states, "success") == states
    ids = {pipeline_id for dag in dags for pipeline_id in ids_in(dag, "pipeline_id")}
    assert dict.fromkeys(ids, 1) == {pipeline_id: simulator.starts(pipeline_id) for pipeline_id in ids}
    assert {1000} == {simulator.runs(pipeline_id)[-1]["successful_records"] for pipeline_id in ids}
