"""
The command line: ``airflow mparticle ...`` (Airflow 3.3) and ``python -m airflow_provider_mparticle ...``.

Every ``airflow`` command imports this, so it imports nothing: what the commands do is in
:mod:`~airflow_provider_mparticle.cli.commands`, loaded when one of them is run.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import partial
from typing import Any

from airflow_provider_mparticle.cli.exit_codes import BAD_INPUT, FAILED, INTERRUPTED

DESCRIPTION = "Look at mParticle Warehouse Sync and configure it, through an Airflow connection."
EXIT_CODES = (
    "Exit codes: 0 all is well; 1 mParticle or the network failed, the doctor found a fault, or you said no; "
    "2 bad usage, connection or document; 3 the plan has changes (with --detailed-exitcode)."
)

# Airflow's own variable: which secrets backends a process may ask.
_PROCESS_CONTEXT = "_AIRFLOW_PROCESS_CONTEXT"


@dataclass(frozen=True)
class Argument:
    """An argument of a command, as argparse and Airflow's own parser both take it."""

    flags: tuple[str, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Command:
    """A command; the function of the same name in ``commands`` carries it out."""

    name: str
    summary: str
    arguments: tuple[Argument, ...]


def _argument(*flags: str, **options: Any) -> Argument:
    return Argument(flags, options)


def _output(*choices: str) -> Argument:
    return _argument("-o", "--output", choices=choices, default=choices[0], help=f"default: {choices[0]}")


_CONN_ID = _argument(
    "--conn-id", default="mparticle_default", metavar="ID", help="the Airflow connection (default: mparticle_default)"
)
_TABLE = (_CONN_ID, _output("table", "json"))
_FILE = _argument("file", metavar="FILE", help="the document, YAML or JSON")
_PRUNE = _argument("--prune", action="store_true", help="delete what the document does not name")
_SET = _argument(
    "--set",
    action="append",
    metavar="NAME=VALUE",
    help="value of {{ params.NAME }} in the document, or of {{ NAME }} where it has dots; may be repeated",
)

COMMANDS = (
    Command("doctor", "Find out with GET requests only what works, and where the routes are", _TABLE),
    Command(
        "plan",
        "Show what applying a document would change; nothing is changed",
        (
            _FILE,
            _PRUNE,
            _SET,
            _argument("--detailed-exitcode", action="store_true", help="exit with 3 if there are changes"),
            *_TABLE,
        ),
    ),
    Command(
        "apply",
        "Show what applying a document changes, ask, and apply it",
        (
            _FILE,
            _PRUNE,
            _SET,
            _argument("-y", "--yes", action="store_true", help="do not ask"),
            _argument("-v", "--verbose", action="store_true", help="log each step"),
            *_TABLE,
        ),
    ),
    Command("export", "Print the workspace as a document, without secrets", (_CONN_ID, _output("yaml", "json"))),
    Command("pipelines", "List the pipelines, each with its last run", _TABLE),
    Command(
        "runs",
        "List the runs of a pipeline, oldest first",
        (
            _argument("pipeline_id", metavar="PIPELINE", help="slug of the pipeline"),
            _argument(
                "--since",
                metavar="DATE",
                help="earliest logical date, ISO 8601, UTC unless it says otherwise (default: 30 days ago)",
            ),
            *_TABLE,
        ),
    ),
    Command(
        "examples",
        "List the example DAGs, or copy them; no connection is needed",
        (_argument("--copy", metavar="DIR", help="copy them to this folder, which is made if it is missing"),),
    ),
)


def main(argv: list[str] | None = None) -> int:
    """Carry out a command line; return the exit code."""
    arguments = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # what the terminal's encoding does not have
    return run(arguments.command, arguments)


def run(name: str, arguments: argparse.Namespace) -> int:
    """Carry out a command; errors of ours become a line on stderr and an exit code."""
    from airflow_provider_mparticle.client.errors import ConfigError, MParticleError

    out = sys.stdout
    try:
        # What Airflow logs while it loads is not our output.
        with redirect_stdout(sys.stderr), _stored_connections():
            from airflow_provider_mparticle.cli import commands

            return getattr(commands, name)(arguments, out)  # type: ignore[no-any-return] # named in COMMANDS
    except MParticleError as error:
        print(f"Error: {error}", file=sys.stderr)
        return BAD_INPUT if isinstance(error, ConfigError) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


@contextmanager
def _stored_connections() -> Iterator[None]:
    """
    Let Airflow look a connection up in its metadata database, too.

    Outside of a task, Airflow 3 does so only for a process that says it is a server, as ``airflow connections get``
    does; Airflow 2 always does.
    """
    before = os.environ.get(_PROCESS_CONTEXT)
    os.environ[_PROCESS_CONTEXT] = "server"
    try:
        yield
    finally:
        del os.environ[_PROCESS_CONTEXT]
        if before is not None:
            os.environ[_PROCESS_CONTEXT] = before


def get_cli_commands() -> list[Any]:
    """Return the commands as Airflow takes them, see ``cli`` in provider info."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    commands = [
        ActionCommand(
            name=command.name,
            help=command.summary,
            func=partial(_run_and_exit, command.name),
            args=[Arg(one.flags, **one.options) for one in command.arguments],  # type: ignore[no-untyped-call]
            epilog=EXIT_CODES,
        )
        for command in COMMANDS
    ]
    return [GroupCommand(name="mparticle", help=DESCRIPTION, subcommands=commands, epilog=EXIT_CODES)]


def _run_and_exit(name: str, arguments: argparse.Namespace) -> None:
    """Exit, since Airflow drops what a command returns."""
    sys.exit(run(name, arguments))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m airflow_provider_mparticle", description=DESCRIPTION, epilog=EXIT_CODES)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        added = subparsers.add_parser(
            command.name, help=command.summary, description=f"{command.summary}.", epilog=EXIT_CODES
        )
        for argument in command.arguments:
            added.add_argument(*argument.flags, **argument.options)
    return parser
