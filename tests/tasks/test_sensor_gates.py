"""The sensor holds the counts of a run against the gates, in each of its modes."""

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
        """Gates only look."""
        run = simulator.add_run("orders", "running", ends_in_s=0.2, successful_records=90, failed_records=10)

        result = sense(
            pipeline_run_id=run["pipeline_run_id"], min_records=90, max_failed_ratio=0.1, on_empty="fail", **mode
        )

        assert (90, 10) == (result["successful_records"], result["failed_records"])

    def test_a_run_that_does_not_pass_fails_it_for_good(self, simulator: Simulator, mode: dict[str, Any]) -> None:
        """The run counts the same however often a retry looks."""
        run = simulator.add_run("orders", "running", ends_in_s=0.2, successful_records=9)

        with pytest.raises(AirflowFailException, match="fewer than min_records=10") as failed:
            sense(pipeline_run_id=run["pipeline_run_id"], min_records=10, **mode)

        assert isinstance(failed.value.__cause__, DataGateError)

    def test_a_run_that_does_not_pass_skips_it_if_so_wished(self, simulator: Simulator, mode: dict[str, Any]) -> None:
        """``soft_fail`` asks for this on any failure."""
        run = simulator.add_run("orders", "running", ends_in_s=0.2, successful_records=9)

        with pytest.raises(AirflowSkipException):
            sense(pipeline_run_id=run["pipeline_run_id"], min_records=10, soft_fail=True, **mode)

        assert 1 <= simulator.count("GET", "/runs/")

    def test_an_empty_run_skips_it_if_so_wished(self, simulator: Simulator, mode: dict[str, Any]) -> None:
        """There is nothing for the tasks that follow; being empty goes before being too few."""
        run = simulator.add_run("orders", "running", ends_in_s=0.2, successful_records=0)

        with pytest.raises(AirflowSkipException, match="read nothing, and on_empty='skip'"):
            sense(pipeline_run_id=run["pipeline_run_id"], on_empty="skip", min_records=10, **mode)

        assert 1 <= simulator.count("GET", "/runs/")

    def test_a_covering_run_has_to_pass_as_well(self, simulator: Simulator, mode: dict[str, Any]) -> None:
        """Whoever waits for a schedule of mParticle's asks the same of its run."""
        simulator.add_run("orders", "success", "scheduled", range_end="2026-03-02", successful_records=0)

        with pytest.raises(AirflowFailException, match="it read nothing, and on_empty='fail'"):
            sense(covers="2026-03-01", on_empty="fail", **mode)

        assert 1 == simulator.count("GET", "/status")

    @pytest.mark.parametrize(("name", "value"), [("min_records", "10"), ("max_failed_ratio", 5), ("on_empty", None)])
    def test_a_gate_that_is_none_is_refused_before_anything_is_sent(
        self, simulator: Simulator, mode: dict[str, Any], name: str, value: object
    ) -> None:
        """A wait of hours that ends in a wrong argument is hours too late."""
        with pytest.raises(AirflowFailException, match=f"{name} must be") as refused:
            sense(**{name: value}, **mode)

        assert isinstance(refused.value.__context__, ConfigError)
        assert [] == simulator.requests


def test_a_sensor_without_gates_accepts_unknown_counts(start_simulator: Any) -> None:
    """Most users only want to know that the run has ended; v1 tells of no rejected records."""
    simulator = start_simulator(layout="v1")
    simulator.add_pipeline("orders")
    simulator.add_run("orders", "success")

    result = MParticlePipelineRunSensor(task_id="sense", pipeline_id="orders").resume_execution("execute", {}, {})

    assert (1000, None) == (result["successful_records"], result["failed_records"])
