"""The command line: the arguments, the output, and the exit codes."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

import airflow
import pytest
import yaml
from packaging.version import Version

from airflow_provider_mparticle.cli.parser import COMMANDS, LIBRARIES, PACKAGE, get_cli_commands, main
from airflow_provider_mparticle.client import token_cache
from airflow_provider_mparticle.simulator import Fault, Simulator

AIRFLOW = Path(sys.executable).with_name("airflow")
knows_provider_commands = pytest.mark.skipif(
    Version(airflow.__version__) < Version("3.2"), reason="this Airflow does not load commands of providers"
)

WAREHOUSE_PASSWORD = "w4rehouse-pass"
DOCUMENT: dict[str, Any] = {
    "connections": [
        {
            "id": "lake",
            "name": "Lake",
            "service_provider": "Snowflake",
            "config": {
                "account_identifier": "gd1234",
                "region": "us-central1.gcp",
                "warehouse": "compute",
                "database": "sales",
                "role": "mparticle_role",
                "user": "mparticle_user",
                "password": WAREHOUSE_PASSWORD,
            },
        }
    ],
    "data_models": [
        {"id": "customers", "name": "Customers", "config": {"sql_query": "SELECT a.id\nFROM sales.public.customers a"}}
    ],
}
CLOSED_PORT = "http://127.0.0.1:9"  # the discard port: connection refused


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A document with a connection and a data model."""
    path = tmp_path / "workspace.yaml"
    path.write_text(yaml.safe_dump(DOCUMENT))
    return path


class Terminal(io.StringIO):
    """A terminal with a user who types this text."""

    def isatty(self) -> bool:
        """Return that this is a terminal."""
        return True


