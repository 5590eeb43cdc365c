"""Airflow retries a task only after an error that a retry may cure."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException

from airflow_provider_mparticle.client import errors
from airflow_provider_mparticle.runs.quality_gates import Gates
from airflow_provider_mparticle.tasks.failures import NON_RETRYABLE, fail_without_retry, pass_gates

RUN = {"pipeline_id": "orders", "pipeline_run_id": 7, "state": "success", "successful_records": 0, "failed_records": 0}


@pytest.mark.parametrize("kind", NON_RETRYABLE)
def test_an_error_that_a_retry_cannot_cure_fails_the_task_at_once(kind: type[errors.MParticleError]) -> None:
    """The message names the class, and the log shows the reason once."""
    with pytest.raises(AirflowFailException, match=f"^{kind.__name__}: Correct it.$") as failed, fail_without_retry():
        raise kind("Correct it.")

    assert failed.value.__suppress_context__
    assert isinstance(failed.value.__context__, kind)


@pytest.mark.parametrize("kind", [errors.NoAnswerError, errors.ServerError, errors.RunFailedError, KeyError])
def test_any_other_error_is_left_to_airflow(kind: type[Exception]) -> None:
    """It may be gone at the next try."""
    with pytest.raises(kind), fail_without_retry():
        raise kind("Try again.")


def test_a_run_that_read_nothing_skips_the_task_if_the_dag_says_so() -> None:
    """The tasks after it have nothing to do."""
    with pytest.raises(AirflowSkipException, match="Run 7 of pipeline 'orders' read nothing"):
        pass_gates(Gates(on_empty="skip"), RUN)

    pass_gates(Gates(), RUN)


def test_a_run_that_does_not_pass_the_gates_is_an_error() -> None:
    """So that the task fails."""
    with pytest.raises(errors.DataGateError):
        pass_gates(Gates(min_records=1), RUN)
