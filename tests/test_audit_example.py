"""The example that syncs each day and audits: it finds failed pipelines, runs of others, and drift."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.simulator import Simulator
from dev import ui

EXAMPLE = Path(__file__).parents[1] / "example_dags" / "daily_sync_with_audit.py"
PIPELINES = ("accounts", "visits", "surveys")


@pytest.fixture
def workspace(start_simulator: Callable[..., Simulator]) -> Simulator:
    """A simulator with the pipelines of the example, whose runs end at once."""
    simulator = start_simulator(run_s=0.0)
    for pipeline_id in PIPELINES:
        simulator.add_pipeline(pipeline_id)
    return simulator


@pytest.fixture
def daily(run_dag: Callable[[Any], Any]) -> Callable[[], dict[str, Any]]:
    """Run the example, each task once. Returns the state of the DAG run and of the tasks."""

    def run() -> dict[str, Any]:
        dag = runpy.run_path(str(EXAMPLE))["dag"]
        dag.get_task("mparticle_sync.sync").partial_kwargs["retries"] = 0
        dag_run = run_dag(dag)
        alone = {one.task_id: str(one.state) for one in dag_run.get_task_instances() if one.map_index < 0}
        return {"run": str(dag_run.state), **alone}

    return run


def test_a_good_day_is_green(workspace: Simulator, daily: Callable[[], dict[str, Any]]) -> None:
    """Each pipeline has one run, and the workspace has what the document says."""
    assert {"run": "success", "audit": "success", "plan": "success", "find_drift": "success"} == daily()
    assert dict.fromkeys(PIPELINES, 1) == {one: workspace.starts(one) for one in PIPELINES}
    assert {*PIPELINES} <= {*ui.PIPELINES}


@pytest.mark.parametrize("failing", [PIPELINES[1:2], PIPELINES[1:], PIPELINES], ids=["one", "two", "all"])
def test_the_audit_names_the_pipelines_that_failed(
    workspace: Simulator,
    daily: Callable[[], dict[str, Any]],
    failing: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A task that runs in any case would turn the DAG run green, if it did not fail itself."""
    for pipeline_id in failing:
        workspace.script_next_run(pipeline_id, errors=["The warehouse is closed."])

    states = daily()

    assert ("failed", "failed", "success") == (states["run"], states["audit"], states["find_drift"])
    assert f"Without a successful run of this DAG run: {', '.join(failing)}." in capsys.readouterr().out


def test_the_audit_lists_runs_of_others(
    workspace: Simulator, daily: Callable[[], dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Another client has started a run of the same pipeline."""
    other = MParticleHook().trigger_pipeline("visits")

    assert "success" == daily()["audit"]

    said = capsys.readouterr().out.partition("not the result of a task: ")[2].splitlines()[0]
    assert 1 == said.count("'pipeline_run_id'")
    assert f"'pipeline_run_id': {other}," in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda hook: hook.update_pipeline("visits", {"state": "paused"}), "update pipeline visits (last: simulator@"),
        (lambda hook: hook.delete_pipeline("visits"), "create pipeline visits (last: None)"),
    ],
    ids=["changed", "deleted"],
)
def test_drift_fails_a_task_and_names_who_changed_it(
    workspace: Simulator,
    daily: Callable[[], dict[str, Any]],
    change: Callable[[MParticleHook], Any],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The dry run itself stays green, and changes nothing."""
    change(MParticleHook())

    states = daily()

    assert ("success", "failed") == (states["plan"], states["find_drift"])
    assert said in capsys.readouterr().out