def as_json(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    """The output of a successful command with ``--output json``."""
    assert 0 == main([*argv, "--output", "json"])
    return json.loads(capsys.readouterr().out)


def cells(out: str, first: str) -> list[str]:
    """The cells of the table row that starts with *first*."""
    [row] = [line.split("  ") for line in out.splitlines() if line.split()[:1] == [first]]
    return [cell.strip() for cell in row if cell.strip()]


# doctor


def test_doctor_exits_with_0_without_faults(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """A deployment script can continue."""
    assert 0 == main(["doctor"])

    out = capsys.readouterr().out
    assert ["pipelines", "answers", "/inputs/data-pipelines"] == cells(out, "pipelines")
    assert "No faults." in out


@pytest.mark.sends_anything(reason="the doctor tries paths that may not exist")
def test_doctor_exits_with_1_and_prints_the_json_to_paste(
    start_simulator: Callable[..., Simulator], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The JSON is complete and is not wrapped, whatever the width of the terminal."""
    simulator = start_simulator(layout="v1")
    simulator.add_pipeline("orders")
    connection = simulator.airflow_connection()
    routes = connection["extra"].pop("routes")
    monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps(connection))

    assert 1 == main(["doctor"])

    out = capsys.readouterr().out
    pasted = json.loads(out[out.index("\n{\n") :])
    assert pasted["routes"].items() <= routes.items()
    assert routes["trigger_pipeline"] == pasted["routes"]["trigger_pipeline"]


def test_doctor_as_json_says_whether_it_found_faults(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts read the JSON."""
    report = as_json(capsys, "doctor")

    assert report["is_good"] is True
    assert {"subject", "verdict", "is_fault", "path", "text"} == set(report["findings"][0])


# pipelines and runs


def test_pipelines_shows_the_last_run(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """One table shows which pipelines failed last night."""
    simulator.add_run("orders", "success", ended_on="2026-01-02T03:04:05.500Z", successful_records=42)
    simulator.add_pipeline("idle", schedule={"type": "interval", "frequency": "hourly"})

    assert 0 == main(["pipelines"])

    out = capsys.readouterr().out
    assert ["orders", "active", "on_demand", "success", "2026-01-02 03:04:05", "42", "0"] == cells(out, "orders")
    assert ["idle", "active", "hourly", "-", "-", "-", "-"] == cells(out, "idle")


def test_pipelines_as_json_has_the_run_as_a_task_returns_it(
    simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The names of the fields are the same as in the result of a task."""
    simulator.add_run("orders", "failed", errors=["Column x is missing"])

    [orders] = as_json(capsys, "pipelines")

    assert ("orders", "active", {"type": "on_demand"}) == (orders["id"], orders["state"], orders["schedule"])
    assert "failed" == orders["last_run"]["state"]
    assert ["Column x is missing"] == orders["last_run"]["errors"]


def test_a_pipeline_without_a_status_does_not_hide_the_others(
    simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new pipeline has no status for about a minute."""
    simulator.add_pipeline("young")
    simulator.fail_next(404, path="/young/status", times=None)

    assert 0 == main(["pipelines"])

    said = capsys.readouterr()
    assert "young" in cells(said.out, "young")
    assert "orders" in cells(said.out, "orders")
    assert "Warning: mParticle answered 404 to: get the status of pipeline 'young'" in said.err


def test_the_errors_of_runs_are_printed_unchanged(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """mParticle's words may look like markup of the table library."""
    simulator.add_run("orders", "failed", errors=["Column [bold]x[/bold] is missing"])

    assert 0 == main(["runs", "orders"])

    assert "Column [bold]x[/bold] is missing" in capsys.readouterr().out


def test_runs_since_a_date(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --since, the last 30 days are listed."""
    simulator.add_run("orders", "success", logical_date="2024-01-01T00:00:00Z")
    simulator.add_run("orders", "success", logical_date="2024-03-01T00:00:00Z")

    assert [] == as_json(capsys, "runs", "orders")
    [march] = as_json(capsys, "runs", "orders", "--since", "2024-02-01")
    assert 2 == len(as_json(capsys, "runs", "orders", "--since", "2024-01-01T00:00:00+00:00"))

    assert "2024-03-01T00:00:00+00:00" == march["logical_date"]
    assert 0 == main(["runs", "orders"])
    assert "No runs since" in capsys.readouterr().out


# documents


def test_plan_changes_nothing(simulator: Simulator, document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan with changes is a success."""
    assert 0 == main(["plan", str(document)])

    out = capsys.readouterr().out
    assert "lake" in out
    assert "customers" in out
    assert {"GET"} == {entry["method"] for entry in simulator.requests if entry["path"] != "/oauth/token"}


def test_plan_with_changes_exits_with_3_if_requested(simulator: Simulator, document: Path) -> None:
    """A nightly job can detect changes that were made by hand."""
    assert 3 == main(["plan", str(document), "--detailed-exitcode"])
    assert 0 == main(["apply", str(document), "--yes"])
    assert 0 == main(["plan", str(document), "--detailed-exitcode"])


def test_plan_as_json_is_json(simulator: Simulator, document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts read the JSON."""
    assert as_json(capsys, "plan", str(document))


def test_prune_reaches_the_plan(simulator: Simulator, document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Resources that the document does not name are deleted only with --prune."""
    simulator.add_pipeline("idle", data_model_id="idle-model")

    kept = as_json(capsys, "plan", str(document))
    main(["plan", str(document), "--prune", "--output", "json"])
    pruned = json.loads(capsys.readouterr().out)

    assert 0 == kept["counts"]["delete"]
    assert 0 < pruned["counts"]["delete"]


def test_apply_needs_a_terminal_or_yes(
    simulator: Simulator, document: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job cannot confirm the plan, so it must pass --yes."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))

    assert 2 == main(["apply", str(document)])

    assert "--yes" in capsys.readouterr().err
    assert [] == simulator.requests


@pytest.mark.parametrize(("said", "code", "created"), [("y\n", 0, 2), ("yes\n", 0, 2), ("\n", 1, 0), ("no\n", 1, 0)])
def test_apply_asks_for_confirmation(
    simulator: Simulator, document: Path, monkeypatch: pytest.MonkeyPatch, said: str, code: int, created: int
) -> None:
    """Every answer except yes means no."""
    monkeypatch.setattr(sys, "stdin", Terminal(said))

    assert code == main(["apply", str(document)])

    assert created == simulator.count("POST", "/connections") + simulator.count("POST", "/data-models")


def test_apply_shows_the_plan_before_it_asks(
    simulator: Simulator, document: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user confirms the plan that was printed."""
    main(["plan", str(document)])
    shown = capsys.readouterr().out
    monkeypatch.setattr(sys, "stdin", Terminal("no\n"))

    main(["apply", str(document)])

    said = capsys.readouterr()
    assert shown in said.out
    assert "Nothing was changed." in said.err


def test_apply_twice_changes_nothing(simulator: Simulator, document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A deployment script applies the same document every time."""
    main(["apply", str(document), "--yes"])
    sent = len([entry for entry in simulator.requests if entry["method"] in ("POST", "PUT")])
    capsys.readouterr()

    assert 0 == main(["apply", str(document), "--yes"])

    assert sent == len([entry for entry in simulator.requests if entry["method"] in ("POST", "PUT")])
    assert "Applied" not in capsys.readouterr().out


def test_apply_as_json_is_json(simulator: Simulator, document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan is printed to stderr."""
    assert as_json(capsys, "apply", str(document), "--yes")


def test_export_prints_a_document_that_reads_back(
    simulator: Simulator, document: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The YAML shows SQL in lines. The JSON has the same content. Neither contains the password."""
    main(["apply", str(document), "--yes"])
    capsys.readouterr()

    assert 0 == main(["export"])
    text = capsys.readouterr().out

    assert yaml.safe_load(text) == as_json(capsys, "export")
    assert "    sql_query: |-\n      SELECT a.id\n      FROM sales.public.customers a\n" in text
    assert "customers" in {one["id"] for one in yaml.safe_load(text)["data_models"]}
    assert WAREHOUSE_PASSWORD not in text


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_a_bad_document_exits_with_2_and_names_every_problem(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """mParticle would refuse the document after some of the changes, so nothing is sent."""
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps({"data_models": [{"id": "a b", "name": "A"}, {"id": "c", "config": {}}]}))

    assert 2 == main([command, str(bad), *(["--yes"] if command == "apply" else [])])

    err = capsys.readouterr().err
    for place in ("data_models[0].id", "data_models[0].config", "data_models[1].name"):
        assert f"Problem: {place}" in err
    assert "Traceback" not in err
    assert 0 == simulator.count(None, "/data-models")


def test_a_missing_document_exits_with_2(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """The error names the file."""
    assert 2 == main(["plan", "/nowhere/workspace.yaml"])

    assert "/nowhere/workspace.yaml" in capsys.readouterr().err


def test_a_change_that_mparticle_cannot_make_exits_with_2(
    simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """mParticle cannot change the type of a sync mode, so the document must be corrected."""
    document = as_json(capsys, "export")
    document["pipelines"][0]["sync_mode"] = {
        "type": "incremental",
        "iterator_field": "updated",
        "iterator_data_type": "timestamp",
    }
    path = tmp_path / "workspace.json"
    path.write_text(json.dumps({"pipelines": document["pipelines"]}))

    assert 2 == main(["plan", str(path)])
    assert 2 == main(["apply", str(path), "--yes"])

    assert "sync_mode" in "".join(capsys.readouterr())
    assert 0 == simulator.count("PUT", "")


# failures


@pytest.mark.parametrize("command", [["doctor"], ["pipelines"], ["runs", "orders"], ["export"]])
def test_a_missing_connection_exits_with_2(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    """The error is one line on stderr."""
    assert 2 == main([*command, "--conn-id", "missing"])

    said = capsys.readouterr()
    assert "" == said.out
    assert said.err.splitlines()[-1].startswith("Error: Airflow connection 'missing' does not exist. Create it")


@pytest.mark.parametrize("command", [["doctor"], ["pipelines"], ["runs", "orders"], ["export"]])
def test_a_refused_login_exits_with_1_and_shows_no_secret(
    simulator: Simulator, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """Users copy the output into tickets."""
    simulator.rotate_credentials(client_secret="an0ther")

    assert 1 == main(command)

    said = "".join(capsys.readouterr())
    assert "refused the login" in said
    assert "Traceback" not in said
    assert "simulator-secret" not in said


def test_no_token_is_ever_printed(simulator: Simulator, document: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The output has no token, client secret or warehouse password, even if mParticle repeats them."""
    for command in COMMANDS:
        given = {"runs": ["orders"], "plan": [str(document)], "apply": [str(document), "--yes"]}.get(command.name, [])
        main([command.name, *given])
    simulator.inject(Fault(path="/connections", status=400, body={"errors": [{"message": simulator.token_values[-1]}]}))
    main(["export"])

    said = "".join(capsys.readouterr())
    for secret in (*simulator.token_values, simulator.client_secret, WAREHOUSE_PASSWORD):
        assert secret not in said


def test_an_unreachable_mparticle_exits_with_1(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error has no traceback."""
    connection = simulator.airflow_connection()
    connection["extra"]["token_url"] = f"{CLOSED_PORT}/oauth/token"
    monkeypatch.setenv("AIRFLOW_CONN_MPARTICLE_DEFAULT", json.dumps(connection))
    token_cache.forget()

    assert 1 == main(["doctor"])

    said = "".join(capsys.readouterr())
    assert "No answer from POST" in said
    assert "Traceback" not in said


def test_a_malformed_date_exits_with_2(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is sent."""
    assert 2 == main(["runs", "orders", "--since", "yesterday"])

    assert "--since" in capsys.readouterr().err
    assert [] == simulator.requests


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["plan"], ["runs"], ["doctor", "--output", "xml"]])
def test_bad_usage_exits_with_2(capsys: pytest.CaptureFixture[str], argv: list[str]) -> None:
    """The exit code is the one of argparse."""
    with pytest.raises(SystemExit) as ended:
        main(argv)

    assert 2 == ended.value.code


@pytest.mark.parametrize("command", ["", *(command.name for command in COMMANDS)])
def test_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str], command: str) -> None:
    """Authors of scripts read the help."""
    with pytest.raises(SystemExit) as ended:
        main([*filter(None, [command]), "--help"])

    assert 0 == ended.value.code
    assert "Exit codes: 0 success; 1" in capsys.readouterr().out


# As a process


def run_process(*argv: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command in its own process. The environment points it to the simulator."""
    return subprocess.run(argv, env=os.environ, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.interpreter
@pytest.mark.parametrize("command", ["doctor", "apply"])
def test_as_a_module_it_prints_json_and_nothing_else(simulator: Simulator, document: Path, command: str) -> None:
    """Airflow's log lines on stdout would make the JSON invalid."""
    given = [document, "--yes"] if command == "apply" else []
    done = run_process(sys.executable, "-m", "airflow_provider_mparticle", command, *given, "--output", "json")

    assert 0 == done.returncode, done.stderr
    assert {"doctor": "findings", "apply": "steps"}[command] in json.loads(done.stdout)


@pytest.mark.interpreter
@knows_provider_commands
def test_as_an_airflow_command_it_does_the_same(simulator: Simulator) -> None:
    """The exit code is the same too, although Airflow ignores the return value of a command."""
    done = run_process(AIRFLOW, "mparticle", "pipelines", "--output", "json")
    failed = run_process(AIRFLOW, "mparticle", "runs", "missing")

    assert 0 == done.returncode, done.stderr
    assert ["orders"] == [pipeline["id"] for pipeline in json.loads(done.stdout)]
    assert 1 == failed.returncode
    assert "Error: mParticle answered 404" in failed.stderr


@knows_provider_commands
def test_airflows_parser_accepts_every_argument() -> None:
    """Airflow builds its own parser from our commands."""
    from airflow.cli import cli_parser

    parser = cli_parser.get_parser()
    [group] = get_cli_commands()
    arguments = parser.parse_args(["mparticle", "apply", "workspace.yaml", "--prune", "--yes", "-o", "json"])

    assert [command.name for command in COMMANDS] == [command.name for command in group.subcommands]
    assert ("workspace.yaml", True, True, "json") == (
        arguments.file,
        arguments.prune,
        arguments.yes,
        arguments.output,
    )


@pytest.mark.interpreter
def test_loading_the_commands_loads_nothing_else() -> None:
    """Every ``airflow`` command loads this module."""
    code = (
        "import sys; before = set(sys.modules); import airflow_provider_mparticle.cli.parser; "
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))"
    )

    assert ["airflow_provider_mparticle"] == run_process(sys.executable, "-c", code).stdout.split()


def test_the_libraries_of_the_commands_come_with_airflow() -> None:
    """The extra ``cli`` names them for an Airflow that may drop them."""
    assert find_spec("rich")
    assert find_spec("yaml")


@pytest.mark.parametrize(("module", "distribution"), LIBRARIES.items())
def test_a_missing_library_is_named_with_the_extra_that_has_it(module: str, distribution: str) -> None:
    """The user reads one line that says what to install, instead of a traceback."""
    code = (
        f"import sys; sys.modules[{module!r}] = None; from {PACKAGE}.cli.parser import main; sys.exit(main(['export']))"
    )

    done = run_process(sys.executable, "-c", code)

    assert 2 == done.returncode, done.stderr
    assert f"Error: The commands need {distribution}, which is not installed." in done.stderr
    assert "pip install 'airflow-provider-mparticle[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


# An output that cannot be written


def full_disk() -> TextIO:
    """An output on a full disk."""
    return Path("/dev/full").open("w", encoding="utf-8")


def closed_pipe() -> TextIO:
    """An output whose reader has ended, as after ``| head``."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w", encoding="utf-8")


def argv_of(command: str, document: Path) -> list[str]:
    """A valid command line of every command."""
    given = {"plan": [str(document)], "apply": [str(document), "--yes"], "runs": ["orders"]}
    return [command, *given.get(command, [])]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
@pytest.mark.parametrize("output", [full_disk, closed_pipe])
def test_an_output_that_cannot_be_written_exits_with_1_and_a_line(
    simulator: Simulator,
    document: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    output: Callable[[], TextIO],
) -> None:
    """Nothing is changed before the plan is written."""
    with output() as out:
        monkeypatch.setattr(sys, "stdout", out)

        assert 1 == main(argv_of(command, document))

    said = capsys.readouterr().err.splitlines()[-1]  # some versions of Airflow log that they read the connection
    assert re.fullmatch(r"Error: The output cannot be written: (No space left on device|Broken pipe)\.", said)
    assert 0 == simulator.count("POST", "/connections")


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_without_an_output_a_command_does_its_work(
    simulator: Simulator, document: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Python has no stdout if a service or a shell has closed it."""
    monkeypatch.setattr(sys, "stdout", None)

    assert 0 == main(argv_of(command, document))

    assert (command == "apply") == bool(simulator.count("POST", "/connections"))


@pytest.mark.parametrize("stdin", [None, Terminal("")])
def test_without_an_answer_nothing_is_applied(
    simulator: Simulator, document: Path, monkeypatch: pytest.MonkeyPatch, stdin: TextIO | None
) -> None:
    """Stdin is closed, or the user presses Ctrl-D."""
    monkeypatch.setattr(sys, "stdin", stdin)

    assert main(["apply", str(document)]) in (1, 2)

    assert 0 == simulator.count("POST", "/connections")


@pytest.mark.interpreter
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_python_does_not_report_a_failed_output_again_at_its_end() -> None:
    """It would exit with 120, and print a traceback."""
    with full_disk() as out:
        done = subprocess.run(
            (sys.executable, "-m", PACKAGE, "examples"), stdout=out, stderr=subprocess.PIPE, text=True, check=False
        )

    assert (1, "Error: The output cannot be written: No space left on device.") == (
        done.returncode,
        done.stderr.splitlines()[-1],  # Airflow 3.1 logs before it
    )
    assert "Traceback" not in done.stderr
