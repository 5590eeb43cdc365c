"""The sensor checks the counts of a run with its gates, in every mode."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException
from sensor_run import sense

from airflow_provider_mparticle.client.errors import ConfigError, DataGateError
from airflow_provider_mparticle.sensors import MParticlePipelineRunSensor
from airflow_provider_mparticle.simulator import Simulator

MODES: list[dict[str, Any]] = [{"deferrable": False}, {"deferrable": True}, {"mode": "reschedule", "deferrable": False}]


@pytest.mark.parametrize("mode", MODES, ids=["worker", "triggerer", "reschedule"])
class TestSensor:
    """In each of its modes."""

    def test_a_run_that_passes_ends_it_well(self, simulator: Simulator, mode: dict[str, Any]) -> None:
        """Gates change nothing."""
        run = simulator.add_run("orders", "running", ends_in_s=0.2, successful_records=90, failed_records=10)

        result = sense(
            pipeline_run_id=run["pipeline_run_id"], min_records=90, max_failed_ratio=0.1, on_empty="fail", **mode
        )

        assert (90, 10) == (result["successful_records"], result["failed_records"])

    def test_a_run_that_does_not_pass_fails_it_for_good(self, simulator: Simulator, mode: dict[str, Any]) -> None:
        """The counts of the run do not change with a retry."""
        run = simulator.add_run("orders", "running", ends_in_s=0.2, successful_records=9)

        with pytest.raises(AirflowFailException, match="fewer than min_records=10") as failed:
            sense(pipeline_run_id=run["pipeline_run_id"], min_records=10, **mode)

        assert isinstance(failed.value.__context__, DataGateError)

    def test_a_run_that_does_not_pass_skips_it_if_requested(self, simulator: Simulator, mode: dict[str, Any]) -> None:
        """``soft_fail`` applies to every failure."""
        run = simulator.add_run("orders", "running", ends_in_s=0.2, successful_records=9)

        with pytest.raises(AirflowSkipException):
            sense(pipeline_run_id=run["pipeline_run_id"], min_records=10, soft_fail=True, **mode)

        assert 1 <= simulator.count("GET", "/runs/")

    def test_an_empty_run_skips_it_if_requested(self, simulator: Simulator, mode: dict[str, Any]) -> None:
        """The next tasks have nothing to do. on_empty has precedence over min_records."""
        run = simulator.add_run("orders", "running", ends_in_s=0.2, successful_records=0)

        with pytest.raises(AirflowSkipException, match="read nothing, and on_empty='skip'"):
            sense(pipeline_run_id=run["pipeline_run_id"], on_empty="skip", min_records=10, **mode)

        assert 1 <= simulator.count("GET", "/runs/")

    def test_a_covering_run_has_to_pass_as_well(self, simulator: Simulator, mode: dict[str, Any]) -> None:
        """The gates apply to runs that mParticle scheduled, too."""
        simulator.add_run("orders", "success", "scheduled", range_end="2026-03-02", successful_records=0)

        with pytest.raises(AirflowFailException, match="it read nothing, and on_empty='fail'"):
            sense(covers="2026-03-01", on_empty="fail", **mode)

        assert 1 == simulator.count("GET", "/status")

    @pytest.mark.parametrize(("name", "value"), [("min_records", "10"), ("max_failed_ratio", 5), ("on_empty", None)])
    def test_an_invalid_gate_is_refused_before_anything_is_sent(
        self, simulator: Simulator, mode: dict[str, Any], name: str, value: object
    ) -> None:
        """Otherwise the task would fail after a wait of hours."""
        with pytest.raises((AirflowFailException, ConfigError), match=f"{name} must be") as refused:
            sense(**{name: value}, **mode)

        assert ConfigError in {type(refused.value), type(refused.value.__context__)}
        assert [] == simulator.requests


def test_a_sensor_without_gates_accepts_unknown_counts(start_simulator: Any) -> None:
    """Most users only wait for the end of the run, and v1 does not report rejected records."""
    simulator = start_simulator(layout="v1")
    simulator.add_pipeline("orders")
    simulator.add_run("orders", "success")

    result = MParticlePipelineRunSensor(task_id="sense", pipeline_id="orders").resume_execution("execute", {}, {})

    assert (1000, None) == (result["successful_records"], result["failed_records"])
