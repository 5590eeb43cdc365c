"""The records of a mapped task on a real Airflow: in its task state store (3.3 and later), or in variables before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from airflow.providers.common.compat.sdk import DAG
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.operators import MParticleTriggerPipelineOperator
from airflow_provider_mparticle.simulator import Simulator


class Mortal(MParticleTriggerPipelineOperator):
    """Its worker dies in the first try of some instances, when the run's id is recorded and not yet an XCom."""

    dying: ClassVar[list[bool]] = []
    has_state_store: ClassVar[bool] = True
    results: ClassVar[dict[int, Any]] = {}

    def execute(self, context: Any) -> Any:
        """Do as a trigger operator does, until the worker dies."""
        ti = context["ti"]
        if not self.has_state_store:
            context = {name: value for name, value in context.items() if name != "task_state_store"}
        if self.dying[ti.map_index] and ti.try_number == 1:
            object.__setattr__(ti, "xcom_push", _die)
        self.results[ti.map_index] = result = super().execute(context)
        return result


def _die(*_: Any, **__: Any) -> None:
    raise RuntimeError("The worker is gone.")


@pytest.fixture
def simulator(start_simulator: Callable[..., Simulator]) -> Simulator:
    """A simulator whose runs take no time, so that the instances need not wait for each other."""
    simulator = start_simulator(run_s=0.0)
    simulator.add_pipeline("orders")
    return simulator


@settings(max_examples=1, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dying=st.lists(st.booleans(), min_size=2, max_size=4), has_state_store=st.booleans())
@example(dying=[True, False, True], has_state_store=True)
@example(dying=[True, True], has_state_store=False)
def test_a_retry_reads_the_record_of_its_own_map_index(
    run_dag: Callable[[Any], Any], simulator: Simulator, dying: list[bool], has_state_store: bool
) -> None:
    """They sync the same pipeline, so the record of another instance would lead to its run."""
    Mortal.dying, Mortal.results, Mortal.has_state_store = dying, {}, has_state_store
    before = simulator.starts("orders")
    with DAG("mapped_records", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        Mortal.partial(
            task_id="sync", pipeline_id="orders", poll_interval=0.05, retries=1, retry_delay=timedelta(0)
        ).expand(min_records=[0] * len(dying))

    dag_run = run_dag(dag)

    assert "success" == dag_run.state
    assert {*range(len(dying))} == {*Mortal.results}
    assert len(dying) == len({result["pipeline_run_id"] for result in Mortal.results.values()})
    assert len(dying) == simulator.starts("orders") - before
