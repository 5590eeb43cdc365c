"""The meaning of the states of a run."""

from __future__ import annotations

import pytest

from airflow_provider_mparticle.client.run_states import RUN_STATES, Progress, progress_of


@pytest.mark.parametrize(
    ("state", "progress"),
    [
        ("success", Progress.SUCCEEDED),
        ("failed", Progress.FAILED),
        ("triggered", Progress.UNDER_WAY),
        ("queued", Progress.UNDER_WAY),
        ("running", Progress.UNDER_WAY),
        ("dataset_triggered", Progress.UNDER_WAY),
    ],
)
def test_each_documented_word_has_its_meaning(state: str, progress: Progress) -> None:
    """These are all states that mParticle documents."""
    assert progress is RUN_STATES[state]
    assert progress is progress_of(state, RUN_STATES)


@pytest.mark.parametrize("state", ["SUCCESS", "Success", " success\n"])
def test_case_and_blanks_do_not_matter(state: str) -> None:
    """v1 and v2 may write a state differently."""
    assert Progress.SUCCEEDED is progress_of(state, RUN_STATES)


@pytest.mark.parametrize("state", ["completed", "cancelled", "succes", "", None, 7, {"name": "success"}, ["failed"]])
def test_any_other_word_means_in_progress(state: object) -> None:
    """A state that mParticle adds later must neither fail a task nor let it succeed; the deadline ends the wait."""
    assert Progress.UNDER_WAY is progress_of(state, RUN_STATES)


def test_a_word_can_be_given_a_meaning() -> None:
    """The connection's ``run_states`` corrects an assumption without a release."""
    assert Progress.SUCCEEDED is progress_of("Completed", {**RUN_STATES, "completed": Progress.SUCCEEDED})
