"""The commands for documents: ``plan``, ``apply`` and ``export``. Each prints and returns an exit code."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from airflow_provider_mparticle.cli.document_values import rendered
from airflow_provider_mparticle.cli.exit_codes import BAD_INPUT, CHANGES, FAILED, GOOD
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.shown import counted
from airflow_provider_mparticle.configuration.apply import apply_plan, export_document, read_workspace
from airflow_provider_mparticle.configuration.document import document_problems, load_document
from airflow_provider_mparticle.configuration.document_writer import as_yaml
from airflow_provider_mparticle.configuration.kept_forms import KeptForms
from airflow_provider_mparticle.configuration.plan import Plan
from airflow_provider_mparticle.configuration.plan import plan as planned
from airflow_provider_mparticle.configuration.plan_step import PlanStep
from airflow_provider_mparticle.hooks import MParticleHook
from airflow_provider_mparticle.tasks.arguments import refuse_nothing
from airflow_provider_mparticle.tasks.kept_forms_variable import remembered_forms

# Without a terminal, the progress is one line after so many steps.
STEPS_A_LINE = 50


def plan(arguments: Namespace, out: TextIO) -> int:
    """Print what applying a document would change."""
    with remembered_forms() as kept:
        changes = _plan(arguments, MParticleHook(arguments.conn_id), kept)
    if arguments.output == "json":
        print_json(changes.as_dict(), out)
    else:
        print(*changes.lines(), sep="\n", file=out)
    if changes.refusals:
        return BAD_INPUT
    return CHANGES if arguments.detailed_exitcode and not changes.is_empty else GOOD


def apply(arguments: Namespace, out: TextIO) -> int:
    """Apply a document after the user has confirmed the plan."""
    if not arguments.yes and not (sys.stdin and sys.stdin.isatty()):
        raise ConfigError(
            "apply needs a terminal to ask for confirmation. Pass --yes to apply without it. "
            "Nothing was sent to mParticle."
        )
    as_json, hook = arguments.output == "json", MParticleHook(arguments.conn_id)
    with remembered_forms() as kept:
        changes = _plan(arguments, hook, kept)
        print(*changes.lines(), sep="\n", file=sys.stderr if as_json else out, flush=True)
        if changes.refusals:
            raise ConfigError("mParticle cannot make some of the changes, see above. Nothing was changed.")
        if not (changes.is_empty or arguments.yes or _is_confirmed()):
            print("Nothing was changed.", file=sys.stderr)
            return FAILED
        with _progress(sum(step.is_change for step in changes.steps)) as on_step:
            done = apply_plan(hook, changes, on_step, kept)
    if as_json:
        print_json(done, out)
    elif not changes.is_empty:
        counts = changes.counts()
        print("Applied: {create} created, {update} updated, {delete} deleted.".format(**counts), file=out)
    return GOOD


def export(arguments: Namespace, out: TextIO) -> int:
    """Print the workspace as a document."""
    document = export_document(MParticleHook(arguments.conn_id))
    if arguments.output == "json":
        print_json(document, out)
    else:
        out.write(as_yaml(document))
    return GOOD


def print_json(value: Any, out: TextIO) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, default=str), file=out)


def _plan(arguments: Namespace, hook: MParticleHook, kept: KeptForms) -> Plan:
    """
    Read a document and compare it with the workspace.

    :raises ConfigError: The document has problems. They are printed on stderr.
    """
    document = load_document(arguments.file)
    content, unused = rendered(document.content, arguments.set or ())
    if arguments.set:
        refuse_nothing(content)
    document = document.with_content(content)
    for name in unused:
        print(f"Warning: --set gives a value for {name!r}, but {arguments.file} does not use it.", file=sys.stderr)
    found = document_problems(document)
    for problem in found:
        print(f"{'Warning' if problem.is_warning else 'Problem'}: {problem}.", file=sys.stderr)
    if count := sum(not problem.is_warning for problem in found):
        problems = counted(count, "problem")
        raise ConfigError(f"{arguments.file} has {problems}, see above. Nothing was sent to mParticle.")
    return planned(document, read_workspace(hook), prune=arguments.prune, kept=kept)


def _is_confirmed() -> bool:
    try:
        return input("Apply this? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D
        return False


@contextmanager
def _progress(total: int) -> Iterator[Callable[[PlanStep], object]]:
    """Show how many steps are done, on stderr: as a bar on a terminal, otherwise as a line from time to time."""
    if sys.stderr.isatty() and total > 1:
        with _bar(total) as advance:
            yield advance
        return
    count = 0

    def report(step: PlanStep) -> None:
        nonlocal count
        count += 1
        if count % STEPS_A_LINE == 0 and count < total:
            print(f"{count} of {total} done: {step}", file=sys.stderr, flush=True)

    yield report


@contextmanager
def _bar(total: int) -> Iterator[Callable[[PlanStep], object]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        task = progress.add_task("", total=total)
        yield lambda step: progress.update(task, advance=1, description=str(step))
