"""
The commands of the command line: each reads from mParticle, prints, and returns an exit code.

It must not parse arguments: :mod:`~airflow_provider_mparticle.cli.parser` does, and finds a command here by its name.
"""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from airflow_provider_mparticle.cli.doctor import Finding, Report, examine
from airflow_provider_mparticle.cli.document_commands import apply as apply
from airflow_provider_mparticle.cli.document_commands import export as export
from airflow_provider_mparticle.cli.document_commands import plan as plan
from airflow_provider_mparticle.cli.document_commands import print_json
from airflow_provider_mparticle.cli.examples import examples as examples
from airflow_provider_mparticle.cli.exit_codes import FAILED, GOOD
from airflow_provider_mparticle.client.errors import ConfigError, NotFoundError
from airflow_provider_mparticle.client.models import Pipeline, PipelineRun
from airflow_provider_mparticle.client.shown import counted
from airflow_provider_mparticle.client.storable import readable_text
from airflow_provider_mparticle.client.timestamps import iso_text, parse_timestamp
from airflow_provider_mparticle.hooks import MParticleHook

# How far back ``runs`` reads by default. For an hourly pipeline that is 720 runs and 8 requests.
RUNS_SINCE = timedelta(days=30)
# Characters in a line if the output is not a terminal, as in Airflow's own commands.
WIDTH = 200


def doctor(arguments: Namespace, out: TextIO) -> int:
    """Check the workspace and print a report."""
    report = examine(MParticleHook(arguments.conn_id))
    if arguments.output == "json":
        print_json(report.as_dict(), out)
    else:
        _print_table(("what", "verdict", "path", ""), map(_finding_row, report.findings), out)
        print(_advice(report, arguments.conn_id), file=out)
    return FAILED if report.faults else GOOD


def pipelines(arguments: Namespace, out: TextIO) -> int:
    """List the pipelines, each with its last run."""
    hook = MParticleHook(arguments.conn_id)
    found = [(pipeline, _last_run(hook, pipeline.id)) for pipeline in hook.list_pipelines()]
    if arguments.output == "json":
        print_json([_pipeline_json(*one) for one in found], out)
    else:
        columns = ("pipeline", "state", "schedule", "last run", "ended (UTC)", "records", "rejected")
        _print_table(columns, (_pipeline_row(*one) for one in found), out)
    return GOOD


def runs(arguments: Namespace, out: TextIO) -> int:
    """List the runs of a pipeline."""
    since = _since(arguments.since)
    found = MParticleHook(arguments.conn_id).list_pipeline_runs(arguments.pipeline_id, since=since)
    if arguments.output == "json":
        print_json([_run_json(run) for run in found], out)
    elif found:
        columns = ("run", "type", "state", "logical date (UTC)", "started", "ended", "records", "rejected", "errors")
        _print_table(columns, map(_run_row, found), out)
    else:
        print(f"No runs since {_shown(since)} UTC. Use --since to read older runs.", file=out)
    return GOOD


# The doctor


def _finding_row(finding: Finding) -> tuple[Any, ...]:
    style = "bold red" if finding.is_fault else "green"
    return finding.subject, Text(finding.verdict, style), finding.path, finding.text


def _advice(report: Report, conn_id: str) -> str:
    """Return the text below the table: what to do next."""
    if not report.faults:
        return "No faults."
    lines = [f"{counted(len(report.faults), 'fault')}."]
    if report.extra:
        lines += [f"Add this to the extra of the Airflow connection {conn_id!r}, and keep what it already has:", ""]
        lines += [json.dumps(report.extra, indent=2)]
    return "\n".join(lines)


# Pipelines and runs


def _last_run(hook: MParticleHook, pipeline_id: str) -> PipelineRun | None:
    try:
        return hook.get_pipeline_status(pipeline_id).latest_pipeline_run
    except NotFoundError as error:  # a new pipeline has no status for about a minute
        print(f"Warning: {error}", file=sys.stderr)
        return None


def _pipeline_json(pipeline: Pipeline, run: PipelineRun | None) -> dict[str, Any]:
    return {
        "id": pipeline.id,
        "name": pipeline.name,
        "state": pipeline.state,
        "schedule": dict(pipeline.schedule or {}),
        "last_run": _run_json(run) if run else None,
    }


def _pipeline_row(pipeline: Pipeline, run: PipelineRun | None) -> tuple[Any, ...]:
    schedule = pipeline.schedule or {}
    last = (run.state, run.ended_on, run.successful_records, run.failed_records) if run else (None,) * 4
    return pipeline.id, pipeline.state, schedule.get("frequency") or schedule.get("type"), *last


def _run_json(run: PipelineRun) -> dict[str, Any]:
    return {**run.as_dict(), "type": run.type, "logical_date": iso_text(run.logical_date), "errors": list(run.errors)}


def _run_row(run: PipelineRun) -> tuple[Any, ...]:
    return (
        run.pipeline_run_id,
        run.type,
        run.state,
        run.logical_date,
        run.started_on,
        run.ended_on,
        run.successful_records,
        run.failed_records,
        "; ".join(run.errors),
    )


def _since(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC) - RUNS_SINCE
    if (since := parse_timestamp(text)) is None:
        raise ConfigError(
            f"--since must be an ISO 8601 date, for example 2026-01-31, not {text!r}. Nothing was sent to mParticle."
        )
    return since


# Printing


def _print_table(columns: Iterable[str], rows: Iterable[tuple[Any, ...]], out: TextIO) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        # long ids and paths continue in the next line, so that users can copy them
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    console = Console(file=out, width=None if out.isatty() else WIDTH)
    with console.capture() as printed:  # rich would close stderr if the reader of a pipe has ended
        console.print(table)
    out.write(printed.get())


def _cell(value: object) -> Text:
    """Return text that rich prints as it is, because mParticle's words may look like rich's markup."""
    return value if isinstance(value, Text) else Text(readable_text(_shown(value)))


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):  # isoformat prints four digits of every year, which strftime does not
        return value.replace(tzinfo=None).isoformat(sep=" ", timespec="seconds")
    return str(value)
