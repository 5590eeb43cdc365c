"""The gates on the counts of a run: which runs pass, in the sensor's three modes, too."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refused_gates import BAD_VALUES

from airflow_provider_mparticle.client.errors import ConfigError, DataGateError
from airflow_provider_mparticle.client.models import PipelineRun
from airflow_provider_mparticle.runs.quality_gates import ON_EMPTY, Gates, OnEmpty


def counted(succeeded: int | None, failed: int | None) -> dict[str, Any]:
    """What a task returns for a run with these counts."""
    run = PipelineRun("orders", 7, state="success", successful_records=succeeded, failed_records=failed)
    return run.as_dict()


# Which runs pass


@pytest.mark.parametrize(
    ("gates", "succeeded", "failed"),
    [
        pytest.param(Gates(), None, None, id="no gate, nothing known"),
        pytest.param(Gates(), 0, 5, id="no gate, all rejected"),
        pytest.param(Gates(min_records=10), 10, 0, id="exactly min_records"),
        pytest.param(Gates(min_records=10), 10, None, id="min_records, rejected unknown"),
        pytest.param(Gates(min_records=0), 0, 0, id="min_records of none"),
        pytest.param(Gates(max_failed_ratio=0.25), 3, 1, id="exactly max_failed_ratio"),
        pytest.param(Gates(max_failed_ratio=0.3), 7, 3, id="exactly a ratio that binary numbers cannot hold"),
        pytest.param(Gates(max_failed_ratio=0), 5, 0, id="none rejected where none may be"),
        pytest.param(Gates(max_failed_ratio=1), 0, 5, id="all rejected where all may be"),
        pytest.param(Gates(max_failed_ratio=0), 0, 0, id="a share of nothing"),
        pytest.param(Gates(on_empty="fail"), 1, 0, id="not empty: ingested"),
        pytest.param(Gates(on_empty="fail"), 0, 1, id="not empty: rejected"),
        pytest.param(Gates(on_empty="fail"), 1, None, id="not empty, rejected unknown"),
        pytest.param(Gates(on_empty="skip"), 1, None, id="nothing to skip, rejected unknown"),
        pytest.param(
            Gates(min_records=10, max_failed_ratio=0.5, on_empty="fail"), 10, 10, id="all gates at their boundary"
        ),
    ],
)
def test_a_run_with_these_counts_passes(gates: Gates, succeeded: int | None, failed: int | None) -> None:
    """A count that is equal to the limit passes."""
    gates.check(counted(succeeded, failed))


@pytest.mark.parametrize(
    ("gates", "succeeded", "failed", "said"),
    [
        pytest.param(Gates(min_records=10), 9, 0, "it ingested 9 records, fewer than min_records=10", id="too few"),
        pytest.param(Gates(min_records=1), 0, 0, "fewer than min_records=1", id="too few, and empty is not a failure"),
        pytest.param(Gates(min_records=1), 0, None, "fewer than min_records=1", id="too few, rejected unknown"),
        pytest.param(
            Gates(max_failed_ratio=0.25),
            2,
            1,
            r"rejected 1 of 3 records \(33.33%\), more than max_failed_ratio=0.25",
            id="too many rejected",
        ),
        pytest.param(Gates(max_failed_ratio=0), 999, 1, "1 of 1000", id="one rejected where none may be"),
        pytest.param(Gates(on_empty="fail"), 0, 0, "it read nothing, and on_empty='fail'", id="empty"),
        pytest.param(Gates(on_empty="fail"), 0, None, "it read nothing", id="empty, rejected unknown"),
        pytest.param(
            Gates(min_records=1, max_failed_ratio=0.5, on_empty="fail"),
            1,
            2,
            "max_failed_ratio=0.5",
            id="one gate of three",
        ),
    ],
)
def test_a_run_with_these_counts_does_not_pass(
    gates: Gates, succeeded: int | None, failed: int | None, said: str
) -> None:
    """A reader needs the count, and the argument with its limit."""
    with pytest.raises(DataGateError, match=said):
        gates.check(counted(succeeded, failed))


@pytest.mark.parametrize(
    ("gates", "succeeded", "failed", "gate"),
    [
        pytest.param(Gates(min_records=1), None, None, "min_records=1", id="min_records"),
        pytest.param(Gates(min_records=0), None, 0, "min_records=0", id="min_records of none"),
        pytest.param(Gates(max_failed_ratio=0.1), None, 1, "max_failed_ratio=0.1", id="ratio, ingested unknown"),
        pytest.param(Gates(max_failed_ratio=0.1), 5, None, "max_failed_ratio=0.1", id="ratio, rejected unknown"),
        pytest.param(Gates(max_failed_ratio=1), None, None, "max_failed_ratio=1", id="ratio that none exceeds"),
        pytest.param(Gates(on_empty="fail"), None, None, "on_empty='fail'", id="fail if empty"),
        pytest.param(Gates(on_empty="skip"), None, 0, "on_empty='skip'", id="skip if empty"),
    ],
)
def test_a_gate_on_an_unknown_count_says_that_it_is_unknown(
    gates: Gates, succeeded: int | None, failed: int | None, gate: str
) -> None:
    """Unknown counts must not pass, and the user must correct the Airflow connection, not the warehouse."""
    with pytest.raises(DataGateError, match="does not report how many records") as unknown:
        gates.check(counted(succeeded, failed))

    assert f"{gate} cannot be checked" in str(unknown.value)
    assert "run_fields" in str(unknown.value)


@pytest.mark.parametrize("gates", [Gates(min_records=10), Gates(max_failed_ratio=0.1)], ids=["shut", "unknown"])
def test_the_error_for_a_run_that_does_not_pass_has_all_its_facts(gates: Gates) -> None:
    """Callbacks and retry rules read the facts, not the message."""
    with pytest.raises(DataGateError, match=r"Run 7 of pipeline 'orders' succeeded, but") as error:
        gates.check(counted(3, None))

    assert ("orders", 7, "success", 3, None) == (
        error.value.pipeline_id,
        error.value.pipeline_run_id,
        error.value.state,
        error.value.successful_records,
        error.value.failed_records,
    )


@pytest.mark.parametrize(
    ("on_empty", "succeeded", "failed", "skipped"),
    [
        pytest.param("skip", 0, 0, True, id="empty"),
        pytest.param("skip", 0, None, True, id="empty, rejected unknown"),
        pytest.param("skip", 0, 1, False, id="all rejected"),
        pytest.param("skip", 1, 0, False, id="ingested"),
        pytest.param("skip", None, None, False, id="unknown"),
        pytest.param("success", 0, 0, False, id="empty is a success"),
        pytest.param("fail", 0, 0, False, id="empty is a failure"),
    ],
)
def test_only_a_run_that_read_nothing_is_skipped(
    on_empty: Any, succeeded: int | None, failed: int | None, skipped: bool
) -> None:
    """A run whose rows were all rejected did read something, and a user should check it."""
    assert skipped is Gates(on_empty=on_empty).skips(counted(succeeded, failed))


@given(
    least=st.none() | st.integers(0, 20),
    ratio=st.none() | st.floats(0, 1),
    on_empty=st.sampled_from(ON_EMPTY),
    succeeded=st.none() | st.integers(0, 20),
    failed=st.none() | st.integers(0, 20),
)
def test_a_run_passes_if_its_task_would_neither_fail_nor_be_skipped(
    least: int | None, ratio: float | None, on_empty: OnEmpty, succeeded: int | None, failed: int | None
) -> None:
    """Only such a run saves another one."""
    gates, run = Gates(min_records=least, max_failed_ratio=ratio, on_empty=on_empty), counted(succeeded, failed)
    try:
        gates.check(run)
        has_failed = False
    except DataGateError:
        has_failed = True

    assert gates.passes(run) is not (has_failed or gates.skips(run))


@pytest.mark.parametrize(
    ("gates", "accept_everything"),
    [
        (Gates(), True),
        (Gates(min_records=0), False),
        (Gates(max_failed_ratio=1.0), False),
        (Gates(on_empty="skip"), False),
    ],
)
def test_every_gate_is_checked(gates: Gates, accept_everything: bool) -> None:
    """Even a gate that every known count passes needs known counts."""
    assert accept_everything is gates.accept_everything


@pytest.mark.parametrize(("name", "value"), BAD_VALUES)
def test_an_invalid_gate_is_refused_by_name(name: str, value: object) -> None:
    """5 instead of five per cent would let every run pass, and a text would fail only after the run has ended."""
    with pytest.raises(ConfigError, match=f"^{name} must be .*, not {value!r}"):
        Gates(**{name: value})
