"""What the README says of versions is what has run."""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from dev import versions

README = versions.README.read_text()
RESULTS = versions.read()
AIRFLOW = version("apache-airflow")


def test_the_readme_shows_what_has_run() -> None:
    """Nobody edits the tables: ``make versions`` writes them."""
    assert README == versions.with_tables(README, RESULTS)
    assert all(f"| {result.airflow} | {result.python} |" in README for result in RESULTS)


def test_every_pair_of_versions_was_tried() -> None:
    """What cannot be had is said to have not run."""
    assert [*versions.PAIRS] == [result.key for result in RESULTS]
    assert all(result.not_run or result.passed for result in RESULTS)


def test_nothing_failed_but_on_an_airflow_that_is_not_released() -> None:
    """A version that fails is not supported."""
    assert [] == [result.key for result in RESULTS if result.failed and not result.is_prerelease]


@pytest.mark.interpreter
@pytest.mark.parametrize("result", [one for one in RESULTS if one.airflow == AIRFLOW][:1], ids=lambda one: one.airflow)
def test_what_this_airflow_has_is_what_was_found_then(result: versions.Result) -> None:
    """The table of what takes which version comes from these probes."""
    assert result.features == versions.features_of(Path(sys.executable))


def test_a_feature_has_the_version_from_which_on_none_lacks_it() -> None:
    """A version between two that have it may lack it."""
    what = "slices of DAG runs with a partition date"
    found = [
        versions.Result(airflow, "3.11.7", features=dict.fromkeys(versions.FEATURES, airflow in having))
        for having in [("3.0.6", "3.2.2", "3.10.0")]
        for airflow in ("2.11.2", "3.0.6", "3.1.8", "3.2.2", "3.10.0")
    ]

    assert "3.2" == versions._since(what, found)
