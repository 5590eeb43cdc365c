"""The errors of a start name the pipeline and the other run, and carry what mParticle said."""

from __future__ import annotations

import pytest

from airflow_provider_mparticle.client.errors import NoAnswerError, PipelineBusyError, ServerError
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.runs.start_errors import ambiguous_error, busy_error


@pytest.mark.parametrize(("run_id", "said"), [(13325, "run 13325"), (None, "a run that it does not name")])
def test_a_busy_pipeline_names_the_other_run_if_it_is_known(run_id: int | None, said: str) -> None:
    """A user can wait for that run, or pass another *if_running*."""
    refusal = PipelineBusyError("Busy.", status=400, reasons=("A run is already in progress.",))

    error = busy_error("orders", refusal, None if run_id is None else PipelineRun("orders", run_id))

    assert f"Pipeline 'orders' already has {said} in progress" in str(error)
    assert (400, ("A run is already in progress.",), "orders", run_id) == (
        error.status,
        error.reasons,
        error.pipeline_id,
        error.pipeline_run_id,
    )


def test_a_busy_pipeline_needs_no_request() -> None:
    """The list of runs may show the other run before a request is sent."""
    error = busy_error("orders", None, PipelineRun("orders", 7))

    assert (None, ()) == (error.status, error.reasons)


def test_a_busy_pipeline_says_how_to_correct_an_unknown_state() -> None:
    """The other run may have been cancelled, and then it is in the way of every start."""
    unknown = PipelineRun("orders", 7, state="cancelled", is_state_known=False)

    assert "Its state 'cancelled' is unknown" in str(busy_error("orders", None, unknown))
    assert "'run_states'" in str(busy_error("orders", None, unknown))
    assert "is unknown" not in str(busy_error("orders", None, PipelineRun("orders", 7, state="running")))


def test_an_ambiguous_start_carries_what_mparticle_said() -> None:
    """Callbacks and retry rules read the facts, not the message."""
    lost = ServerError("It is away.", status=503, reasons=("Down for maintenance.",))

    ambiguous, unanswered = ambiguous_error("orders", lost), ambiguous_error("orders", None)

    assert (503, ("Down for maintenance.",)) == (ambiguous.status, ambiguous.reasons)
    assert (None, ()) == (unanswered.status, unanswered.reasons)


@pytest.mark.parametrize(
    ("error", "run", "said", "run_id"),
    [
        (NoAnswerError("It took longer than 60 s."), None, "It took longer than 60 s.", None),
        (None, PipelineRun("orders", 7), "run 7 may be the one that this task started, or another", 7),
        (None, PipelineRun("orders"), "mParticle shows a run, but no id of it. If the id has another name here,", None),
        (NoAnswerError("It is lost."), PipelineRun("orders"), "mParticle shows a run, but no id of it.", None),
        (None, None, "mParticle does not show which run it started", None),
    ],
)
def test_an_ambiguous_start_says_why(
    error: NoAnswerError | None, run: PipelineRun | None, said: str, run_id: int | None
) -> None:
    """A user must see whether to look for a run, and which."""
    ambiguous = ambiguous_error("orders", error, run)

    assert f"it is not known whether a run began: {said}" in str(ambiguous)
    assert ("orders", run_id, True) == (ambiguous.pipeline_id, ambiguous.pipeline_run_id, ambiguous.may_have_executed)
