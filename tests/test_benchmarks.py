"""The benchmarks measure correctly, and the report contains the measured values. No test measures real time."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from benchmarks import peers, polling, report, waiters
from benchmarks.figures import Figure, Target, figure
from benchmarks.runs import Habits, Runs
from benchmarks.stall_meter import StallMeter


async def blocked_for(seconds: float) -> StallMeter:
    """Return a meter that has observed a blocked loop."""
    async with StallMeter() as meter:
        time.sleep(seconds)  # noqa: ASYNC251 - what is to be seen
    return meter


def test_the_meter_sees_a_blocked_loop() -> None:
    """The comparison is about triggers that block the event loop."""
    meter = asyncio.run(blocked_for(0.2))

    assert 0.2 <= meter.worst_s() + 0.002
    assert 0.0 == meter.worst_s(since=time.monotonic())


def test_a_run_ends_after_so_many_polls_or_seconds() -> None:
    """Every provider gets the same run."""
    counted, timed = Runs(Habits(polls=2)), Runs(Habits(run_s=0.0))

    assert [False, False, True] == [counted.poll("a") for _ in range(3)]
    assert timed.poll("a")


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (Figure((24.0, 25.0, 99.0)), "met"),
        (Figure((25.1,)), "**missed**"),
        (Figure((1.0,), "3 of 20 triggers: still waiting"), "**missed**"),
        (Figure(error="ended with 1"), "**not measured**"),
    ],
)
def test_a_verdict_follows_from_the_median(measured: Figure, verdict: str) -> None:
    """Verdicts are computed, and a failed measurement never counts as met."""
    target = Target("worst stall", 25, "ms", measured)

    assert ("worst stall", "<= 25 ms", verdict) == (target.row[0], target.row[1], target.row[3])


def test_a_figure_shows_median_spread_and_failure() -> None:
    """The report shows the error of a provider that fails."""
    repetitions = [{"stall_s": 0.3}, {"stall_s": 0.1}, {"stall_s": 0.2}, {"error": "it broke"}]

    assert "200 (100 to 300), fails: it broke" == str(figure(repetitions, "stall_s", 1000))
    assert "fails: it broke" == str(figure(repetitions[3:], "stall_s", 1000))
    assert "4x" == Figure((8.0,)).over(Figure((2.0,)))


def test_the_report_is_written_from_what_was_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The report shows which targets we meet, and the failure of a peer."""
    monkeypatch.setattr(report, "RESULTS", tmp_path / "RESULTS.md")
    measured = results_of(stall_s=0.02, import_s=0.007)

    report.write(measured)

    written = report.RESULTS.read_text()
    assert "| import of operators and sensors | <= 5 ms | 7 ms | **missed** |" in written
    assert "| import of one operator and the sensor, beside a bare operator | <= 3 x | 2 x | met |" in written
    assert "| worst stall, 20 triggers | <= 25 ms | 20 ms | met |" in written
    assert "| census | fails: it broke |" in written
    assert "at which polls every 30 s do as well or better | <= 0 | 1 | **missed** |" in written


def results_of(stall_s: float, import_s: float) -> dict[str, Any]:
    """Return the results of all scenarios if all values are equal and one peer failed."""
    figures: dict[str, Any] = {"stall_s": stall_s, "stall_after_import_s": stall_s, "took_s": 1.0, "unfinished": 0}
    figures |= {"import_s": import_s, "modules": 9, "heavy": []}
    figures |= {"requests": 8, "tokens": 1, "lookups": 1, "tcp_connections": 1, "by_kind": {"log in": 1}}
    figures |= {"cpu_s": 0.0002, "bare_cpu_s": 0.0001, "bytes_per_run": 4096}
    by_provider = {peers.OURS: [figures], "census": [{"error": "it broke"}]}
    measured: dict[str, Any] = {"machine": {}, "versions": {}, "left_out": {}, "idle_stall": "1"}
    measured |= dict.fromkeys(("imports", "stalls", "stalls_slow_lookups", "cpu", "memory"), by_provider)
    measured |= {"thousand": [figures], "one_task": figures}
    measured["dag_file"] = [{"import_s": 0.001, "bare_s": 0.0005, "ratio": 2.0}]
    measured["documents"] = {"plan": {"reads": 4, "writes": 0, "took_s": 1.5, "peak_mb": 75.0}}
    measured["polling"] = [polling_row(lateness_s=14.0, requests=90.0), polling_row(lateness_s=14.0, requests=101.0)]
    measured["waiters"] = {name: dict.fromkeys(waiters.WAITERS, of[0]) for name, of in by_provider.items()}
    return measured


def polling_row(lateness_s: float, requests: float) -> dict[str, Any]:
    """Return what was simulated of runs of an hour, beside clocks that are 15 s late and ask 100 times."""
    row: dict[str, Any] = {"scenario": polling.SCENARIOS[0].title, "run_length_s": 3600.0}
    row |= {"lateness_s": lateness_s, "lateness_error_s": 0.1, "requests": requests}
    for clock_s in polling.CLOCKS_S:
        row |= {f"lateness_{clock_s:.0f}": 15.0, f"error_{clock_s:.0f}": 0.1, f"requests_{clock_s:.0f}": 100.0}
    return row


@pytest.mark.parametrize(
    ("lateness_s", "requests", "better"),
    [
        pytest.param(10.0, 90.0, True, id="both lower"),
        pytest.param(15.1, 90.0, True, id="equally late, fewer requests"),
        pytest.param(10.0, 100.0, True, id="as many requests, sooner"),
        pytest.param(15.0, 100.0, False, id="equal"),
        pytest.param(10.0, 100.5, False, id="more requests"),
        pytest.param(15.5, 50.0, False, id="later"),
    ],
)
def test_waiting_is_better_if_nothing_is_worse_and_something_is_better(
    lateness_s: float, requests: float, better: bool
) -> None:
    """To see the end sooner with more requests is not better."""
    assert better is polling.is_better(polling_row(lateness_s, requests))


def test_a_clock_on_its_beat_sees_the_end_at_once() -> None:
    """A fixed interval can be optimal by chance."""
    assert (0.0, 4) == polling.clocked(30.0, 120.0)
    assert (29.0, 5) == polling.clocked(30.0, 121.0)
