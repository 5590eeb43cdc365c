"""Draws the worst stall and the number of requests of every provider, on logarithmic scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import peers, waiters
from benchmarks.figures import figure

SHADES = ("#1f4e79", "#6fa8dc", "#cfe2f3")


def draw(measured: Mapping[str, Any], path: Path) -> None:
    """Draw the results into an SVG file."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "benchmarks"  # the same figures make the same file
    from matplotlib import pyplot

    names = [*measured["stalls"]]
    sheet, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    series = {"quick lookups": measured["stalls"], "lookups of 200 ms": measured["stalls_slow_lookups"]}
    stalls = {label: [figure(of[name], "stall_s", 1e3).median for name in names] for label, of in series.items()}
    _bars(left, names, stalls, "worst stall of the event loop, ms\n20 triggers, an API that takes 300 ms")
    of = measured["waiters"]
    requests = {
        f"{number} waiting": [figure([of[name][number]], "requests").median for name in names]
        for number in waiters.WAITERS
    }
    _bars(right, names, requests, "requests while triggers wait for one run")
    sheet.savefig(path, metadata={"Date": None})


def _bars(axes: Any, names: Sequence[str], series: Mapping[str, Sequence[float]], title: str) -> None:
    """Draw a group of bars for each provider, with ours on top. A failed measurement has no bar."""
    height = 0.8 / len(series)
    for index, (label, values) in enumerate(series.items()):
        places = [place + index * height for place in range(len(names))]
        bars = axes.barh(places, values, height, label=label, color=SHADES[index])
        axes.bar_label(bars, fmt="{:,.0f}", padding=2, fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.15)
    axes.set_xlim(left=1)
    axes.set_yticks([place + 0.4 - height / 2 for place in range(len(names))], [peers.load(n).title for n in names])
    axes.invert_yaxis()
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=len(series), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
