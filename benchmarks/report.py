"""Writes ``RESULTS.md`` from the measurements of one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import cpu, documents, imports, memory, one_task, peers, polling, stalls, thousand, waiters
from benchmarks.figures import Figure, Repetition, Target, figure, table

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
PICTURE = "stalls-and-requests.svg"

# What ``python -m benchmarks`` measured: by scenario, then by provider, then by repetition.
Measured = Mapping[str, Any]

MS, KB, US = 1e3, 1 / 1024, 1e6


def write(measured: Measured) -> None:
    """Write the report."""
    RESULTS.write_text("\n\n".join(_parts(measured)) + "\n")


def targets(measured: Measured) -> list[Target]:
    """Return every target with what was measured."""
    importing, thousand_runs, processor = _ours(measured, "imports"), measured["thousand"], _ours(measured, "cpu")
    heavy = [{**figures, "heavy": len(figures["heavy"])} if "heavy" in figures else figures for figures in importing]
    dag_file: list[Repetition] = measured["dag_file"]
    task, watching = [measured["one_task"]], _growth(measured["waiters"][peers.OURS])
    polls = one_task.POLLS
    at_once = f"{thousand.TRIGGERS:,} deferred runs in one process"
    return [
        Target("import of operators and sensors", 5, "ms", figure(importing, "import_s", MS)),
        Target("import of one operator and the sensor, beside a bare operator", 3, "x", figure(dag_file, "ratio")),
        Target("heavy packages that it loads", 0, "", figure(heavy, "heavy")),
        Target("worst stall, 20 triggers", 25, "ms", figure(_ours(measured, "stalls"), "stall_s", MS)),
        Target("the same, slow lookups", 25, "ms", figure(_ours(measured, "stalls_slow_lookups"), "stall_s", MS)),
        Target(f"worst stall, {thousand.TRIGGERS:,} triggers", 100, "ms", figure(thousand_runs, "stall_s", MS)),
        Target(f"{at_once}: token requests", 1, "", figure(thousand_runs, "tokens")),
        Target(f"{at_once}: lookups of the connection", 1, "", figure(thousand_runs, "lookups")),
        Target(f"{at_once}: TCP connections", 100, "", figure(thousand_runs, "tcp_connections")),
        Target(f"{at_once}: runs without an event", 0, "", figure(thousand_runs, "unfinished")),
        Target("CPU per poll, beside a bare aiohttp loop", 2, "x", _beside_bare(processor)),
        Target("memory per further deferred run", 20, "KB", figure(_ours(measured, "memory"), "bytes_per_run", KB)),
        # The list of runs, the start, the last poll, and the pipeline and its data model for the warning about a slice.
        Target(f"requests of one task, {polls} polls before the end", polls + 5, "", figure(task, "requests")),
        Target("token requests of that task's process", 1, "", figure(task, "tokens")),
        Target(f"requests of {waiters.WAITERS[-1]} waiters of one run, to those of one", 2, "x", watching),
        Target(
            "run lengths above 2 min at which polls every 30 s do as well or better",
            0,
            "",
            Figure((polling.misses(measured["polling"]),)),
        ),
    ]


def _parts(measured: Measured) -> Iterator[str]:
    yield "# What was measured"
    yield (
        "Written by `make bench`; every figure is of that one run. Figures are medians, with the least and the most in "
        'parentheses if they differ. A figure with "x" is a ratio of medians.'
    )
    yield _machine(measured)
    yield "## Targets"
    yield table(("target", "wanted", "measured", "verdict"), (target.row for target in targets(measured)))
    yield f"![Loop stall and requests by provider]({PICTURE})"
    yield from _import_part(measured["imports"], measured["dag_file"])
    yield from _stall_part(measured["stalls"], measured["stalls_slow_lookups"])
    yield from _asked_part(measured["stalls"])
    yield from _waiters_part(measured["waiters"])
    yield from _cost_part(measured["cpu"], measured["memory"])
    yield from _own_part(measured)
    yield from polling.section(measured["polling"])
    yield from documents.section(measured["documents"])
    yield "## How it was measured"
    yield "\n".join(f"- {line}" for line in _method(measured))


def _machine(measured: Measured) -> str:
    lines = [f"- {name}: {value}" for name, value in measured["machine"].items()]
    for name, versions in measured["versions"].items():
        lines.append(f"- {peers.load(name).title}: {', '.join(f'{n} {v}' for n, v in versions.items())}")
    return "\n".join(lines)


def _import_part(measured: Mapping[str, list[Repetition]], dag_file: list[Repetition]) -> Iterator[str]:
    ours = figure(measured[peers.OURS], "import_s", MS)
    yield "## Import of operators and sensors"
    yield (
        f"In addition to `import airflow.sdk`, byte-compiled, {imports.INTERPRETERS} fresh interpreters each. "
        f"Heavy packages: {', '.join(imports.HEAVY)}."
    )
    yield table(
        ("provider", "ms", "to ours", "modules", "heavy ones"),
        (
            (
                _title(name),
                str(took := figure(repetitions, "import_s", MS)),
                took.over(ours),
                str(figure(repetitions, "modules")),
                ", ".join(repetitions[0].get("heavy", ())) or "none",
            )
            for name, repetitions in measured.items()
        ),
    )
    yield (
        f"A DAG file with our trigger operator and our sensor pays {figure(dag_file, 'import_s', MS)} ms, one with a "
        f"bare operator, {figure(dag_file, 'bare_s', MS)} ms: "
        f"{figure(dag_file, 'ratio')} times, in {imports.INTERPRETERS} pairs of interpreters."
    )


def _stall_part(quick: Mapping[str, list[Repetition]], slow: Mapping[str, list[Repetition]]) -> Iterator[str]:
    yield "## Worst stall of the event loop"
    yield (
        f"{stalls.TRIGGERS} triggers start at once, each for a run of its own. The API takes "
        f"{stalls.LATENCY_S * MS:.0f} ms for an answer; where lookups of the connection are slow, one takes "
        f"{stalls.SLOW_LOOKUP_S * MS:.0f} ms. The import of the trigger's class is part of it, as in a triggerer. "
        f"{stalls.REPETITIONS} processes each."
    )
    head = ("provider", "ms", "to ours", "after the import, ms", "slow lookups, ms", "to ours", "after the import, ms")
    yield table(head, ((_title(name), *_stall_cells(quick, name), *_stall_cells(slow, name)) for name in quick))


def _stall_cells(measured: Mapping[str, list[Repetition]], name: str) -> tuple[str, ...]:
    worst = figure(measured[name], "stall_s", MS)
    ours = figure(measured[peers.OURS], "stall_s", MS)
    return str(worst), worst.over(ours), str(figure(measured[name], "stall_after_import_s", MS))


def _asked_part(measured: Mapping[str, list[Repetition]]) -> Iterator[str]:
    keys = ("requests", "tcp_connections", "tokens", "lookups")
    ours = {key: figure(measured[peers.OURS], key) for key in keys}
    yield f"## What {stalls.TRIGGERS} triggers ask, each for a run of its own"
    yield (
        f"From the same processes, with quick lookups: runs of {stalls.RUN_S:g} s, counted from the first poll of "
        f"each, and a poll interval of {stalls.POLL_INTERVAL_S:g} s."
    )
    yield table(
        ("provider", "requests", "to ours", "TCP connections", "to ours", "token requests", "lookups", "to ours"),
        (
            (
                _title(name),
                str(asked := figure(repetitions, "requests")),
                asked.over(ours["requests"]),
                str(opened := figure(repetitions, "tcp_connections")),
                opened.over(ours["tcp_connections"]),
                str(figure(repetitions, "tokens")),
                str(asked_for := figure(repetitions, "lookups")),
                asked_for.over(ours["lookups"]),
            )
            for name, repetitions in measured.items()
        ),
    )


def _waiters_part(measured: Mapping[str, Mapping[int, Repetition]]) -> Iterator[str]:
    yield "## Requests when several triggers wait for one run"
    yield (
        f"A run of {waiters.RUN_S:g} s, counted from the first poll, a poll interval of {waiters.POLL_INTERVAL_S:g} s "
        "and an API that answers at once. Triggers that delay each other make fewer requests, but see the end later."
    )
    most = waiters.WAITERS[-1]
    ours = figure([measured[peers.OURS][most]], "requests")
    yield table(
        ("provider", *(f"{number} waiting" for number in waiters.WAITERS), "growth", f"{most} waiting, to ours"),
        (
            (
                _title(name),
                *(str(figure([by_number[number]], "requests")) for number in waiters.WAITERS),
                str(_growth(by_number)),
                figure([by_number[most]], "requests").over(ours),
            )
            for name, by_number in measured.items()
        ),
    )


def _cost_part(processor: Mapping[str, list[Repetition]], held: Mapping[str, list[Repetition]]) -> Iterator[str]:
    bare = figure(processor[peers.OURS], "bare_cpu_s", US)
    ours = figure(processor[peers.OURS], "cpu_s", US), figure(held[peers.OURS], "bytes_per_run", KB)
    yield "## CPU and memory"
    yield (
        f"CPU is the processor time of {cpu.TRIGGERS} triggers that each poll {cpu.POLLS + 1} times, by the number of "
        f"requests, {cpu.ROUNDS} rounds in one process; a bare aiohttp loop needs {bare} microseconds for each of the "
        "GETs that ours sent. Memory is the growth of the resident set from a third of the waiting "
        f"triggers to all; {memory.REPETITIONS} processes of ours, one of each peer."
    )
    yield table(
        (
            "provider",
            "CPU per poll, microseconds",
            "to ours",
            "to the bare loop",
            "waiting",
            "memory per run, KB",
            "to ours",
        ),
        (
            (
                _title(name),
                str(used := figure(processor[name], "cpu_s", US)),
                used.over(ours[0]),
                used.over(bare),
                f"{peers.load(name).most_waiting:,}",
                str(grown := figure(held[name], "bytes_per_run", KB)),
                grown.over(ours[1]),
            )
            for name in processor
        ),
    )


def _own_part(measured: Measured) -> Iterator[str]:
    kinds = measured["one_task"].get("by_kind", {})
    yield "## One task of ours, from start to success"
    yield (
        "`MParticleTriggerPipelineOperator(deferrable=True)` by `dag.test()`, where worker and triggerer are one "
        f"process. {one_task.POLLS} polls find the run in progress, one finds it ended."
    )
    yield table(("request", "times"), ((kind, str(times)) for kind, times in kinds.items()))
    yield f"## {thousand.TRIGGERS:,} of our triggers at once"
    keys = {"worst stall, ms": ("stall_s", MS), "until all have fired, s": ("took_s", 1), "CPU, s": ("cpu_s", 1)}
    keys |= {"requests": ("requests", 1), "token requests": ("tokens", 1), "lookups": ("lookups", 1)}
    keys |= {"TCP connections": ("tcp_connections", 1), "runs without an event": ("unfinished", 1)}
    yield (
        f"Each waits for its own pipeline; runs of {thousand.RUN_S:g} s, counted from the first poll of each, a poll "
        f"interval of {thousand.POLL_INTERVAL_S:g} s, an API that takes {thousand.LATENCY_S * MS:.0f} ms. "
        f"{thousand.REPETITIONS} processes."
    )
    rows = ((what, str(figure(measured["thousand"], key, scale))) for what, (key, scale) in keys.items())
    yield table(("figure", "measured"), rows)


def _method(measured: Measured) -> Iterator[str]:
    yield "Every provider has its own environment with the same Airflow, and a fresh process for each measurement."
    yield (
        "The trigger of a provider runs as in Airflow's triggerer: imported in the running loop, as its own task, in a "
        "process that has imported what a triggerer imports at its start."
    )
    yield "The API is a fake in its own process on loopback, without TLS. With TLS a new connection costs more."
    yield "A stall is the time by which a coroutine that asked to sleep for a millisecond slept longer."
    yield f"In an idle loop on this machine, the same meter saw at most {measured['idle_stall']} ms: less is noise."
    for name in measured["imports"]:
        if note := peers.load(name).note:
            yield f"{peers.load(name).title} {note}."
    for name, error in measured["left_out"].items():
        yield f"{peers.load(name).title} is left out, because it cannot be installed: {error}"


def _title(name: str) -> str:
    return peers.load(name).title


def _ours(measured: Measured, scenario: str) -> list[Repetition]:
    repetitions: list[Repetition] = measured[scenario][peers.OURS]
    return repetitions


def _beside_bare(repetitions: list[Repetition]) -> Figure:
    ratios = [
        {**repetition, "ratio": repetition["cpu_s"] / repetition["bare_cpu_s"]} if "cpu_s" in repetition else repetition
        for repetition in repetitions
    ]
    return figure(ratios, "ratio")


def _growth(by_number: Mapping[int, Repetition]) -> Figure:
    """Return how many times as many requests the most waiters make as the fewest."""
    first, last = by_number[waiters.WAITERS[0]], by_number[waiters.WAITERS[-1]]
    errors = [str(figures["error"]) for figures in (first, last) if "error" in figures]
    if errors or not first["requests"]:
        return Figure(error=errors[0] if errors else "no request")
    return Figure((last["requests"] / first["requests"],))
