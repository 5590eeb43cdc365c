"""
The command line: ``airflow mparticle ...`` (Airflow 3.2 and later) and ``python -m airflow_provider_mparticle ...``.

Every ``airflow`` command imports this module, so it must not import anything slow. The commands are in
:mod:`~airflow_provider_mparticle.cli.commands`, which is imported when one of them runs.
"""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TextIO

from airflow_provider_mparticle.cli.exit_codes import BAD_INPUT, FAILED, INTERRUPTED

DESCRIPTION = "Inspect and configure mParticle Warehouse Sync through an Airflow connection."
EXIT_CODES = (
    "Exit codes: 0 success; 1 mParticle, the network or the output failed, the doctor found a fault, or you did not "
    "confirm; 2 wrong arguments, or an invalid connection or document; 3 the plan has changes (with "
    "--detailed-exitcode)."
)

PACKAGE = "airflow_provider_mparticle"

# Libraries of the extra "cli": the module and the name of the distribution.
LIBRARIES = {"yaml": "PyYAML", "rich": "rich"}

# A variable of Airflow: it decides which secrets backends a process may use.
_PROCESS_CONTEXT = "_AIRFLOW_PROCESS_CONTEXT"


@dataclass(frozen=True)
class Argument:
    """An argument of a command, in a form for argparse and for Airflow's own parser."""

    flags: tuple[str, ...]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Command:
    """A command. The function with the same name in ``commands`` runs it."""

    name: str
    summary: str
    arguments: tuple[Argument, ...]


def _argument(*flags: str, **options: Any) -> Argument:
    return Argument(flags, options)


def _output(*choices: str) -> Argument:
    return _argument("-o", "--output", choices=choices, default=choices[0], help=f"default: {choices[0]}")


_CONN_ID = _argument(
    "--conn-id",
    default="mparticle_default",
    metavar="ID",
    help="id of the Airflow connection (default: mparticle_default)",
)
_TABLE = (_CONN_ID, _output("table", "json"))
_FILE = _argument("file", metavar="FILE", help="file with the document, YAML or JSON")
_PRUNE = _argument("--prune", action="store_true", help="delete resources that the document does not name")
_SET = _argument(
    "--set",
    action="append",
    metavar="NAME=VALUE",
    help="value for {{ params.NAME }} in the document, or for {{ NAME }} if the name has dots; may be repeated",
)

COMMANDS = (
    Command("doctor", "Report what works and where the routes are, with GET requests only", _TABLE),
    Command(
        "plan",
        "Show what applying a document would change, without changing anything",
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
        "Show what applying a document would change, ask for confirmation, and apply it",
        (
            _FILE,
            _PRUNE,
            _SET,
            _argument("-y", "--yes", action="store_true", help="do not ask for confirmation"),
            _argument("-v", "--verbose", action="store_true", help="log every step"),
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
                help="earliest logical date, ISO 8601, in UTC without a time zone (default: 30 days ago)",
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
    """Run a command line and return the exit code."""
    arguments = _parser().parse_args(argv)
    return run(arguments.command, arguments)


def run(name: str, arguments: argparse.Namespace) -> int:
    """Run a command and return the exit code. Our errors become one line on stderr."""
    from airflow_provider_mparticle.client.errors import ConfigError, MParticleError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for characters that the terminal's encoding does not have
    out = sys.stdout or io.StringIO()  # Python has no stdout if it was closed, as in a shell by >&-
    try:
        # Airflow may print log lines to stdout while it is imported. They are not the output of the command.
        with redirect_stdout(sys.stderr), _stored_connections(), _plain_log(getattr(arguments, "verbose", False)):
            exit_code: int = _commands(name)(arguments, out)  # named in COMMANDS
            out.flush()
            return exit_code
    except OSError as error:  # every other error of the system is one of ours
        _discard(out)
        with suppress(OSError):
            print(f"Error: The output cannot be written: {error.strerror}.", file=sys.stderr)
        return FAILED
    except MParticleError as error:
        print(f"Error: {error}", file=sys.stderr)
        return BAD_INPUT if isinstance(error, ConfigError) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _discard(out: TextIO) -> None:
    """Discard the rest of the output, which Python would try to write again at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def _commands(name: str) -> Any:
    """
    Return the function that runs a command.

    :raises ConfigError: A library that the commands need is not installed.
    """
    from airflow_provider_mparticle.client.errors import ConfigError

    try:
        from airflow_provider_mparticle.cli import commands
    except ModuleNotFoundError as error:
        if error.name not in LIBRARIES:
            raise
        raise ConfigError(
            f"The commands need {LIBRARIES[error.name]}, which is not installed. Install the extra 'cli': "
            "pip install 'airflow-provider-mparticle[cli]'. Nothing was sent to mParticle."
        ) from error
    return getattr(commands, name)


@contextmanager
def _plain_log(verbose: bool) -> Iterator[None]:
    """Print warnings and retries of this package as plain lines on stderr; with *verbose* also every step."""
    package, retries = logging.getLogger(PACKAGE), logging.getLogger(f"{PACKAGE}.client.retrying")
    levels, propagate = (package.level, retries.level), package.propagate
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(message)s"))
    package.addHandler(handler)
    package.setLevel(logging.INFO if verbose else logging.WARNING)
    retries.setLevel(logging.INFO)
    package.propagate = False  # Airflow's handler would print the name of the module and the number of the line
    try:
        yield
    finally:
        package.removeHandler(handler)
        package.propagate = propagate
        for logger, level in zip((package, retries), levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _stored_connections() -> Iterator[None]:
    """
    Let Airflow find connections in its metadata database.

    Outside of a task, Airflow 3 uses the database only in a process that declares itself a server, as
    ``airflow connections get`` does. Airflow 2 always uses it.
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
    """Return the commands in Airflow's form. Provider info names this function under ``cli``."""
    from airflow.cli.cli_config import ActionCommand, Arg, GroupCommand

    commands = [
        ActionCommand(
            name=command.name,
            help=command.summary,
            func=partial(_run_and_exit, command.name),
            args=[Arg(one.flags, **one.options) for one in command.arguments],  # type: ignore[no-untyped-call]  # Airflow leaves it unannotated
            epilog=EXIT_CODES,
        )
        for command in COMMANDS
    ]
    return [GroupCommand(name="mparticle", help=DESCRIPTION, subcommands=commands, epilog=EXIT_CODES)]


def _run_and_exit(name: str, arguments: argparse.Namespace) -> None:
    """Run a command and exit, because Airflow ignores the value that a command returns."""
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
