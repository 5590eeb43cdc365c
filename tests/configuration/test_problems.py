"""Place and text of a problem are a sentence, also in a document."""

from __future__ import annotations

import pytest

from airflow_provider_mparticle.configuration.problems import Problem


@pytest.mark.parametrize("is_warning", [False, True])
def test_a_problem_keeps_what_it_says_when_its_place_grows(is_warning: bool) -> None:
    """The problem of a resource becomes a problem of a document."""
    problem = Problem("sync_mode.from", "is missing", is_warning).inside("pipelines[2]")

    assert "pipelines[2].sync_mode.from is missing" == str(problem)
    assert is_warning is problem.is_warning
